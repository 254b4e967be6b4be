"""iotpipe, step by step: scan >> validate >> aggregate >> load, then a gate on the quality of the data.

With nothing to do every task is skipped. Steps may run twice: the second time changes nothing.
"""

import logging
from datetime import datetime

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowFailException
from iotpipe_steps import DEFAULTS, GATE_FAILS, MAX_REJECTED, READINGS, SCHEDULE, Step


@dag(
    schedule=SCHEDULE,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    # Two runs would share the work and do no harm; one tells a clearer story.
    max_active_runs=1,
    default_args=DEFAULTS,
    tags=["iotpipe"],
    doc_md=__doc__,
)
def iotpipe():
    scan = Step(task_id="scan", step="scan", flags=["--skip-if-empty"])
    validate = Step(task_id="validate", step="validate")
    aggregate = Step(task_id="aggregate", step="aggregate")
    load = Step(task_id="load", step="load", outlets=[READINGS])

    @task(retries=0)
    def quality_gate(verdicts: dict):
        """Alerts, or fails, where the share of rejected rows of this run is above the limit."""
        rows, rejected = verdicts["rows"], verdicts["rejected"]
        ratio = rejected / rows if rows else 0.0
        if ratio <= MAX_REJECTED:
            return ratio
        message = f"{rejected} of {rows} rows were rejected ({ratio:.1%}), the limit is {MAX_REJECTED:.1%}: look into quarantine/*.reasons.csv"
        if GATE_FAILS:
            raise AirflowFailException(message)
        logging.getLogger("airflow.task").warning(message)
        return ratio

    scan >> validate >> aggregate >> load >> quality_gate(load.output)


iotpipe()
