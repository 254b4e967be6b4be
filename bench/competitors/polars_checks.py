"""polars: typed scan, the contract's checks, count, min, max, mean and deviation per device, sensor and hour."""
import sys

import polars as pl

SENSORS = ["co", "humidity", "light", "lpg", "motion", "smoke", "temp"]
TYPES = {"ts": pl.Float64, "device": pl.String, "co": pl.Float64, "humidity": pl.Float64, "light": pl.String, "lpg": pl.Float64,
         "motion": pl.String, "smoke": pl.Float64, "temp": pl.Float64}
GOOD = (pl.col("ts").is_not_null() & pl.col("device").is_not_null() & pl.col("light").is_in(["true", "false"])
        & pl.col("motion").is_in(["true", "false"]) & pl.col("temp").is_between(-50, 50) & pl.col("humidity").is_between(0, 100)
        & pl.col("co").is_between(0, 1) & pl.col("lpg").is_between(0, 1) & pl.col("smoke").is_between(0, 1))


def good_rows(path):
    rows = pl.scan_csv(path, schema=TYPES, ignore_errors=True).filter(GOOD)
    return rows.with_columns((pl.col("ts") * 1e6).round().cast(pl.Int64).cast(pl.Datetime("us", "UTC")),
                             pl.col("light") == "true", pl.col("motion") == "true")


def aggregates(rows):
    values = [pl.col(s).cast(pl.Float64) for s in SENSORS]
    figures = [f for v, s in zip(values, SENSORS) for f in (
        v.count().alias(f"{s}_n"), v.min().alias(f"{s}_min"), v.max().alias(f"{s}_max"), v.mean().alias(f"{s}_avg"), v.std().alias(f"{s}_std"))]
    return rows.group_by("device", pl.col("ts").dt.truncate("1h")).agg(figures)


if __name__ == "__main__":
    print(len(aggregates(good_rows(sys.argv[1])).collect()))
