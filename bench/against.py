#!/usr/bin/env python3
"""make bench-against OLD=program: an earlier iotpipe and this one by turns, over the rows of make bench.

usage: bench/against.py OLD NEW        BENCH_SCALE, BENCH_ROUNDS, BENCH_ONLY as in bench/bench.py

Each round runs old, new, old: the second old says how far the old one differs from itself, on this machine, at that moment.
Beside the time stands the same ratio of processor seconds, of the program and of the server's sessions: who shares the
machine with others goes by that.
"""
import json
import os
import statistics
import subprocess
import sys

import json_lines
from comparison import ONLY, ROUNDS, ROWS, SCALE, Bench, Sample, spread

SQLITE = "sqlite://iotpipe.db"


class TakesNone(Exception):
    """An earlier program knows no files of this kind."""


def validate(bench, source):
    world = bench.world(source)
    env = {**os.environ, "DATABASE_URL": SQLITE}
    scan = [bench.program, "scan", "--quiet", "--output", "json"]
    scanned = subprocess.run(scan, cwd=world, env=env, check=True, stdout=subprocess.PIPE, text=True)
    if not json.loads(scanned.stdout.splitlines()[-1])["pending"]:
        raise TakesNone
    return Sample([bench.program, "validate", "--quiet"], world, env)


def scan(bench, source):
    """In a folder that is in use: the first command in a new one also gives it its marker."""
    world, url = bench.world(source), bench.postgres.new_database()
    env = {**os.environ, "DATABASE_URL": url}
    os.rename(world / "data", world / "new")
    subprocess.run([bench.program, "scan", "--quiet"], cwd=world, env=env, check=True)
    for file in (world / "new").iterdir():
        os.rename(file, world / "data" / file.name)
    return Sample([bench.program, "scan", "--quiet"], world, {"DATABASE_URL": url})


def start(bench, _source):
    world = bench.world(bench.data("latency", "--files", 1, "--rows", 1))
    env = {**os.environ, "DATABASE_URL": SQLITE}
    subprocess.run([bench.program, "status", "--quiet"], cwd=world, env=env, check=True, stdout=subprocess.DEVNULL)
    samples = [Sample([bench.program, "status", "--quiet"], world, {"DATABASE_URL": SQLITE}) for _ in range(10)]
    return min(samples, key=lambda sample: sample.seconds)


def kinds(bench):
    shape = ("--style", "quoted", "--interval", "1s")
    files = int(10_000 * SCALE)
    yield "postgres", ("one-3", "--rows", ROWS, "--devices", 3, *shape), lambda source: bench.run(source, rows=ROWS)
    yield ("workers", ("eight", "--rows", ROWS // 8, "--files", 8, "--devices", 3, *shape),
           lambda source: bench.run(source, "--workers", "2", rows=ROWS // 8 * 8))
    yield "postgres-10000", ("one-10000", "--rows", ROWS, "--devices", 10_000, *shape), lambda source: bench.run(source, rows=ROWS)
    yield ("duplicates", ("many", "--rows", ROWS // 4, *shape, "--defects", "duplicate_key", "--error-rate", 0.1),
           lambda source: bench.run(source))
    yield "sqlite", ("sqlite", "--rows", ROWS // 10, *shape), lambda source: bench.run(source, url=SQLITE)
    yield "validate", ("one-3", "--rows", ROWS, "--devices", 3, *shape), lambda source: validate(bench, source)
    yield "jsonl", None, lambda source: validate(bench, source)
    yield "small-files", ("small", "--files", files, "--rows", 40), lambda source: bench.run(source, rows=files * 40)
    yield "small-files-sqlite", ("small", "--files", files, "--rows", 40), lambda source: bench.run(source, url=SQLITE)
    yield "scan", ("hundred", "--files", 100, "--rows", 40), lambda source: scan(bench, source)
    yield "start", ("hundred", "--files", 100, "--rows", 40), lambda source: start(bench, source)


def ratio(taken, of):
    """New against old, and how far old is from itself, in what `of` says of a sample."""
    def pairs(one, other):
        return [of(a) / of(b) for a, b in zip(taken[one], taken[other])]

    differs = statistics.median(abs(pair - 1) for pair in pairs("old", "again"))
    return (statistics.median(pairs("new", "old")) + statistics.median(pairs("new", "again"))) / 2, differs


def main(old, new):
    bench = Bench(old)
    try:
        for name, data, run in kinds(bench):
            if ONLY and name not in ONLY:
                continue
            source = json_lines.data(bench, ROWS) if name == "jsonl" else bench.data(*data)
            try:
                compare(name, by_turns(bench, old, new, run, source))
            except TakesNone:
                print(f"none {name}: one of the two takes no such files", flush=True)
    finally:
        bench.postgres.stop()


def by_turns(bench, old, new, run, source):
    taken = {"old": [], "new": [], "again": []}
    for _ in range(ROUNDS):
        for which, program in (("old", old), ("new", new), ("again", old)):
            bench.program, bench.server_cpu = os.path.abspath(program), []
            sample = run(source)
            sample.processor = sample.cpu + sum(bench.server_cpu)
            taken[which].append(sample)
    return taken


def compare(name, taken):
    (time, differs), (processor, its) = ratio(taken, lambda s: s.seconds), ratio(taken, lambda s: s.processor)
    within = time <= 1 + max(0.03, differs)
    print(f"{'within' if within else 'SLOWER'} {name}: new / old {time:.3f}, old / old differs by {differs:.3f}; "
          f"processor {processor:.3f}, differs by {its:.3f}; "
          f"{spread(taken['new'])} against {spread(taken['old'] + taken['again'])}; "
          f"{max(s.mib for s in taken['new']):.0f} against {max(s.mib for s in taken['old']):.0f} MiB", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
