"""k8s/ applied to a real API server, with the controllers that make Jobs and Pods; what they made is read back.

The server is built from Kubernetes' own Go modules, once: minutes the first time, then from the cache.
"""
import hashlib
import json
import secrets
import shutil

import rendered
from machine import CACHE, ROOT, apt, cached, check, expect, folder, free_port, go, port_is_open, program_path, run, server, wait_for

KUBERNETES = "1.36.3"
CONTROLLERS = "cronjob-controller,job-controller,namespace-controller,garbage-collector-controller,deployment-controller,replicaset-controller"
SOURCE = ROOT / "tests/production/control-plane/main.go"


def prepare():
    built()


def test():
    apt(etcd="etcd-server", openssl="openssl")
    program = built()
    with check("etcd, API server and controllers"):
        cluster = Cluster(program)
    for overlay in rendered.OVERLAYS:
        with check(f"{overlay}: the server takes it, strictly"):
            cluster.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", text=with_namespace_there(cluster, overlay))
    with check("a misspelt field and a bad schedule are refused"):
        refuses(cluster)
    with check("cronjob, applied: its Job and Pod are what was rendered"):
        makes_pods(cluster)
    with check("loop, applied over it: the Deployment's replicas"):
        replicates(cluster)


def built():
    """The program, from modules of the version above: each staging module is the one that belongs to it."""
    source = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:12]
    path = CACHE / "go" / f"control-plane-{KUBERNETES}-{source}"
    if path.exists():
        return path
    with check(f"control plane of Kubernetes {KUBERNETES}, built from its Go modules"):
        work = folder("control-plane")
        shutil.copy(SOURCE, work)
        # The proxy tells which staging modules there are: those that k8s.io/kubernetes replaces in its own go.mod.
        env = {"GOFLAGS": "-mod=mod -buildvcs=false", "CGO_ENABLED": "0"}
        info = json.loads(run(go(), "mod", "download", "-json", f"k8s.io/kubernetes@v{KUBERNETES}", cwd="/", timeout=300).stdout)
        own = json.loads(run(go(), "mod", "edit", "-json", info["GoMod"]).stdout)
        staging = "v0." + KUBERNETES.split(".", 1)[1]
        lines = [f"module control-plane\n\ngo {own['Go']}\n", f"require k8s.io/kubernetes v{KUBERNETES}\n"]
        lines += [f"replace {one['Old']['Path']} => {one['Old']['Path']} {staging}\n" for one in own.get("Replace") or []]
        (work / "go.mod").write_text("".join(lines))
        run(go(), "mod", "tidy", cwd=work, timeout=300, env=env)
        cached("go")
        # Built once and run for seconds: what is saved at its building is more than it takes longer.
        quickly = ["-gcflags=all=-N -l -dwarf=false", "-ldflags=-s -w"]
        run(go(), "build", *quickly, "-o", path, ".", cwd=work, timeout=1500, env=env)
    return path


