"""What a user would write instead, each as a program of its own in the bench's virtual environment."""
import pathlib
import subprocess
import sys

import servers

VENV = pathlib.Path("target/bench/venv")
PACKAGES = ["polars", "duckdb", "adbc-driver-postgresql", "pyarrow"]
HERE = pathlib.Path(__file__).resolve().parent / "competitors"


def prepare_venv(work):
    global VENV
    VENV = (work / "venv").resolve()
    if not (VENV / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
        subprocess.run([VENV / "bin" / "pip", "install", "--quiet", *PACKAGES], check=True)
        (VENV / "ready").touch()


def program(name, *arguments):
    return [VENV / "bin" / "python", HERE / name, *map(str, arguments)]


def polars_ingest(postgres, source, sample, rows):
    url = postgres.new_database()
    postgres.ask(servers.TABLE)
    result = sample(program("polars_ingest.py", next(source.iterdir()), url), "/")
    postgres.expect("SELECT count(*) FROM readings", rows)
    return result


def polars_checks(source, sample):
    return sample(program("polars_checks.py", next(source.iterdir())), "/")


def duckdb_checks(source, sample):
    return sample(program("duckdb_checks.py", next(source.iterdir())), "/")
