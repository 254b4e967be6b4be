"""DuckDB: everything as text, try_cast, the contract's checks, aggregates per device, sensor and hour."""
import sys

import duckdb

NUMBERS = {"co": (0, 1), "humidity": (0, 100), "lpg": (0, 1), "smoke": (0, 1), "temp": (-50, 50)}
FLAGS = ["light", "motion"]
casts = [f"try_cast({n} AS double) AS {n}" for n in ["ts", *NUMBERS]] + [f"try_cast({f} AS boolean) AS {f}" for f in FLAGS]
good = " AND ".join(["ts IS NOT NULL", "device IS NOT NULL", *[f"{f} IS NOT NULL" for f in FLAGS],
                     *[f"{n} BETWEEN {low} AND {high}" for n, (low, high) in NUMBERS.items()]])
figures = ", ".join(f"count({v}), min({v}), max({v}), avg({v}), stddev_samp({v})" for v in [*NUMBERS, *[f"{f}::int" for f in FLAGS]])
duckdb.execute("SET threads = 2")
rows = duckdb.execute(
    f"WITH cast_rows AS (SELECT device, {', '.join(casts)} FROM read_csv(?, all_varchar = true)) "
    f"SELECT device, ts // 3600, {figures} FROM cast_rows WHERE {good} GROUP BY ALL", [sys.argv[1]]).fetchall()
print(len(rows))
