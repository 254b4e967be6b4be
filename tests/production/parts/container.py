"""The image: what is in it, whom it runs as, what it needs, and what a kill leaves behind."""
import tarfile
import time

import program
from engine import engine
from machine import Failed, Unavailable, check, expect, folder, wait_for
from postgres import Container
from program import counts

LARGEST = 30 * 1024 * 1024
# As strict as Kubernetes' restricted profile.
CONFINED = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--memory", "256m"]
FOLDERS = ["data", "processed", "quarantine"]
# Seconds that a killed container's lease lasts at least: who is done before did not wait for its end.
LEASE = 45
# Far more rows than are loaded between two looks at the folder.
LARGE = 300_000


def test():
    image = program.image()
    with check("small, non-root, labelled, with a health check, without a shell"):
        describes_itself(image)
    with check("zone data and certificates are in it"):
        knows_zones(image)
    server = Container("iotpipe-test-postgres")
    with check("read-only root: a file into PostgreSQL in another container, over a network of their own"):
        loads(Pipeline(image, server))
    with check("killed in mid-load, and started again under another name: goes on at once"):
        goes_on(Pipeline(image, server))
    with check("SIGTERM ends `loop` in good order"):
        stops(Pipeline(image, server))
    if not program.offers("health"):
        raise Unavailable("the health check was not run: this iotpipe has no command `health`")
    with check("HEALTHCHECK: healthy while the loop gets on; without an engine's help, by the program itself"):
        is_healthy(Pipeline(image, server))


class Pipeline:
    """Folders of their own, a database of its own, and containers over them."""

    def __init__(self, image, server):
        self.image, self.server, self.database = image, server, server.new_database()
        self.folder = folder("pipeline")
        self.options = [*CONFINED, "--network", engine().network, "--env", f"DATABASE_URL={self.database}"]
        for name in FOLDERS:
            path = self.folder / name
            path.mkdir()
            # The image's user has another number than whoever runs the tests.
            path.chmod(0o777)
            self.options += ["--volume", f"{path}:/var/lib/iotpipe/{name}"]

    def once(self, *arguments, **options):
        return engine().once(self.image, *arguments, options=self.options, **options)

    def start(self, name, *arguments):
        return engine().start(name, self.image, *arguments, options=self.options)

    def names(self, name):
        return sorted(path.name for path in (self.folder / name).iterdir() if path.name != ".iotpipe")

    def rows(self):
        return int(self.server.ask(self.database, "SELECT count(*) FROM iot_readings"))


def describes_itself(image):
    about = engine().inspect(image)
    if about["Size"] > LARGEST:
        raise Failed(f"the image has {about['Size']} bytes, the most is {LARGEST}")
    print(f"          the image has {about['Size'] / 1e6:.1f} MB")
    config = about["Config"]
    expect(config["User"], "65532:65532", "user")
    expect(config["Healthcheck"]["Test"], ["CMD", "/usr/bin/iotpipe", "health"], "health check")
    expect(config["Labels"]["org.opencontainers.image.title"], "iotpipe", "label")
    expect(files_of(image) & {"bin/sh", "usr/bin/sh", "bin/busybox", "lib/ld-musl-x86_64.so.1"}, set(), "shells and libraries")


def files_of(image):
    path = folder("image") / "image.tar"
    container = engine().docker("create", image).stdout.strip()
    engine().docker("export", "--output", str(path), container)
    engine().docker("rm", container)
    with tarfile.open(path) as tar:
        return {member.name for member in tar.getmembers()}


def knows_zones(image):
    """A local time of a zone whose clocks changed is read as what it was in UTC, without any file of the system."""
    work = folder("zones")
    work.chmod(0o777)
    (work / "iotpipe.toml").write_text(
        '[contract]\ntimestamp = { column = "ts", format = "%Y-%m-%d %H:%M:%S", zone = "Europe/Rome" }\n'
        '[[contract.sensor]]\nname = "temp"\ntype = "float"\n')
    (work / "data").mkdir(mode=0o777)
    (work / "data").chmod(0o777)
    (work / "data/a.csv").write_text("ts,device,temp\n2026-07-01 12:00:00,a,1\n2026-12-01 12:00:00,a,2\n")
    done = engine().once(image, "--output", "json", "run", options=["--volume", f"{work}:/work", "--workdir", "/work"])
    expect(counts(done)["loaded"], 1, "rows loaded of one in the past and one in the future")
    expect("etc/ssl/certs/ca-certificates.crt" in files_of(image), True, "certificates")


def loads(pipeline):
    program.generate(pipeline.folder / "data", rows=2000)
    expect(counts(pipeline.once("--output", "json", "run"))["loaded"], 2000, "rows loaded")
    expect(pipeline.rows(), 2000, "rows in the database")
    expect([len(pipeline.names(name)) for name in FOLDERS], [0, 1, 0], "files in data, processed, quarantine")
    again = pipeline.once("--output", "json", "run")
    expect(counts(again)["files"], 0, "files of a second run")
    pipeline.once("verify")


def goes_on(pipeline):
    program.generate(pipeline.folder / "data", rows=LARGE)
    first = pipeline.start("iotpipe-test-first", "run")
    loading = "SELECT count(*) FROM pg_stat_activity WHERE query ILIKE 'COPY%' AND state = 'active'"
    wait_for("the file is being copied", lambda: pipeline.server.ask(pipeline.database, loading) != "0", every=0)
    engine().docker("kill", "--signal", "KILL", first)
    expect(engine().wait(first), 137, "exit code of the killed container")
    expect(pipeline.rows(), 0, "rows of a load that was killed")
    started = time.monotonic()
    engine().start("iotpipe-test-second", pipeline.image, "--output", "json", "loop", options=pipeline.options)
    wait_for("every row is there", lambda: pipeline.rows() == LARGE, LEASE)
    print(f"          every row was there {time.monotonic() - started:.1f} s after the start of the second container")
    pipeline.once("verify")


def is_healthy(pipeline):
    pipeline.options += ["--env", "IOTPIPE_HTTP=127.0.0.1:9464", "--health-interval", "1s"]
    name = pipeline.start("iotpipe-test-healthy", "loop")
    wait_for("the container is healthy", lambda: engine().inspect(name)["State"]["Health"]["Status"] == "healthy", 40)
    engine().docker("exec", name, "/usr/bin/iotpipe", "health")
    # Stopped in its tracks, it gives no answer: the probe says so in time, and does not hang.
    engine().docker("kill", "--signal", "STOP", name)
    started = time.monotonic()
    engine().docker("exec", name, "/usr/bin/iotpipe", "health", codes=(1,))
    if time.monotonic() - started > 10:
        raise Failed("the probe of a loop that hangs took longer than 10 s")
    engine().docker("kill", "--signal", "CONT", name)


def stops(pipeline):
    name = pipeline.start("iotpipe-test-loop", "--output", "json", "loop", "--interval", "1s")
    program.generate(pipeline.folder / "data", rows=500)
    wait_for("the file is loaded", lambda: pipeline.names("processed"))
    started = time.monotonic()
    engine().docker("kill", "--signal", "TERM", name)
    expect(engine().wait(name), 0, "exit code after SIGTERM")
    took = time.monotonic() - started
    if took > 10:
        raise Failed(f"it took {took:.1f} s to stop, the most is 10")
    expect(pipeline.names("data"), [], "files left in data/")
