"""airflow/dags: each DAG run by `airflow dags test`, with the real program and PostgreSQL; rows and task states are compared."""
import json
import sqlite3

import kubernetes_validate

import program
import rendered
import rules
from machine import ROOT, Failed, check, expect, folder, run, venv
from postgres import Cluster

REQUIREMENTS = [line for line in (ROOT / "airflow/requirements.txt").read_text().splitlines() if not line.startswith("#")]
STEPS = ["scan", "validate", "aggregate", "load", "quality_gate"]
SUCCESS = {step: ("success", 1) for step in STEPS}


def prepare():
    venv("airflow", *REQUIREMENTS)


def test():
    airflow = Airflow(venv("airflow", *REQUIREMENTS))
    with check("db migrate, and no import errors"):
        airflow.sets_up()
    with check("iotpipe: three files, loaded; counts in XCom and in the asset's event"):
        loads(airflow.new_stage())
    with check("iotpipe: nothing to do is skipped, task by task"):
        skips(airflow.new_stage())
    with check("iotpipe: a step that fails once is tried again"):
        tries_again(airflow.new_stage())
    with check("iotpipe: retries used up, and nothing after it runs"):
        gives_up(airflow.new_stage())
    with check("iotpipe: exit code 2 is not tried again"):
        fails_at_once(airflow.new_stage())
    with check("iotpipe: the gate closes above the ratio of rejected rows"):
        gate_closes(airflow.new_stage())
    with check("iotpipe_files: three files, a task each"):
        maps(airflow.new_stage())
    with check("iotpipe_pods: pods as Kubernetes takes them, confined by our rules"):
        makes_pods(airflow)


class Airflow:
    def __init__(self, bin_folder):
        self.bin, self.home, self.server = bin_folder, folder("airflow"), Cluster()
        self.env = {
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "airflow/dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.home}/airflow.db",
            "PYTHONDONTWRITEBYTECODE": "1",
            "IOTPIPE": str(program.binary()),
            "IOTPIPE_SCHEDULE": "none",
            "IOTPIPE_RETRIES": "1",
            "IOTPIPE_RETRY_SECONDS": "1",
        }
        self.stages = 0

    def airflow(self, *arguments, env=None, codes=(0,)):
        return run(self.bin / "airflow", *arguments, env={**self.env, **(env or {})}, timeout=180, codes=codes)

    def sets_up(self):
        self.airflow("db", "migrate")
        self.airflow("dags", "reserialize")
        expect(self.ask("SELECT filename, stacktrace FROM import_error"), [], "import errors")
        names = {name for (name,) in self.ask("SELECT dag_id FROM dag")}
        expect(names, {"iotpipe", "iotpipe_files", "iotpipe_pods"}, "DAGs")

    def new_stage(self):
        self.stages += 1
        return Stage(self, f"2026-02-{self.stages:02}")

    def ask(self, sql, *values):
        with sqlite3.connect(self.home / "airflow.db") as database:
            return database.execute(sql, values).fetchall()


class Stage:
    """A database and folders of their own, for one run of a DAG on one date."""

    def __init__(self, airflow, date):
        self.airflow, self.date = airflow, date
        self.work, self.database = folder("stage"), airflow.server.new_database()
        self.config = self.work / "iotpipe.toml"
        self.config.write_text('[source]\nsettle = "0s"\n[contract]\nmax_rejected_ratio = 1.0\n' + sensors())
        (self.work / "data").mkdir()

    def deliver(self, **options):
        program.generate(self.work / "data", **options)

    def test(self, dag, expected, **env):
        """`airflow dags test`; compares the state and the number of the last try of each task instance."""
        env = {"IOTPIPE_CONFIG": str(self.config), "AIRFLOW_CONN_IOTPIPE": self.database, **env}
        done = self.airflow.airflow("dags", "test", dag, self.date, env=env, codes=range(256))
        self.run_id = self.airflow.ask("SELECT run_id FROM dag_run WHERE dag_id = ? ORDER BY id DESC", dag)[0][0]
        states = self.airflow.ask("SELECT task_id, map_index, state, try_number FROM task_instance WHERE dag_id = ? AND "
                                  "run_id = ?", dag, self.run_id)
        found = {name if at < 0 else f"{name}[{at}]": (state, tries) for name, at, state, tries in states}
        if found != expected:
            raise Failed(f"{dag}: {found}, expected {expected}\n{done.stdout[-4000:]}{done.stderr[-2000:]}")
        return done

    def xcom(self, dag, task):
        [(value,)] = self.airflow.ask("SELECT value FROM xcom WHERE dag_id = ? AND run_id = ? AND task_id = ? AND "
                                      "key = 'return_value'", dag, self.run_id, task)
        value = json.loads(value)
        return json.loads(value) if isinstance(value, str) else value

    def rows(self):
        return int(self.airflow.server.ask(self.database, "SELECT count(*) FROM iot_readings"))


