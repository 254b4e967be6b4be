"""A Docker engine: the one that answers, else one of our own, started and stopped with the tests."""
import functools
import json
import os
import pathlib

from machine import ENDING, ROOT, Failed, Unavailable, apt, cached, check, folder, program_path, run, say, server, wait_for

LABEL = "iotpipe.test-production"
DEBIAN = "docker.io/library/debian:bookworm-slim"
# The network that containers are on unless told; of whoever starts an engine.
BRIDGE = pathlib.Path("/sys/class/net/docker0")
POSTGRES = "docker.io/library/postgres:17-alpine"


class Engine:
    def __init__(self, host=None):
        self.host = {"DOCKER_HOST": host} if host else {}
        self.env = {"DOCKER_BUILDKIT": "0", **self.host}
        self.binary = program_path("docker")

    def docker(self, *arguments, timeout=120, codes=(0,)):
        return run(self.binary, *arguments, timeout=timeout, codes=codes, env=self.env)

    def answers(self):
        return self.binary and self.docker("version", timeout=30, codes=range(256)).returncode == 0

    def build(self, tag, context, *arguments):
        """`docker build` without BuildKit, on the host's network: a bridge of a daemon without iptables leads nowhere."""
        return self.docker("build", "--network", "host", "--tag", tag, *arguments, str(context), timeout=1800)

    def has(self, image):
        return self.docker("image", "inspect", image, codes=(0, 1)).returncode == 0

    def start(self, name, image, *command, options=()):
        """A container in the background, removed at the end. Gives its name."""
        self.docker("rm", "--force", name, codes=(0, 1))
        ENDING.callback(self.docker, "rm", "--force", "--volumes", name, codes=(0, 1))
        self.docker("run", "--detach", "--name", name, "--label", LABEL, *options, image, *command)
        return name

    def once(self, image, *command, options=(), codes=(0,), timeout=120):
        """A container from its start to its end."""
        return self.docker("run", "--rm", "--label", LABEL, *options, image, *command, codes=codes, timeout=timeout)

    def inspect(self, name):
        return json.loads(self.docker("inspect", name).stdout)[0]

    def wait(self, name, seconds=30):
        """Waits for a container's end and gives its exit code."""
        return int(self.docker("wait", name, timeout=seconds).stdout)

    def logs(self, name):
        done = self.docker("logs", name)
        return done.stdout + done.stderr

    @functools.cached_property
    def network(self):
        """A bridge of the tests' own; the host's network where none can be made."""
        name = "iotpipe-test-production"
        self.docker("network", "rm", name, codes=(0, 1))
        made = self.docker("network", "create", "--label", LABEL, name, codes=range(256))
        if made.returncode:
            say("note", f"no bridge can be made here, so containers meet on the host's network: {made.stderr.strip()}")
            return "host"
        ENDING.callback(self.docker, "network", "rm", name, codes=(0, 1))
        return name


@functools.cache
def engine():
    """The engine of this run, or why there is none."""
    apt(docker="docker.io")
    if (found := Engine()).answers():
        return found
    if os.getuid() != 0:
        raise Unavailable("no Docker engine answers, and only root may start one")
    apt(dockerd="docker.io")
    with check("Docker engine of our own"):
        return started()


def started():
    work = folder("docker")
    host = f"unix://{work}/docker.sock"
    # No rules in the machine's packet filter, and the bridge goes with the engine: nothing is left when it ends.
    if not BRIDGE.exists():
        apt(ip="iproute2")
        ENDING.callback(run, program_path("ip"), "link", "delete", BRIDGE.name, codes=(0, 1))
    # It leaves the host's network namespace mounted there, and, where it was killed once, its own folder upon itself.
    for mounted in (work / "run/netns/default", cached("docker")):
        ENDING.callback(run, "umount", mounted, codes=range(256))
    server(program_path("dockerd"), "--data-root", cached("docker"), "--exec-root", work / "run", "--pidfile", work / "pid",
           "--host", host, "--iptables=false", "--ip6tables=false", log=work / "log")
    own = Engine(host)
    try:
        wait_for("the Docker engine answers", own.answers, 60)
    except Failed as late:
        raise Failed(f"{late}\n{(work / 'log').read_text()[-2000:]}") from late
    # What a killed run left: the engine's folder is ours alone.
    for left in own.docker("ps", "--all", "--quiet").stdout.split():
        own.docker("rm", "--force", "--volumes", left)
    return own


def debian():
    """An image to build in: Debian's, or where nothing can be pulled one from Debian's packages."""
    return pulled(DEBIAN) or stand_in("iotpipe-stand-in/debian:bookworm", debian_from_packages)


def postgres():
    """An image that behaves as PostgreSQL's own."""
    return pulled(POSTGRES) or stand_in("iotpipe-stand-in/postgres:15", postgres_from_packages)


@functools.cache
def pulled(image):
    if engine().has(image):
        return image
    pull = engine().docker("pull", image, timeout=200, codes=range(256))
    if pull.returncode:
        say("note", f"{image} can't be pulled here, a stand-in takes its place: {pull.stderr.strip().splitlines()[-1]}")
    return image if pull.returncode == 0 else None


def stand_in(tag, make):
    if not engine().has(tag):
        with check(f"stand-in image {tag}"):
            make(tag)
    return tag


def debian_from_packages(tag):
    if os.getuid() != 0:
        raise Unavailable("only root can make an image from Debian's packages")
    apt(mmdebstrap="mmdebstrap")
    work = folder("debian")
    # The machine's certificates come along: what it trusts to reach a registry, the build must trust.
    trusted = "/etc/ssl/certs/ca-certificates.crt"
    run("mmdebstrap", "--variant=minbase", "--include=ca-certificates,curl,gcc,libc6-dev,musl-tools",
        f"--customize-hook=copy-in {trusted} /etc/ssl/certs", "bookworm", work / "base.tar", timeout=300)
    engine().docker("import", work / "base.tar", tag, timeout=200)


def postgres_from_packages(tag):
    engine().build(tag, ROOT / "tests/production/stand-in", "--build-arg", f"BASE={debian()}")
