"""The long layout, a row per measurement: iotpipe and psql's \\copy by turns, of the same rows."""
import os
import pathlib

from comparison import ROWS, SCALE, WORK, Sample

SENSORS = ("co", "humidity", "light", "lpg", "motion", "smoke", "temp")


def melted(bench):
    """The rows of a wide file as a row per measurement, and how many they are."""
    wide = bench.data("to-melt", "--rows", ROWS // len(SENSORS), "--devices", 3, "--interval", "1s")
    folder = WORK / "data" / f"long-{SCALE}"
    if not folder.exists():
        part = pathlib.Path(f"{folder}.part")
        part.mkdir(exist_ok=True)
        for file in wide.iterdir():
            with open(file) as rows, open(part / file.name, "w") as out:
                names = next(rows).strip().split(",")
                out.write("ts,device,metric,value\n")
                for row in rows:
                    values = dict(zip(names, row.strip().split(",")))
                    key = f"{values['ts']},{values['device']}"
                    out.write("".join(f"{key},{sensor},{values[sensor]}\n" for sensor in SENSORS))
        os.rename(part, folder)
    return folder, ROWS // len(SENSORS) * len(SENSORS)


def compare(bench):
    source, rows = melted(bench)
    contract = '[contract]\nlayout = "long"\n'
    run = lambda: bench.run(source, rows=rows, contract=contract, table="iot_raw_values")
    run()
    ready = bench.postgres.measurements_as_text(WORK / f"measurements-{SCALE}")

    def copied():
        bench.migrated(WORK / "world")
        return bench.postgres.copy_measurements(ready["ids"], Sample, rows)

    if bench.wanted("long"):
        bench.compare("long", f"`run`, {rows} rows of the long layout, against psql \\copy of the same rows, ids in place of names, into the same table",
                      1.0, run, copied)
    if bench.wanted("long-resolved"):
        def resolved():
            bench.migrated(WORK / "world")
            return bench.postgres.copy_resolved_measurements(ready["names"], Sample, rows)

        bench.compare("long-resolved", "the same, against psql \\copy of the clean rows with names, which a join then turns into ids, into the same table",
                      0.75, run, resolved)
    if bench.wanted("long-names"):
        bench.compare("long-names", "the same, against psql \\copy of the clean rows with the names of devices and metrics, into a table keyed by them", 0.45, run,
                      lambda: bench.postgres.copy_named_measurements(ready["names"], Sample, rows))
