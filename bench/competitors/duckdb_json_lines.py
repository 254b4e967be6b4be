"""DuckDB: JSON lines as text, try_cast, the contract's checks; aggregates and bad rows into files.

usage: duckdb_json_lines.py FILE FOLDER
"""
import sys

import duckdb

NUMBERS = {"co": (0, 1), "humidity": (0, 100), "lpg": (0, 1), "smoke": (0, 1), "temp": (-50, 50)}
FLAGS = ["light", "motion"]
NAMES = ["ts", "device", *NUMBERS, *FLAGS]
path, folder = sys.argv[1:]
columns = ", ".join(f"{name}: 'VARCHAR'" for name in NAMES)
casts = [f"try_cast({n} AS double) AS {n}_" for n in ["ts", *NUMBERS]] + [f"try_cast({f} AS boolean)::int AS {f}_" for f in FLAGS]
good = " AND ".join(["ts_ IS NOT NULL", "device IS NOT NULL", *[f"{f}_ IS NOT NULL" for f in FLAGS],
                     *[f"{n}_ BETWEEN {low} AND {high}" for n, (low, high) in NUMBERS.items()]])
figures = ", ".join(f"count({s}_), min({s}_), max({s}_), avg({s}_), stddev_samp({s}_)" for s in [*NUMBERS, *FLAGS])
duckdb.execute("SET threads = 2")
duckdb.execute(f"CREATE TABLE rows AS SELECT *, {', '.join(casts)}, coalesce({good}, false) AS is_good "
               f"FROM read_ndjson(?, columns = {{{columns}}}, ignore_errors = true)", [path])
duckdb.execute(f"COPY (SELECT device, floor(ts_ / 3600)::bigint AS hour, {figures} FROM rows WHERE is_good GROUP BY ALL) "
               f"TO '{folder}/totals.csv' (HEADER false)")
duckdb.execute(f"COPY (SELECT {', '.join(NAMES)} FROM rows WHERE NOT is_good) TO '{folder}/rejected.jsonl'")
