#!/usr/bin/env python3
"""make bench-against OLD=program: an earlier iotpipe and this one by turns, over the rows of make bench.

usage: bench/against.py OLD NEW        BENCH_SCALE, BENCH_ROUNDS, BENCH_ONLY as in bench/bench.py

Each round runs old, new, old: the second old says how far the old one differs from itself, on this machine, at that moment.
"""
import os
import statistics
import subprocess
import sys

import bench as workloads
from bench import ONLY, ROUNDS, ROWS, Bench, Sample, spread

SQLITE = "sqlite://iotpipe.db"


def validate(bench, source):
    world = bench.world(source)
    env = {**os.environ, "DATABASE_URL": SQLITE}
    subprocess.run([bench.program, "scan", "--quiet"], cwd=world, env=env, check=True)
    return Sample([bench.program, "validate", "--quiet"], world, env)


def scan(bench, source):
    world, url = bench.world(source), bench.postgres.new_database()
    env = {**os.environ, "DATABASE_URL": url}
    subprocess.run([bench.program, "migrate", "--quiet"], cwd=world, env=env, check=True)
    return Sample([bench.program, "scan", "--quiet"], world, {"DATABASE_URL": url})


def start(bench, _source):
    world = bench.world(bench.data("latency", "--files", 1, "--rows", 1))
    env = {**os.environ, "DATABASE_URL": SQLITE}
    subprocess.run([bench.program, "status", "--quiet"], cwd=world, env=env, check=True)
    samples = [Sample([bench.program, "status", "--quiet"], world, {"DATABASE_URL": SQLITE}) for _ in range(10)]
    return min(samples, key=lambda sample: sample.seconds)


def kinds(bench):
    shape = ("--style", "quoted", "--interval", "1s")
    files = int(10_000 * workloads.SCALE)
    yield "postgres", ("one-3", "--rows", ROWS, "--devices", 3, *shape), lambda source: bench.run(source, rows=ROWS)
    yield ("workers", ("eight", "--rows", ROWS // 8, "--files", 8, "--devices", 3, *shape),
           lambda source: bench.run(source, "--workers", "2", rows=ROWS // 8 * 8))
    yield "postgres-10000", ("one-10000", "--rows", ROWS, "--devices", 10_000, *shape), lambda source: bench.run(source, rows=ROWS)
    yield ("duplicates", ("many", "--rows", ROWS // 4, *shape, "--defects", "duplicate_key", "--error-rate", 0.1),
           lambda source: bench.run(source))
    yield "sqlite", ("sqlite", "--rows", ROWS // 10, *shape), lambda source: bench.run(source, url=SQLITE)
    yield "validate", ("one-3", "--rows", ROWS, "--devices", 3, *shape), lambda source: validate(bench, source)
    yield "small-files", ("small", "--files", files, "--rows", 40), lambda source: bench.run(source, rows=files * 40)
    yield "small-files-sqlite", ("small", "--files", files, "--rows", 40), lambda source: bench.run(source, url=SQLITE)
    yield "scan", ("hundred", "--files", 100, "--rows", 40), lambda source: scan(bench, source)
    yield "start", ("hundred", "--files", 100, "--rows", 40), lambda source: start(bench, source)


def main(old, new):
    bench = Bench(old)
    try:
        for name, data, run in kinds(bench):
            if ONLY and name not in ONLY:
                continue
            source = bench.data(*data)
            taken = {"old": [], "new": [], "again": []}
            for _ in range(ROUNDS):
                for which, program in (("old", old), ("new", new), ("again", old)):
                    bench.program = os.path.abspath(program)
                    taken[which].append(run(source))
            pairs = lambda one, other: statistics.median(a.seconds / b.seconds for a, b in zip(taken[one], taken[other]))
            differs = statistics.median(abs(a.seconds / b.seconds - 1) for a, b in zip(taken["old"], taken["again"]))
            ratio = (pairs("new", "old") + pairs("new", "again")) / 2
            within = ratio <= 1 + max(0.03, differs)
            print(f"{'within' if within else 'SLOWER'} {name}: new / old {ratio:.3f}, old / old differs by {differs:.3f}; "
                  f"{spread(taken['new'])} against {spread(taken['old'] + taken['again'])}; "
                  f"{max(s.mib for s in taken['new']):.0f} against {max(s.mib for s in taken['old']):.0f} MiB", flush=True)
    finally:
        bench.postgres.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
