"""PostgreSQL for the tests: in a container, or a throw-away cluster from this machine's binaries."""
import itertools
import os
import pwd

from engine import engine, postgres
from machine import ENDING, apt, folder, free_port, program_path, run, wait_for


class Container:
    """A server in a container; other containers reach it under its name."""

    def __init__(self, name):
        self.name, self.port, self.numbers = name, free_port(), itertools.count(1)
        engine().start(name, postgres(), "postgres", "-c", f"port={self.port}", options=[
            "--network", engine().network, "--env", "POSTGRES_PASSWORD=secret"])
        # The official image's first server, for its own set-up, listens on no address.
        wait_for("PostgreSQL in its container answers", lambda: self.query("postgres", "SELECT 1", range(256)).returncode == 0, 60)

    def query(self, database, sql, codes=(0,)):
        url = f"postgres://postgres:secret@127.0.0.1:{self.port}/{database.rsplit('/', 1)[-1]}"
        return engine().docker("exec", self.name, "psql", "-X", "-At", "-v", "ON_ERROR_STOP=1", url, "-c", sql, codes=codes)

    def ask(self, database, sql):
        return self.query(database, sql).stdout.strip()

    def new_database(self):
        """The URL of a new database, as other containers reach it."""
        name = f"iot_{next(self.numbers)}"
        self.query("postgres", f"CREATE DATABASE {name}")
        host = "127.0.0.1" if engine().network == "host" else self.name
        return f"postgres://postgres:secret@{host}:{self.port}/{name}"


class Cluster:
    """A server from local binaries, on loopback; stopped and deleted when the tests end."""

    def __init__(self):
        apt(initdb="postgresql", pg_ctl="postgresql", psql="postgresql-client")
        self.folder, self.port, self.numbers = folder("postgres"), free_port(), itertools.count(1)
        self.user = []
        if os.getuid() == 0:
            self.user = ["runuser", "-u", "postgres", "--"]
            os.chown(self.folder, pwd.getpwnam("postgres").pw_uid, -1)
        data = self.folder / "data"
        self.as_user("initdb", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync", "-D", data)
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        ENDING.callback(self.as_user, "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop", codes=(0, 1))
        self.as_user("pg_ctl", "-D", data, "-l", self.folder / "log", "-w", "-o", options, "start")

    def as_user(self, program, *arguments, codes=(0,)):
        # A server inherits the pipes of who starts it: what it says goes to its log.
        return run(*self.user, program_path(program), *arguments, cwd="/", codes=codes, timeout=60)

    def ask(self, database, sql):
        return run("psql", "-X", "-At", "-v", "ON_ERROR_STOP=1", database, "-c", sql).stdout.strip()

    def new_database(self):
        name = f"iot_{next(self.numbers)}"
        server = f"postgres://postgres@127.0.0.1:{self.port}"
        self.ask(f"{server}/postgres", f"CREATE DATABASE {name}")
        return f"{server}/{name}"
