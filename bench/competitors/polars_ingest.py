"""polars: read, check, drop duplicates, aggregate, and ingest by ADBC."""
import sys

import adbc_driver_postgresql.dbapi
import polars as pl
from polars_checks import aggregates, good_rows

path, url = sys.argv[1:]
rows = good_rows(path).unique(["device", "ts"], keep="first", maintain_order=True).collect()
totals = aggregates(rows.lazy()).collect()
with adbc_driver_postgresql.dbapi.connect(url) as connection:
    with connection.cursor() as cursor:
        cursor.adbc_ingest("readings", rows.to_arrow(), mode="append")
        cursor.adbc_ingest("totals", totals.to_arrow(), mode="create")
    connection.commit()
