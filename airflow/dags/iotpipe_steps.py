"""The step operator that the DAGs share, and what they take from the environment of Airflow's workers.

IOTPIPE              the program; default: `iotpipe` on the path
IOTPIPE_CONFIG       the configuration, absolute; default: /etc/iotpipe/iotpipe.toml
IOTPIPE_SCHEDULE     a cron line, or `none`; default: every five minutes
IOTPIPE_RETRIES, IOTPIPE_RETRY_SECONDS   how often a step is tried again, and the first wait, which doubles; 4 and 30
IOTPIPE_GATE         `alert` or `fail`: what is done above the ratio of the next one
IOTPIPE_MAX_REJECTED share of rejected rows above which the gate closes; default 0.05

The database is the connection `iotpipe` (AIRFLOW_CONN_IOTPIPE, or Airflow's secrets): it never stands in a command or a log.
"""

import json
import os
import shlex
from datetime import timedelta

from airflow.exceptions import AirflowException
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowFailException

WILL_NEVER_WORK = 2
NOTHING_TO_DO = 99

PROGRAM = os.environ.get("IOTPIPE", "iotpipe")
CONFIG = os.environ.get("IOTPIPE_CONFIG", "/etc/iotpipe/iotpipe.toml")
SCHEDULE = os.environ.get("IOTPIPE_SCHEDULE", "*/5 * * * *")
SCHEDULE = None if SCHEDULE == "none" else SCHEDULE
MAX_REJECTED = float(os.environ.get("IOTPIPE_MAX_REJECTED", "0.05"))
GATE_FAILS = os.environ.get("IOTPIPE_GATE", "alert") == "fail"

# What downstream DAGs may be scheduled on; its events carry the counts of the load.
READINGS = Asset(name="iot_readings", uri="iotpipe://readings")

DEFAULTS = {
    "retries": int(os.environ.get("IOTPIPE_RETRIES", "4")),
    "retry_delay": timedelta(seconds=float(os.environ.get("IOTPIPE_RETRY_SECONDS", "30"))),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=15),
    "execution_timeout": timedelta(hours=1),
}


class Step(BashOperator):
    """One step of iotpipe. Its XCom is the JSON object of counts; exit code 2 fails at once, 99 skips, others are retried."""

    def __init__(self, *, step, flags=(), **options):
        words = [PROGRAM, "--config", CONFIG, "--output", "json", step, *flags]
        super().__init__(
            bash_command=shlex.join(words),
            env={"DATABASE_URL": "{{ conn.iotpipe.get_uri() }}"},
            append_env=True,
            skip_on_exit_code=NOTHING_TO_DO,
            output_processor=json.loads,
            **options,
        )

    def execute(self, context):
        try:
            counts = super().execute(context)
        except AirflowException as failure:
            process = self.subprocess_hook.sub_process
            if process is not None and process.returncode == WILL_NEVER_WORK:
                raise AirflowFailException("exit code 2: usage, configuration or contract; the log says what to do") from failure
            raise
        for asset in self.outlets:
            context["outlet_events"][asset].extra = counts
        return counts