def sensors():
    """The contract of the manifests, which is that of the generator."""
    text = (ROOT / "k8s/base/iotpipe.toml").read_text()
    return text[text.index("timestamp ="):]


def loads(stage):
    stage.deliver(files=3, rows=500, error_rate=0.02)
    stage.test("iotpipe", SUCCESS)
    counts = stage.xcom("iotpipe", "load")
    expect((counts["files"], counts["rows"], counts["loaded"]), (3, 1500, stage.rows()), "files, rows and loaded in XCom")
    [(extra,)] = stage.airflow.ask("SELECT extra FROM asset_event WHERE source_run_id = ?", stage.run_id)
    extra = json.loads(extra) if isinstance(extra, str) else extra
    expect(extra, counts, "counts in the asset's event")


def skips(stage):
    stage.test("iotpipe", {"scan": ("skipped", 1), **{step: ("skipped", 0) for step in STEPS[1:]}})


def tries_again(stage):
    """The second step finds no program the first time: exit code 127, as of a node whose disk is away."""
    stage.deliver(files=1, rows=100)
    flaky = stage.work / "flaky"
    flaky.write_text(f'#!/bin/sh\ncase " $* " in *" aggregate "*) rmdir "{stage.work}/broken" 2>/dev/null && exit 1 ;; esac\n'
                     f'exec "{program.binary()}" "$@"\n')
    flaky.chmod(0o755)
    (stage.work / "broken").mkdir()
    stage.test("iotpipe", {**SUCCESS, "aggregate": ("success", 2)}, IOTPIPE=str(flaky))
    expect(stage.rows(), 100, "rows")


def gives_up(stage):
    stage.deliver(files=1, rows=100)
    refused = stage.database.replace(f":{stage.airflow.server.port}/", ":1/")
    after = {step: ("upstream_failed", 0) for step in STEPS[1:]}
    stage.test("iotpipe", {"scan": ("failed", 2), **after}, AIRFLOW_CONN_IOTPIPE=refused)


def fails_at_once(stage):
    stage.config.write_text("[source]\npatern = 1\n")
    after = {step: ("upstream_failed", 0) for step in STEPS[1:]}
    stage.test("iotpipe", {"scan": ("failed", 1), **after})


def gate_closes(stage):
    stage.deliver(files=1, rows=500, error_rate=0.3)
    stage.test("iotpipe", {**SUCCESS, "quality_gate": ("failed", 1)}, IOTPIPE_GATE="fail")
    expect(stage.rows() > 0, True, "what was good is loaded all the same")


def maps(stage):
    stage.deliver(files=2, rows=200)
    # A name that a shell would take apart.
    first = sorted((stage.work / "data").glob("*.csv"))[0]
    first.rename(stage.work / "data/$(id) 'a' b.csv")
    program.generate(stage.work / "data/below", files=1, rows=200, seed=9, start="2025-01-01T00:00:00Z")
    mapped = {f"load_file[{at}]": ("success", 1) for at in range(3)}
    stage.test("iotpipe_files", {"scan": ("success", 1), "files": ("success", 1), **mapped})
    expect(stage.rows(), 600, "rows")


PODS = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
from kubernetes.client import ApiClient
dag = DagBag(sys.argv[1]).dags["iotpipe_pods"]
pods = [dag.get_task(name).build_pod_request_obj() for name in ("scan", "validate", "aggregate", "load")]
print(json.dumps(ApiClient().sanitize_for_serialization(pods)))
"""


def makes_pods(airflow):
    # The operator wants to know of a cluster before it says what it would ask of it; nobody is called.
    kubeconfig = airflow.home / "kubeconfig"
    kubeconfig.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", "current-context": "none",
                                      "clusters": [{"name": "none", "cluster": {"server": "http://127.0.0.1:1"}}], "users": [],
                                      "contexts": [{"name": "none", "context": {"cluster": "none", "user": ""}}]}))
    env = {**airflow.env, "PYTHONPATH": str(ROOT / "airflow/dags"), "KUBECONFIG": str(kubeconfig)}
    done = run(airflow.bin / "python", "-c", PODS, ROOT / "airflow/dags", env=env)
    there = rendered.objects("cronjob")
    contract = next(o for o in there if o["kind"] == "ConfigMap")
    for pod in json.loads(done.stdout.splitlines()[-1]):
        pod = json.loads(json.dumps(pod).replace('"iotpipe-contract"', json.dumps(contract["metadata"]["name"])))
        kubernetes_validate.validate({"apiVersion": "v1", "kind": "Pod", **pod}, rendered.API, strict=True)
        secrets = {"iotpipe": {"DATABASE_URL": ""}}
        found = [*rules.confinement(pod), *rules.references(pod["spec"], there, secrets)]
        expect(found, [], f"findings in {pod['metadata']['name']}")
