"""JSON lines: iotpipe, DuckDB and polars by turns over one file, by the same checks; what each makes of it is compared."""
import csv
import json
import math
import os
import pathlib
import sqlite3
import subprocess
import sys

from rivals import program

SENSORS = ("co", "humidity", "lpg", "smoke", "temp", "light", "motion")
# Each is a value that breaks one rule: polars refuses a whole file because of one line that is no object.
DEFECTS = "missing,not_a_number,not_a_boolean,bad_timestamp,out_of_range"
# Sums in another order differ in their last digits.
TOLERANCE = 1e-9


def as_json(text):
    """A field of CSV as a value of JSON."""
    if text in ("true", "false"):
        return text
    try:
        float(text)
        return text
    except ValueError:
        return json.dumps(text) if text else "null"


def data(bench, rows):
    """The rows of a generated file, one in a hundred of them bad, an object per line."""
    wide = bench.data("to-json", "--rows", rows, "--devices", 3, "--interval", "1s", "--error-rate", 0.01, "--defects", DEFECTS)
    folder = wide.with_name(wide.name.replace("to-json", "jsonl"))
    if not folder.exists():
        part = pathlib.Path(f"{folder}.part")
        part.mkdir(exist_ok=True)
        for file in wide.iterdir():
            with open(file) as lines, open(part / f"{file.stem}.jsonl", "w") as out:
                names = [json.dumps(name) for name in next(lines).strip().split(",")]
                for line in lines:
                    values = line.rstrip("\n").split(",")
                    out.write("{" + ",".join(f"{name}:{as_json(value)}" for name, value in zip(names, values)) + "}\n")
        os.rename(part, folder)
    return folder


def ours(bench, source, sample):
    """`validate` and `aggregate`: a verdict on each row, the bad ones set aside, the statistics stored."""
    world = bench.world(source)
    env = {**os.environ, "DATABASE_URL": "sqlite://iotpipe.db"}
    subprocess.run([bench.program, "scan", "--quiet"], cwd=world, env=env, check=True)
    steps = f"'{bench.program}' validate --quiet && '{bench.program}' aggregate --quiet"
    return sample(["sh", "-c", steps], world, env)


def our_outcome(world):
    with sqlite3.connect(world / "iotpipe.db") as database:
        rows = database.execute("SELECT d.name, a.window_start / 3600000000, a.sensor, a.count, a.min, a.max, a.mean, a.m2 "
                                "FROM file_aggregates a JOIN device d ON d.id = a.device_id").fetchall()
    figures = {(device, hour, sensor): (count, low, high, mean, math.sqrt(m2 / (count - 1)) if count > 1 else None)
               for device, hour, sensor, count, low, high, mean, m2 in rows}
    return figures, sum(lines(file) for file in (world / "quarantine").glob("*.rejected.jsonl"))


def rival(name, source, folder, sample):
    subprocess.run(["rm", "-rf", folder], check=True)
    folder.mkdir()
    return sample(program(f"{name}_json_lines.py", next(source.iterdir()), folder), "/")


def rivals_outcome(folder):
    figures = {}
    with open(folder / "totals.csv") as totals:
        for device, hour, *values in csv.reader(totals):
            for n, sensor in enumerate(SENSORS):
                count, *rest = values[5 * n:5 * n + 5]
                figures[device, int(hour), sensor] = (int(count), *[float(v) if v else None for v in rest])
    return figures, lines(folder / "rejected.jsonl")


def lines(path):
    with open(path, "rb") as file:
        return sum(1 for _ in file)


def expect_equal(name, own, other):
    """Ends where one made more, or something else, of the file than the other."""
    (ours_by_key, our_bad), (theirs_by_key, their_bad) = own, other
    if our_bad != their_bad or our_bad == 0:
        sys.exit(f"bench: {our_bad} rows are set aside, {their_bad} by {name}")
    if not ours_by_key or ours_by_key.keys() != theirs_by_key.keys():
        sys.exit(f"bench: {len(ours_by_key)} figures, {len(theirs_by_key)} of {name}")
    for key, figures in ours_by_key.items():
        for one, two in zip(figures, theirs_by_key[key], strict=True):
            if (one is None) != (two is None) or one is not None and not math.isclose(one, two, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
                sys.exit(f"bench: {key} has {figures}, {theirs_by_key[key]} by {name}")


def compare(bench, work, sample, rows):
    source = data(bench, rows)

    def judged():
        taken = ours(bench, source, sample)
        judged.outcome = our_outcome(work / "world")
        return taken

    def against(name):
        folder = work / name
        taken = rival(name, source, folder, sample)
        expect_equal(name, judged.outcome, rivals_outcome(folder))
        return taken

    what = f"`validate` and `aggregate`, {rows} JSON lines"
    for row, title, name, target in (("jsonl-duckdb", "DuckDB's read_ndjson with try_cast and checks, 2 threads", "duckdb", 0.9),
                                     ("jsonl-polars", "polars' scan_ndjson with checks", "polars", 0.9)):
        if bench.wanted(row):
            bench.compare(row, f"{what}, against {title}: the same figures, as many rows set aside", target, judged, lambda: against(name))
