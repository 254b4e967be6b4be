"""Metrics, alert rules, dashboard, lineage and compose.yaml: read by the programs they are for, over a pipeline that runs."""
import json
import pathlib
import re
import shutil
import urllib.parse
import urllib.request

import jsonschema
import yaml

import program
from machine import (ROOT, Failed, Unavailable, apt, check, end, expect, folder, free_port, port_is_open, run, server, venv,
                     wait_for)
from postgres import Cluster

COMPOSE = "github.com/compose-spec/compose-go/v2@v2.16.2"
ALERTS = ROOT / "prometheus/alerts.yaml"
# The classes that OpenLineage generates from its JSON schema, which itself is in no registry.
OPENLINEAGE = "openlineage-python==1.54.0"


def test():
    apt(promtool="prometheus", prometheus="prometheus")
    with check("alert rules: valid, each fires on what it is for and is silent beside it"):
        alerts_fire()
    with check("each alert has its place in the runbook"):
        runbook_answers()
    with check("compose.yaml: valid by the specification's schema, its files exist"):
        compose_is_valid()
    pipeline = Pipeline()
    with check("a pipeline that runs, scraped by Prometheus"):
        pipeline.starts()
    with check("every query of the dashboard returns data"):
        dashboard_has_data(pipeline)
    with check("promtool check metrics; counters are what the manifest says"):
        metrics_are_true(pipeline)
    with check("lineage: every event is one by OpenLineage's own classes"):
        lineage_is_read(pipeline)


def rules():
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def alerts_fire():
    run("promtool", "check", "rules", ALERTS)
    run("promtool", "check", "config", "--syntax-only", ROOT / "prometheus/prometheus.yaml")
    run("promtool", "test", "rules", "alerts.test.yaml", cwd=ALERTS.parent)
    tests = yaml.safe_load((ALERTS.parent / "alerts.test.yaml").read_text())["tests"]
    tried = {(one["alertname"], bool(one["exp_alerts"])) for test in tests for one in test["alert_rule_test"]}
    wanted = {(rule["alert"], fires) for rule in rules() for fires in (True, False)}
    expect(wanted - tried, set(), "alerts that no unit test fires, or holds silent")


