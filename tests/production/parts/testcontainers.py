"""The tests of `make test`, some of them, on a PostgreSQL that they start as a container in this engine."""
import os
import pathlib

from engine import engine, postgres
from machine import ROOT, Failed, cached, check, run

# As tests/support/server/container.rs names it.
IMAGE = "postgres:17-alpine"
TESTS = ["steps::", "rights::"]


def prepare():
    with check("the tests, built"):
        cargo("--no-run", env=built_as(), timeout=1500)


def test():
    docker = engine()
    if (image := postgres()) != IMAGE:
        docker.docker("tag", image, IMAGE)
    # An empty variable is none: the tests look for a container first.
    env = {**built_as(), **docker.host, "IOTPIPE_TEST_DATABASE_URL": ""}
    before = containers_made(docker)
    with check(f"cargo test {' '.join(TESTS)}"):
        cargo("--", *TESTS, env=env, timeout=550)
    with check("they ran on a container of this engine"):
        if containers_made(docker) <= before:
            raise Failed("no container was made")


def cargo(*arguments, env, timeout):
    command = ["cargo", "test", "--locked", "--features", "failpoints", "--test", "it", *arguments]
    run(ROOT / "scripts/toolchain.sh", *command, cwd=ROOT, env=env, timeout=timeout)


def built_as():
    """As `make test` has built them; where it has not, without optimization and in the cache, in a third of the time."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
    if list((target / "debug/deps").glob("it-*")):
        return {}
    profile = {"CARGO_PROFILE_DEV_OPT_LEVEL": "0", "CARGO_PROFILE_DEV_DEBUG": "none", "CARGO_INCREMENTAL": "0"}
    return {**profile, "CARGO_TARGET_DIR": str(cached("target"))}


def containers_made(docker):
    """How many containers of the image this engine was ever told to start, by its own count of events."""
    done = docker.docker("events", "--since", "1h", "--until", "0s", "--filter", "event=start", "--filter", f"image={IMAGE}")
    return len(done.stdout.splitlines())
