"""k8s/: rendered, held against the API's schemas and our own rules, and each container run as it would be deployed."""
import re
import time

import kubernetes_validate
import yaml

import program
import rendered
import rules
from engine import engine
from machine import ROOT, Failed, Unavailable, check, expect, folder, wait_for
from postgres import Container
from program import counts

CLAIMS = ["data", "processed", "quarantine"]
PASSWORDS = {"owner_password": "owner's", "loader_password": "loader's"}


def test():
    for overlay in rendered.OVERLAYS:
        with check(f"{overlay}: renders, valid by the schemas of Kubernetes {rendered.API}, and by rules of our own"):
            holds(rendered.objects(overlay))
    with check("each rule finds what it is for"):
        rules_find_what_they_are_for()
    try:
        image = program.image()
    except Unavailable as missing:
        raise Unavailable(f"manifests are checked, their containers were not run: {missing}") from missing
    cluster = Stage(image)
    with check("migrate: its Job's container makes the schema, in a role of its own"):
        expect(counts(cluster.run("cronjob", "Job", "iotpipe-migrate"))["step"], "migrate", "step")
    with check("cronjob: its container loads what has arrived, in a role that may create nothing"):
        runs_once(cluster)
    with check("steps: scan, validate, aggregate and load, in this order"):
        runs_step_by_step(cluster)
    if not program.offers("loop", "--http"):
        raise Unavailable("the containers of the overlay loop were not run: this iotpipe has no `loop --http`")
    with check("loop: two replicas share the work; stopped as the kubelet does it, within the grace period"):
        goes_on_and_stops(cluster)


def holds(objects):
    for one in objects:
        try:
            kubernetes_validate.validate(one, rendered.API, strict=True)
        except kubernetes_validate.ValidationError as error:
            raise Failed(f"{one['kind']}/{one['metadata']['name']}: {error.message} at {list(error.path)}") from error
    if found := rules.findings(objects, secrets()):
        raise Failed("\n".join(found))


def secrets():
    """The Secrets that the installation brings: name → key → value, as the example file has them."""
    examples = yaml.safe_load_all((ROOT / "k8s/base/secrets.example.yaml").read_text())
    return {one["metadata"]["name"]: one["stringData"] for one in examples}


# A manifest, what is changed in its text, and what a rule must say of it.
BROKEN = [
    ("cronjob", "*/5 * * * *", "*/5 * * * MON-", "schedule"),
    ("cronjob", "*/5 * * * *", "61 * * * *", "schedule"),
    ("cronjob", "*/5 * * * *", "* * * *", "schedule"),
    ("cronjob", "concurrencyPolicy: Forbid", "concurrencyPolicy: Never", "concurrencyPolicy"),
    ("cronjob", "restartPolicy: Never", "restartPolicy: OnFailure", "restartPolicy"),
    ("cronjob", "claimName: iotpipe-data", "claimName: iotpipe-dat", "no PersistentVolumeClaim"),
    ("cronjob", "- name: processed\n", "- name: procesed\n", "no volume processed"),
    ("cronjob", "key: DATABASE_URL", "key: URL", "no Secret"),
    ("cronjob", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "readOnlyRootFilesystem"),
    ("cronjob", "runAsUser: 65532", "runAsUser: 0", "runAsNonRoot"),
    ("cronjob", "- ALL", "- NET_RAW", "capabilities"),
    ("cronjob", "type: RuntimeDefault", "type: Unconfined", "seccompProfile"),
    ("cronjob", "serviceAccountName: iotpipe", "serviceAccountName: other", "no ServiceAccount"),
    ("cronjob", "iotpipe/iotpipe:0.1.0", "iotpipe/iotpipe", "names no version"),
    ("loop", "path: /readyz\n            port: metrics", "path: /readyz\n            port: other", "asks the port other"),
    ("loop", "terminationGracePeriodSeconds: 30", "terminationGracePeriodSeconds: 5", "up to 10 seconds"),
    ("loop", "maxUnavailable: 1\n  selector:\n    matchLabels:\n      app.kubernetes.io/component: loop",
     "maxUnavailable: 1\n  selector:\n    matchLabels:\n      app.kubernetes.io/component: lop", "selects no pod"),
]


def rules_find_what_they_are_for():
    for overlay, old, new, said in BROKEN:
        text = rendered.text(overlay)
        if old not in text:
            raise Failed(f"{overlay} has no {old!r}, so the rule was not tried")
        found = rules.findings([o for o in yaml.safe_load_all(text.replace(old, new)) if o], secrets())
        if not any(said in finding for finding in found):
            raise Failed(f"{overlay} with {new!r}: no finding says {said!r}: {found}")


