"""The iotpipe that is tested: the static binary, built once, by the container's build where there is an engine."""
import functools
import json
import os
import pathlib

from engine import debian, engine
from machine import ROOT, Unavailable, check, folder, run

IMAGE = "iotpipe:test"


@functools.cache
def image():
    """The image that our Dockerfile makes, under the name that it was given."""
    docker = engine()
    base = debian()
    with check("docker build"):
        docker.build(IMAGE, ROOT, "--build-arg", f"BUILD_IMAGE={base}")
    return IMAGE


@functools.cache
def binary():
    """The path of the binary. IOTPIPE_BINARY names one that exists already."""
    if given := os.environ.get("IOTPIPE_BINARY"):
        return pathlib.Path(given).resolve()
    path = folder("binary") / "iotpipe"
    try:
        container = engine().docker("create", image()).stdout.strip()
    except Unavailable:
        with check("scripts/static.sh"):
            run(ROOT / "scripts/static.sh", path, timeout=900)
        return path
    engine().docker("cp", f"{container}:/usr/bin/iotpipe", str(path))
    engine().docker("rm", container)
    return path


def counts(done):
    """The JSON object that a step prints last on stdout."""
    return json.loads(done.stdout.splitlines()[-1])


def generate(into, files=1, rows=1000, seed=1, start="2026-01-01T00:00:00Z", **options):
    """Files of synthetic readings without defects, in the folder `into`."""
    extra = [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    run(binary(), "generate", "--out", into, "--files", files, "--rows", rows, "--seed", seed, "--start", start, *extra)


@functools.cache
def offers(*words):
    """Whether the help of the program, or of one of its commands, has a word: offers("loop", "--http"), offers("health")."""
    *command, word = words
    return any(line.strip().startswith(word) for line in run(binary(), *command, "--help").stdout.splitlines())
