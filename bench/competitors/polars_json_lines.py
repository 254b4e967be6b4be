"""polars: JSON lines as text, casts, the contract's checks; aggregates and bad rows into files.

usage: polars_json_lines.py FILE FOLDER
"""
import sys

import polars as pl

NUMBERS = {"co": (0, 1), "humidity": (0, 100), "lpg": (0, 1), "smoke": (0, 1), "temp": (-50, 50)}
FLAGS = ["light", "motion"]
NAMES = ["ts", "device", *NUMBERS, *FLAGS]
path, folder = sys.argv[1:]
truth = {"true": 1.0, "false": 0.0}
values = [pl.col(n).cast(pl.Float64, strict=False).alias(f"{n}_") for n in ["ts", *NUMBERS]]
values += [pl.col(f).replace_strict(truth, default=None, return_dtype=pl.Float64).alias(f"{f}_") for f in FLAGS]
good = pl.all_horizontal(pl.col("ts_").is_not_null(), pl.col("device").is_not_null(), *[pl.col(f"{f}_").is_not_null() for f in FLAGS],
                         *[pl.col(f"{n}_").is_between(low, high) for n, (low, high) in NUMBERS.items()]).fill_null(False)
rows = pl.scan_ndjson(path, schema=dict.fromkeys(NAMES, pl.String)).with_columns(values).with_columns(good.alias("is_good"))
figures = [f for s in [*NUMBERS, *FLAGS] for v in [pl.col(f"{s}_")] for f in (
    v.count().alias(f"{s}_n"), v.min().alias(f"{s}_min"), v.max().alias(f"{s}_max"), v.mean().alias(f"{s}_avg"), v.std().alias(f"{s}_std"))]
totals = rows.filter("is_good").group_by("device", (pl.col("ts_") // 3600).cast(pl.Int64).alias("hour")).agg(figures)
pl.collect_all([totals.sink_csv(f"{folder}/totals.csv", include_header=False, lazy=True),
                rows.filter(~pl.col("is_good")).select(NAMES).sink_ndjson(f"{folder}/rejected.jsonl", lazy=True)])
