"""iotpipe, one task per file: a large file holds up no other, and each has its own log, time and retries."""

from datetime import datetime

from airflow.sdk import dag, task
from iotpipe_steps import DEFAULTS, READINGS, SCHEDULE, Step


@dag(
    schedule=SCHEDULE,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
    tags=["iotpipe"],
    doc_md=__doc__,
)
def iotpipe_files():
    scan = Step(task_id="scan", step="scan", flags=["--skip-if-empty"])

    @task
    def files(counts: dict) -> list[dict]:
        """The variable of one mapped task each: a name goes to the shell by the environment, never in the command's text."""
        return [{"FILE": name} for name in counts["pending_files"]]

    LoadFile.partial(task_id="load_file", outlets=[READINGS], max_active_tis_per_dag=4).expand(file=files(scan.output))


class LoadFile(Step):
    """`load --file` of the file that it is mapped to."""

    template_fields = (*Step.template_fields, "file")

    def __init__(self, *, file, **options):
        super().__init__(step="load", **options)
        self.file = file
        self.bash_command += ' --file "$FILE"'

    def execute(self, context):
        self.env = {**self.env, **self.file}
        return super().execute(context)


iotpipe_files()
