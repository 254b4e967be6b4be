#!/usr/bin/env python3
"""make bench: iotpipe against what a user would pick instead, each pair interleaved, as ratios of medians.

usage: bench/bench.py PROGRAM        BENCH_SCALE (1 = 4 million rows), BENCH_ROUNDS (5), BENCH_ONLY (names, by commas)

Whole processes are timed, on a database made anew for each sample; a sample counts only when the rows are there.
Everything is made under target/bench. At scale 1 the result becomes docs/performance.md, of
some rows their rows in it.
"""
import os
import statistics
import subprocess
import sys

import json_lines
import long_layout
import perf
import report
from comparison import ROUNDS, ROWS, SCALE, WORK, Bench, Sample, median, spread
from rivals import duckdb_checks, polars_checks, polars_ingest, prepare_venv
from servers import SQLITE_TABLE


def postgres_rows(bench):
    for label, devices in (("3 devices", 3), ("10 000 devices", 10_000)):
        shape = ("--style", "quoted", "--devices", devices, "--interval", "1s")
        source = bench.data(f"one-{devices}", "--rows", ROWS, *shape)
        clean = bench.postgres.clean_copy(source, WORK / f"clean-{devices}-{SCALE}.csv")
        suffix = "" if devices == 3 else "-10000"
        if bench.wanted("postgres" + suffix):
            bench.compare("postgres" + suffix, f"`run`, {ROWS} rows, {label}, against psql \\copy of the clean rows", 0.45,
                          lambda: bench.run(source, rows=ROWS), lambda: bench.postgres.copy(clean, Sample, ROWS))
        if bench.wanted("polars") and devices == 3:
            bench.compare("polars", "the same, against polars with checks and ADBC ingest", 0.45,
                          lambda: bench.run(source, rows=ROWS),
                          lambda: polars_ingest(bench.postgres, source, Sample, ROWS), memory=0.05)
        if bench.wanted("workers") and devices == 3:
            eight = bench.data("eight", "--rows", ROWS // 8, "--files", 8, *shape)
            bench.compare("workers", f"`run --workers 2`, {ROWS // 8 * 8} rows in 8 files, against psql \\copy", 0.40,
                          lambda: bench.run(eight, "--workers", "2", rows=ROWS // 8 * 8),
                          lambda: bench.postgres.copy(clean, Sample, ROWS))


def limits(bench):
    """What COPY of rows that are ready costs the server: nothing that loads through one session is faster."""
    without_brin = "DROP INDEX iot_raw_data_ts"
    without_key = f"{without_brin}; ALTER TABLE iot_raw_data DROP CONSTRAINT iot_raw_data_pkey"
    kinds = {"into iotpipe's table": "", "the same without BRIN": without_brin, "the same without any key": without_key}
    ready_rows(bench, 3, 10_000, kinds)
    ready_rows(bench, 10_000, 40_000, {"into iotpipe's table": ""})


def ready_rows(bench, devices, together, kinds):
    source = bench.data(f"one-{devices}", "--rows", ROWS, "--style", "quoted", "--devices", devices, "--interval", "1s")
    clean = bench.postgres.clean_copy(source, WORK / f"clean-{devices}-{SCALE}.csv")
    bench.run(source, rows=ROWS)
    ready = bench.postgres.ready_rows(WORK / "ready", together)
    samples, rival, both = {kind: [] for kind in kinds}, [], []
    for _ in range(ROUNDS):
        rival.append(bench.postgres.copy(clean, Sample, ROWS))
        for kind, change in kinds.items():
            bench.migrated()
            bench.postgres.ask(*filter(None, [change]))
            samples[kind].append(bench.postgres.copy_ready(ready, Sample))
        if devices == 3:
            bench.migrated()
            both.append(bench.postgres.copy_ready_twice(ready))
    for kind, taken in samples.items():
        bench.note("limits", f"rows of {devices} devices ready in binary, sorted within {together} rows, psql \\copy {kind}",
                   f"{median(taken) / median(rival):.2f} ×", None, f"{spread(taken)} against {spread(rival)} of psql \\copy as text")
    if both:
        middle = statistics.median(both)
        bench.note("limits", "the same rows into iotpipe's table by two sessions at once, half each", f"{middle / median(rival):.2f} ×",
                   None, f"{middle:.2f} s ({min(both):.2f}–{max(both):.2f})")


def processor(bench):
    """Who is busy during a `run`, and for how long."""
    shape = ("--style", "quoted", "--interval", "1s")
    kinds = (("3 devices", "one-3", ("--rows", ROWS, "--devices", 3), ()),
             ("10000 devices", "one-10000", ("--rows", ROWS, "--devices", 10_000), ()),
             ("3 devices in 8 files, --workers 2", "eight", ("--rows", ROWS // 8, "--files", 8, "--devices", 3), ("--workers", "2")))
    for what, name, rows, arguments in kinds:
        source = bench.data(name, *rows, *shape)
        scans, taken = [], []
        for _ in range(ROUNDS):
            taken.append((bench.run(source, *arguments), *bench.server_cpu))
            world = bench.world(source)
            bench.migrated()
            scans.append(Sample([bench.program, "scan", "--quiet"], world, {"DATABASE_URL": bench.postgres.url}))
        middle = lambda of: statistics.median(of(*each) for each in taken)
        bench.note("processor", f"`run`, {ROWS} rows, {what}: the server's sessions", f"{middle(lambda run, sessions, _: sessions / run.seconds):.2f} × the time", None,
                   f"{middle(lambda run, *_: run.seconds):.2f} s; processor time of sessions {middle(lambda _, sessions, __: sessions):.2f} s, "
                   f"of the server's writers {middle(lambda _, __, writers: writers):.2f} s, of the program {middle(lambda run, *_: run.cpu):.2f} s; "
                   f"`scan` alone takes {median(scans):.2f} s")
        profile(bench, what, lambda **how: bench.run(source, *arguments, **how))


def profile(bench, what, run):
    """What the processors do meanwhile, and what the sessions wait for: one run each."""
    if perf.is_possible():
        data = WORK / "perf.data"
        run(before=perf.recorded(data))
        server, program = perf.shares(data)
        bench.note("profile", f"`run`, {what}: the sessions' processor time in COPY", server, None, f"of the program: {program}")
    bench.note("profile", f"`run`, {what}: the time of the sessions' transactions", bench.postgres.waits(run), None,
               "pg_stat_activity, asked every 10 ms")


def duplicates(bench):
    shape = ("--rows", ROWS // 4, "--style", "quoted", "--interval", "1s", "--defects", "duplicate_key")
    few = bench.data("few", *shape, "--error-rate", 1 / 50_000)
    many = bench.data("many", *shape, "--error-rate", 0.1)
    bench.compare("duplicates", f"`run`, {ROWS // 4} rows, 1 duplicate in 10 against 1 in 50 000", 2.5,
                  lambda: bench.run(many), lambda: bench.run(few))


def sqlite(bench):
    rows = ROWS // 10
    source = bench.data("sqlite", "--rows", rows, "--style", "quoted", "--interval", "1s")
    clean = bench.postgres.clean_copy(source, WORK / f"clean-sqlite-{SCALE}.csv")

    def imported():
        path = WORK / "import.db"
        path.unlink(missing_ok=True)
        return Sample(["sqlite3", path, SQLITE_TABLE, f".import --csv {clean} readings"], WORK)

    bench.compare("sqlite", f"`run` into SQLite, {rows} rows, against sqlite3 .import of the clean rows", 0.8,
                  lambda: bench.run(source, url="sqlite://iotpipe.db"), imported)


def validate(bench):
    source = bench.data("one-3", "--rows", ROWS, "--style", "quoted", "--devices", 3, "--interval", "1s")

    def ours():
        world = bench.world(source)
        env = {**os.environ, "DATABASE_URL": "sqlite://iotpipe.db"}
        subprocess.run([bench.program, "scan", "--quiet"], cwd=world, env=env, check=True)
        return Sample([bench.program, "validate", "--quiet"], world, env)

    bench.compare("duckdb", f"`validate`, {ROWS} rows, against DuckDB with try_cast and checks, 2 threads", 0.5, ours,
                  lambda: duckdb_checks(source, Sample))
    bench.compare("polars-scan", "the same, against polars' typed scan with checks", 0.95, ours,
                  lambda: polars_checks(source, Sample))


def judged_json_lines(bench):
    json_lines.compare(bench, WORK, Sample, ROWS)


def small_files(bench):
    files = int(10_000 * SCALE)
    source = bench.data("small", "--files", files, "--rows", 40)
    commits = bench.postgres.commits_per_second()
    samples = [bench.run(source, rows=files * 40) for _ in range(ROUNDS)]
    rate = files / median(samples)
    bench.note("small-files", f"`run`, {files} files of 40 rows", f"{rate:.0f} files/s (≥ {min(1000, commits):.0f})",
               rate >= min(1000, commits), f"{spread(samples)}; one session commits {commits:.0f} times a second here")


def memory(bench):
    shape = ("--style", "quoted", "--devices", 3, "--interval", "1s")
    small = bench.data("tenth", "--rows", ROWS // 10, *shape)
    large = bench.data("one-3", "--rows", ROWS, *shape)
    eight = bench.data("eight", "--rows", ROWS // 8, "--files", 8, *shape)
    for name, url in (("PostgreSQL", None), ("SQLite", "sqlite://iotpipe.db")):
        peaks = [bench.run(source, url=url).mib for source in (small, large, eight)]
        bench.note("memory", f"`run` into {name}: {ROWS // 10} rows, {ROWS} rows, {ROWS} rows in 8 files",
                   ", ".join(f"{peak:.0f}" for peak in peaks) + " MiB (≤ 64)", max(peaks) <= 64,
                   f"peak of resident memory, workers by default ({min(4, os.cpu_count())} here)")


def latency(bench):
    world = bench.world(bench.data("latency", "--files", 1, "--rows", 1))
    url = bench.postgres.new_database()
    waits = bench.postgres.visible_after(bench.program, world, url, int(max(20, 200 * SCALE)))
    waits.sort()
    middle, late = statistics.median(waits) * 1000, waits[int(len(waits) * 0.99) - 1] * 1000
    bench.note("latency", f"file closed → rows visible, `loop --interval 1m`, {len(waits)} files of 40 rows",
               f"median {middle:.0f} ms (≤ 30), 99th percentile {late:.0f} ms (≤ 150)", middle <= 30 and late <= 150,
               f"{waits[0] * 1000:.0f}–{waits[-1] * 1000:.0f} ms; asked every millisecond over an open connection")


def scan(bench):
    for entries in (int(100_000 * SCALE), int(1_000_000 * SCALE)):
        source = bench.data("hundred", "--files", 100, "--rows", 40)
        samples = []
        for _ in range(ROUNDS):
            world, url = bench.world(source), bench.postgres.new_database()
            env = {**os.environ, "DATABASE_URL": url}
            subprocess.run([bench.program, "migrate", "--quiet"], cwd=world, env=env, check=True)
            bench.postgres.fill_manifest(entries)
            samples.append(Sample([bench.program, "scan", "--quiet"], world, env))
        bench.note("scan", f"`scan` of 100 new files, {entries} in the manifest", f"{median(samples):.2f} s (≤ 2)",
                   median(samples) <= 2, spread(samples))


def overview(bench):
    rows = int(10_000_000 * SCALE)
    source = bench.data("ten-million", "--rows", rows, "--interval", "1s")
    bench.run(source, rows=rows)
    env, world = {"DATABASE_URL": bench.postgres.url}, WORK / "world"
    status = [Sample([bench.program, "status", "--quiet"], world, env) for _ in range(ROUNDS)]
    summary = [bench.postgres.query("SELECT * FROM sensor_summary", Sample) for _ in range(ROUNDS)]
    for name, samples in (("`status`", status), ("`sensor_summary`", summary)):
        bench.note("overview", f"{name} with {rows} rows", f"{median(samples):.3f} s (≤ 0.5)", median(samples) <= 0.5, spread(samples))
    world = bench.world(bench.data("latency", "--files", 1, "--rows", 1))
    start = [Sample([bench.program, "status", "--quiet"], world, {"DATABASE_URL": "sqlite://iotpipe.db"}) for _ in range(20)][1:]
    bench.note("start", "`status` on a small SQLite database", f"{median(start) * 1000:.0f} ms (≤ 30)", median(start) <= 0.03, spread(start))


ROWS_OF_THE_TABLE = {"postgres": postgres_rows, "polars": postgres_rows, "workers": postgres_rows, "postgres-10000": postgres_rows,
                     "long": long_layout.compare, "long-resolved": long_layout.compare, "long-names": long_layout.compare, "limits": limits, "processor": processor,
                     "duplicates": duplicates, "sqlite": sqlite, "duckdb": validate, "polars-scan": validate,
                     "jsonl-duckdb": judged_json_lines, "jsonl-polars": judged_json_lines,
                     "small-files": small_files, "memory": memory, "latency": latency, "scan": scan, "overview": overview}


def main():
    prepare_venv(WORK)
    bench = Bench(sys.argv[1])
    try:
        for part in dict.fromkeys(part for name, part in ROWS_OF_THE_TABLE.items() if bench.wanted(name)):
            part(bench)
        report.write(bench.results, bench.postgres.version())
    finally:
        bench.postgres.stop()


if __name__ == "__main__":
    main()
