"""What every row of the benchmark is made with: whole processes, timed; data made once; a database anew for each sample."""
import os
import pathlib
import statistics
import subprocess
import sys
import time

from servers import Postgres

SCALE = float(os.environ.get("BENCH_SCALE", "1"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
ONLY = [name for name in os.environ.get("BENCH_ONLY", "").split(",") if name]
ROOT = pathlib.Path(__file__).resolve().parent.parent
WORK = ROOT / "target" / "bench"
ROWS = int(4_000_000 * SCALE)


class Sample:
    """Seconds and peak MiB of one command and its children."""

    def __init__(self, args, cwd, env=None):
        start = time.monotonic()
        child = subprocess.Popen(args, cwd=cwd, env={**os.environ, **(env or {})}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        _, status, usage = os.wait4(child.pid, 0)
        self.seconds = time.monotonic() - start
        self.mib = usage.ru_maxrss / 1024
        self.cpu = usage.ru_utime + usage.ru_stime
        if status != 0:
            sys.exit(f"{args}: {status}\n{child.stdout.read().decode()}\n{child.stderr.read().decode()}")


class Bench:
    def __init__(self, program):
        self.program = os.path.abspath(program)
        WORK.mkdir(parents=True, exist_ok=True)
        self.postgres = Postgres(WORK)
        self.results = []

    def wanted(self, name):
        return not ONLY or name in ONLY

    def data(self, name, *arguments):
        """A folder of generated files, made once for each set of arguments."""
        folder = WORK / "data" / f"{name}-{SCALE}"
        if not folder.exists():
            subprocess.run([self.program, "generate", "--out", f"{folder}.part", "--quiet", *map(str, arguments)], check=True)
            os.rename(f"{folder}.part", folder)
        return folder

    def world(self, source, contract=""):
        """An empty folder whose data/ holds links to the files of `source`, and whose configuration ends with `contract`."""
        folder = WORK / "world"
        subprocess.run(["rm", "-rf", folder], check=True)
        (folder / "data").mkdir(parents=True)
        for file in source.iterdir():
            os.link(file, folder / "data" / file.name)
        (folder / "iotpipe.toml").write_text('[source]\nsettle = "0s"\n' + contract)
        return folder

    def run(self, source, *arguments, rows=None, url=None, before=(), contract="", table="iot_raw_data"):
        """`iotpipe run` over `source`, into a new database; `before` comes before the command."""
        world = self.world(source, contract)
        env = {"DATABASE_URL": url or self.postgres.new_database()}
        subprocess.run([self.program, "migrate", "--quiet"], cwd=world, env={**os.environ, **env}, check=True)
        earlier = self.postgres.cpu()
        sample = Sample([*before, self.program, "run", "--quiet", *arguments], world, env)
        time.sleep(0.2)
        self.server_cpu = [now - then for now, then in zip(self.postgres.cpu(), earlier)]
        if rows is not None and url is None:
            self.postgres.expect(f"SELECT count(*) FROM {table}", rows)
        return sample

    def migrated(self, folder=WORK):
        """A new database with iotpipe's schema, for the configuration in `folder`."""
        env = {**os.environ, "DATABASE_URL": self.postgres.new_database()}
        subprocess.run([self.program, "migrate", "--quiet"], cwd=folder, env=env, check=True)

    def compare(self, name, what, target, ours, rival, memory=None):
        """Both by turns, ROUNDS times."""
        mine, theirs = [], []
        for _ in range(ROUNDS):
            mine.append(ours())
            theirs.append(rival())
        ratio = median(mine) / median(theirs)
        met = ratio <= target
        note = ""
        if memory is not None:
            share = statistics.median(s.mib for s in mine) / statistics.median(s.mib for s in theirs)
            note, met = f"; memory {share:.3f} × (≤ {memory})", met and share <= memory
        self.note(name, what, f"{ratio:.2f} × (≤ {target}){note}", met,
                  f"{spread(mine)} against {spread(theirs)}; {peak(mine)} against {peak(theirs)} MiB")

    def note(self, name, what, result, met, detail):
        self.results.append((name, what, result, met, detail))
        print(f"{verdict(met)} {name}: {what}: {result}\n        {detail}", flush=True)


def verdict(met):
    return {True: "met", False: "NOT MET", None: "known"}[met].ljust(7)


def median(samples):
    return statistics.median(s.seconds for s in samples)


def spread(samples):
    seconds = [s.seconds for s in samples]
    return f"{statistics.median(seconds):.2f} s ({min(seconds):.2f}–{max(seconds):.2f})"


def peak(samples):
    return f"{max(s.mib for s in samples):.0f}"
