"""The tests of `make test`, some of them, on a PostgreSQL that they start as a container in this engine."""
import os
import pathlib

from engine import engine, postgres
from machine import ROOT, Failed, Unavailable, check, run

# As tests/support/server/container.rs names it.
IMAGE = "postgres:17-alpine"
TESTS = ["steps::", "rights::"]


def test():
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
    if not list((target / "debug/deps").glob("it-*")):
        raise Unavailable("the tests are not built here: `make test` builds them")
    docker = engine()
    if (image := postgres()) != IMAGE:
        docker.docker("tag", image, IMAGE)
    # An empty variable is none: the tests look for a container first.
    env = {**docker.host, "IOTPIPE_TEST_DATABASE_URL": ""}
    before = containers_made(docker)
    with check(f"cargo test {' '.join(TESTS)}"):
        run(ROOT / "scripts/toolchain.sh", "cargo", "test", "--locked", "--features", "failpoints", "--test", "it", "--", *TESTS,
            cwd=ROOT, env=env, timeout=550)
    with check("they ran on a container of this engine"):
        if containers_made(docker) <= before:
            raise Failed("no container was made")


def containers_made(docker):
    """How many containers of the image this engine was ever told to start, by its own count of events."""
    done = docker.docker("events", "--since", "1h", "--until", "0s", "--filter", "event=start", "--filter", f"image={IMAGE}")
    return len(done.stdout.splitlines())