class Stage:
    """A database with the two roles, three volumes, and containers as the manifests describe them."""

    def __init__(self, image):
        self.image, self.server = image, Container("iotpipe-test-k8s-postgres")
        self.database = self.server.new_database()
        self.make_roles()
        self.work = folder("kubernetes")
        self.volumes = {f"iotpipe-{name}": self.work / name for name in CLAIMS}
        for path in self.volumes.values():
            path.mkdir()
            path.chmod(0o777)

    def make_roles(self):
        """By the file that the runbook names."""
        sql = (ROOT / "k8s/roles.sql").read_text()
        engine().docker("cp", str(ROOT / "k8s/roles.sql"), f"{self.server.name}:/tmp/roles.sql")
        passwords = [part for name, value in PASSWORDS.items() for part in ("-v", f"{name}={value}")]
        expect(all(f":'{name}'" in sql for name in PASSWORDS), True, "passwords in roles.sql")
        url = re.sub(r"@[^:]*:", "@127.0.0.1:", self.database)
        for _ in range(2):
            engine().docker("exec", self.server.name, "psql", "-X", "-q", *passwords, "-f", "/tmp/roles.sql", url)

    def secrets(self):
        def url(user, password):
            return self.database.replace("postgres:secret@", f"{user}:{password.replace(chr(39), '%27')}@")
        return {"iotpipe-migrate": {"DATABASE_URL": url("iotpipe_owner", PASSWORDS["owner_password"])},
                "iotpipe": {"DATABASE_URL": url("iotpipe", PASSWORDS["loader_password"])}}

    def pod(self, overlay, kind, name="iotpipe"):
        """The pod's containers, each as name, options of `docker run`, and arguments."""
        config_maps = {o["metadata"]["name"]: o["data"] for o in rendered.objects(overlay) if o["kind"] == "ConfigMap"}
        pod_template = rendered.template(rendered.find(overlay, kind, name))
        pod = rendered.Pod(pod_template, config_maps, self.secrets(), self.volumes, folder("pod"))
        network = ["--network", engine().network]
        return [(c["name"], [*pod.options(c), *network], c["args"]) for c in rendered.containers(pod_template)]

    def run(self, overlay, kind, name="iotpipe"):
        """Runs a pod's containers one behind the other, and gives what the last one printed."""
        for _, options, arguments in self.pod(overlay, kind, name):
            done = engine().once(self.image, *arguments, options=options)
        return done

    def deliver(self, files, rows, seed):
        program.generate(self.volumes["iotpipe-data"], files=files, rows=rows, seed=seed, start=f"20{seed}-01-01T00:00:00Z")

    def loaded(self):
        return int(self.server.ask(self.database, "SELECT coalesce(sum(rows_loaded), 0) FROM manifest WHERE state = 'loaded'"))


def runs_once(cluster):
    cluster.deliver(files=2, rows=500, seed=20)
    expect(counts(cluster.run("cronjob", "CronJob"))["loaded"], 1000, "rows loaded")
    expect(len(list(cluster.volumes["iotpipe-processed"].glob("*.csv"))), 2, "files in the volume of the processed")
    may = cluster.server.ask(cluster.database, "SELECT has_schema_privilege('iotpipe', 'public', 'CREATE')")
    expect(may, "f", "the loading role may create tables")


def runs_step_by_step(cluster):
    cluster.deliver(files=2, rows=500, seed=21)
    names = [name for name, _, _ in cluster.pod("steps", "CronJob")]
    expect(names, ["scan", "validate", "aggregate", "iotpipe"], "the order of the steps")
    last = counts(cluster.run("steps", "CronJob"))
    expect((last["step"], last["files"], last["loaded"]), ("load", 2, 1000), "step, files and rows of the last container")
    expect(cluster.loaded(), 2000, "rows loaded in all")


def goes_on_and_stops(cluster):
    deployment = rendered.find("loop", "Deployment")
    grace = rendered.template(deployment)["spec"]["terminationGracePeriodSeconds"]
    replicas = []
    for number in range(deployment["spec"]["replicas"]):
        [(_, options, arguments)] = cluster.pod("loop", "Deployment")
        replicas.append(engine().start(f"iotpipe-test-replica-{number}", cluster.image, *arguments, options=options))
    cluster.deliver(files=40, rows=5000, seed=22)
    wait_for("the replicas load", lambda: cluster.loaded() > 2000, 60)
    # The kubelet sends SIGTERM and, when the grace period is over, SIGKILL: `docker stop` does the same.
    started = time.monotonic()
    engine().docker("stop", "--time", str(grace), replicas[0], timeout=grace + 30)
    took = time.monotonic() - started
    expect(engine().inspect(replicas[0])["State"]["ExitCode"], 0, f"exit code of a replica that was stopped ({took:.1f} s)")
    wait_for("the other replica loads the rest", lambda: cluster.loaded() == 202_000, 90)
    engine().docker("stop", "--time", str(grace), *replicas[1:], timeout=grace + 30)
    expect(list(cluster.volumes["iotpipe-data"].glob("*.csv")), [], "files left")
