#!/usr/bin/env python3
"""Runs iotpipe where production runs it. `make test-production` calls it; PRODUCTION_ONLY=container,airflow chooses parts.

A part that can't be had on this machine is named and skipped, with the reason. Exit code 0: nothing failed; 1: something
did, or something of the tests stayed behind; 2: PRODUCTION_ONLY names no part. What is installed stays in the cache.
"""
import importlib
import os
import pathlib
import sys
import time
import traceback

import machine
from ahead import Ahead

# In this order: the container's build gives the binary that the others run, and what is built ahead for the last ones has time.
PARTS = ["container", "package", "kubernetes", "airflow", "monitoring", "cluster", "testcontainers"]


# What the tests themselves are written with, beyond Python.
LIBRARIES = ["pyyaml==6.0.4", "kubernetes-validate==1.37.0"]


def main():
    machine.stop_on_signals()
    chosen = [name for name in os.environ.get("PRODUCTION_ONLY", "").replace(",", " ").split()] or PARTS
    if unknown := set(chosen) - {*PARTS}:
        print(f"test-production: no part is called {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
        return 2
    use_libraries()
    started = time.monotonic()
    parts = {name: importlib.import_module(f"parts.{name}") for name in PARTS if name in chosen}
    with machine.ENDING:
        machine.alone()
        with Ahead(parts.values()) as ahead:
            verdicts = [(name, *outcome(name, part, ahead)) for name, part in parts.items()]
    summarise(verdicts, time.monotonic() - started)
    if left := machine.left_behind():
        machine.say("FAILED", f"left behind: {', '.join(left)}")
        return 1
    return 1 if any(verdict == "FAILED" for _, verdict, _, _ in verdicts) else 0


def use_libraries():
    """Goes on in the virtual environment that has them."""
    python = machine.venv("tests", *LIBRARIES) / "python"
    if pathlib.Path(sys.prefix) != python.parent.parent:
        os.execv(python, [str(python), __file__])


def outcome(name, part, ahead):
    """Runs one part and gives its verdict, its time, and why it was skipped."""
    print(f"== {name}", flush=True)
    started = time.monotonic()
    verdict, reason = "ok", ""
    try:
        ahead.wait(part)
        part.test()
    except machine.Unavailable as missing:
        verdict, reason = "SKIPPED", str(missing)
        machine.say(verdict, reason)
    except machine.Failed as failure:
        verdict = "FAILED"
        print(failure, flush=True)
    except Exception:
        verdict = "FAILED"
        traceback.print_exc()
    return verdict, time.monotonic() - started, reason


def summarise(verdicts, seconds):
    print("\n== test-production")
    for name, verdict, took, reason in verdicts:
        print(f"  {verdict:<7} {name:<12} {took:6.0f} s  {reason}")
    print(f"  {'':<7} {'in all':<12} {seconds:6.0f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