class Cluster:
    def __init__(self, program):
        self.work = folder("cluster")
        for name in ("kube-apiserver", "kube-controller-manager", "kubectl"):
            (self.work / name).symlink_to(program)
        self.client = self.work / "kubectl"
        self.etcd, peer, self.port = free_port(), free_port(), free_port()
        self.keys()
        # Ended in the other order: the API server first, then etcd.
        server(program_path("etcd"), "--data-dir", self.work / "etcd", "--listen-client-urls", f"http://127.0.0.1:{self.etcd}",
               "--advertise-client-urls", f"http://127.0.0.1:{self.etcd}", "--listen-peer-urls", f"http://127.0.0.1:{peer}",
               "--unsafe-no-fsync", log=self.work / "etcd.log")
        wait_for("etcd answers", lambda: port_is_open(self.etcd))
        key = self.work / "key.pem"
        server(self.work / "kube-apiserver", "--etcd-servers", f"http://127.0.0.1:{self.etcd}", "--bind-address", "127.0.0.1",
               "--secure-port", self.port, "--cert-dir", self.work / "certs", "--token-auth-file", self.work / "tokens",
               "--service-account-issuer", "https://kubernetes.default.svc", "--service-account-key-file", key,
               "--service-account-signing-key-file", key, "--authorization-mode", "AlwaysAllow",
               "--disable-admission-plugins", "ServiceAccount", log=self.work / "apiserver.log")
        wait_for("the API server answers", lambda: self.kubectl("get", "--raw", "/readyz", codes=range(256)).stdout == "ok", 90, every=1)
        server(self.work / "kube-controller-manager", "--kubeconfig", self.work / "config", "--controllers", CONTROLLERS,
               "--leader-elect=false", "--secure-port=0", log=self.work / "controllers.log")

    def keys(self):
        token = secrets.token_hex(16)
        (self.work / "tokens").write_text(f'{token},admin,admin,"system:masters"\n')
        run("openssl", "genrsa", "-out", self.work / "key.pem", "2048")
        (self.work / "config").write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": f"https://127.0.0.1:{self.port}", "insecure-skip-tls-verify": True}}],
            "users": [{"name": "test", "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}]}))

    def kubectl(self, *arguments, text=None, codes=(0,)):
        command = [self.client, "--kubeconfig", self.work / "config", "--request-timeout=20s", *arguments]
        if text is None:
            return run(*command, codes=codes, timeout=60)
        path = self.work / "objects.yaml"
        path.write_text(text)
        return run(*(path if part == "-" else part for part in command), codes=codes, timeout=60)

    def get(self, *what):
        return json.loads(self.kubectl("--namespace", "iotpipe", "get", *what, "--output", "json").stdout)


def with_namespace_there(cluster, overlay):
    """A dry run makes no namespace for what follows it."""
    cluster.kubectl("apply", "-f", ROOT / "k8s/base/namespace.yaml")
    return rendered.text(overlay)


def refuses(cluster):
    for old, new in [("concurrencyPolicy", "concurencyPolicy"), ('"*/5 * * * *"', '"*/5 * * * MON-"'), ("*/5 * * * *", "*/61 x * * *")]:
        text = rendered.text("cronjob").replace(old, new)
        if text != rendered.text("cronjob"):
            done = cluster.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", text=text, codes=(0, 1))
            expect(done.returncode, 1, f"exit code of kubectl apply with {new}")


def makes_pods(cluster):
    cluster.kubectl("apply", "-f", "-", text=rendered.text("cronjob"))
    cluster.kubectl("--namespace", "iotpipe", "create", "job", "now", "--from=cronjob/iotpipe")
    # There is no node: a pod is made, and waits.
    pods = wait_for("the Job's Pod", lambda: cluster.get("pods", "--selector", "job-name=now")["items"], 40)
    expected = rendered.template(rendered.find("cronjob", "CronJob"))["spec"]
    expect_within(expected, pods[0]["spec"], "pod")
    job = cluster.get("job", "now")["spec"]
    expect_within(rendered.find("cronjob", "CronJob")["spec"]["jobTemplate"]["spec"]["podFailurePolicy"], job["podFailurePolicy"], "policy")
    wait_for("the migration's Pod", lambda: cluster.get("pods", "--selector", "job-name=iotpipe-migrate")["items"], 40)


def replicates(cluster):
    cluster.kubectl("apply", "-f", "-", text=rendered.text("loop"))
    wanted = rendered.find("loop", "Deployment")["spec"]["replicas"]
    selector = "app.kubernetes.io/component=loop"
    pods = wait_for("the replicas", lambda: (found := cluster.get("pods", "--selector", selector)["items"])
                    and len(found) == wanted and found, 40)
    expect_within(rendered.template(rendered.find("loop", "Deployment"))["spec"], pods[0]["spec"], "pod")


def expect_within(wanted, found, where):
    """Everything that was asked for is there; the server may add its defaults."""
    if isinstance(wanted, dict):
        for key, below in wanted.items():
            expect(key in found, True, f"{where}.{key} is there")
            expect_within(below, found[key], f"{where}.{key}")
    elif isinstance(wanted, list):
        expect(len(found), len(wanted), f"length of {where}")
        for at, below in enumerate(wanted):
            expect_within(below, found[at], f"{where}[{at}]")
    else:
        expect(found, wanted, where)