def runbook_answers():
    headings = re.findall(r"^#+ (.*)$", (ROOT / "docs/operations.md").read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    for rule in rules():
        page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        if not page.endswith("docs/operations.md") or anchor not in anchors:
            raise Failed(f"{rule['alert']}: docs/operations.md has no heading #{anchor}")


def compose_is_valid():
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    jsonschema.Draft7Validator(json.loads(compose_schema().read_text())).validate(compose)
    for name, service in compose["services"].items():
        expect(set(service.get("depends_on", [])) <= set(compose["services"]), True, f"{name}: depends_on")
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            there = (ROOT / source).exists() if source.startswith(".") else source in compose["volumes"]
            expect(there, True, f"{name}: {source} exists")


def compose_schema():
    """The schema of the Compose specification, from the module that `docker compose` reads its files with."""
    if not shutil.which("go"):
        apt(go="golang-go")
    done = run("go", "mod", "download", "-json", COMPOSE, timeout=120, cwd="/")
    return pathlib.Path(json.loads(done.stdout)["Dir"]) / "schema/compose-spec.json"


class Pipeline:
    """The services of compose.yaml, from this machine's programs: devices, the loop, PostgreSQL, Prometheus."""

    def __init__(self):
        services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
        self.loop, self.devices, self.scraper = (services[name]["command"] for name in ("iotpipe", "devices", "prometheus"))
        if not program.offers("loop", "--http"):
            raise Unavailable("files are checked; this iotpipe has no `loop --http` to scrape")
        self.work, self.http, self.port = folder("monitoring"), free_port(), free_port()
        self.postgres = Cluster()
        self.database = self.postgres.new_database()

    def starts(self):
        self.lineage = self.work / "lineage.jsonl"
        env = {"OPENLINEAGE_URL": f"file://{self.lineage}", "DATABASE_URL": self.database, "IOTPIPE_HTTP": f"127.0.0.1:{self.http}", "PATH": "/usr/bin:/bin"}
        own = {"cwd": self.work, "env": env}
        loop = [word.replace("5s", "500ms") for word in self.loop]
        server(program.binary(), *loop, log=self.work / "loop.log", **own)
        devices = [word.replace("10s", "1s") for word in self.devices]
        wait_for("the loop serves metrics", lambda: port_is_open(self.http))
        self.generator = server(program.binary(), *devices, log=self.work / "devices.log", **own)
        server("prometheus", *self.scrape(), f"--web.listen-address=127.0.0.1:{self.port}", log=self.work / "prometheus.log")
        wait_for("Prometheus is ready", self.scraper_is_ready, 60)
        wait_for("it has rows to show", lambda: self.query("iotpipe_rows_total > 0"), 60)
        wait_for("it has scraped some more", lambda: self.query("count_over_time(iotpipe_build_info[5m]) > 12"), 60)

    def scrape(self):
        """The flags of compose.yaml, with the configuration and the folder of this run."""
        config = yaml.safe_load((ROOT / "prometheus/prometheus.yaml").read_text())
        config["rule_files"] = [str(ALERTS)]
        config["global"].update(scrape_interval="1s", evaluation_interval="1s")
        [job] = config["scrape_configs"]
        job["static_configs"] = [{"targets": [f"127.0.0.1:{self.http}"]}]
        (self.work / "prometheus.yaml").write_text(yaml.safe_dump(config))
        return [flag.replace("/etc/prometheus", str(self.work)).replace("=/prometheus", f"={self.work}/tsdb") for flag in self.scraper]

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}{path}", timeout=10) as answer:
            return answer.read().decode()

    def scraped(self, outcome):
        return int(re.search(rf'^iotpipe_rows_total{{outcome="{outcome}"}} (\d+)', self.get("/metrics"), re.MULTILINE).group(1))

    def rows(self, outcome):
        sql = f"SELECT coalesce(sum(rows_{outcome}), 0) FROM manifest WHERE state = 'loaded'"
        return int(self.postgres.ask(self.database, sql))

    def scraper_is_ready(self):
        """Its port is open for a moment before it answers with anything but 503."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=10):
                return True
        except OSError:
            return False

    def query(self, expression):
        asked = urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/query?{asked}", timeout=10) as answer:
            return json.load(answer)["data"]["result"]


def metrics_are_true(pipeline):
    text = pipeline.get("/metrics")
    path = pipeline.work / "metrics.txt"
    path.write_text(text)
    run("sh", "-c", f"promtool check metrics < '{path}'")
    end(pipeline.generator)
    for outcome in ("loaded", "rejected", "duplicate"):
        wait_for(f"iotpipe_rows_total of {outcome} is that of the manifest", lambda: pipeline.scraped(outcome) == pipeline.rows(outcome))
    expect(pipeline.rows("loaded") > 0 and pipeline.rows("rejected") > 0, True, "there are rows of both outcomes")


def lineage_is_read(pipeline):
    """Of a pipeline that runs: rows that were loaded, and rows that were set aside."""
    reader = pathlib.Path(__file__).parents[1] / "openlineage_events.py"
    done = run(venv("openlineage", OPENLINEAGE) / "python", reader, pipeline.lineage)
    seen = json.loads(done.stdout)
    expect([seen.get(kind, 0) > 0 for kind in ("START", "COMPLETE", "assertions", "quarantine")], [True] * 4, f"seen of each: {seen}")


def dashboard_has_data(pipeline):
    dashboard = json.loads((ROOT / "grafana/iotpipe.json").read_text())
    silent = []
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            if "expr" in target:
                data = pipeline.query(target["expr"])
            else:
                sql = target["rawSql"].replace("$sensor", "'temp'")
                sql = re.sub(r"\$__timeFilter\((\w+)\)", r"\1 IS NOT NULL", sql)
                data = pipeline.postgres.ask(pipeline.database, sql)
            # A healthy database makes no errors, and a counter of none is no series.
            if not data and "database_errors" not in target.get("expr", ""):
                silent.append(f"{panel['title']}: {target.get('expr') or target['rawSql']}")
    expect(silent, [], "queries that return nothing")
