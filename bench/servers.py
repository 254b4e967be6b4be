"""A throw-away PostgreSQL with default settings, and what is asked of it."""
import collections
import glob
import os
import pathlib
import pwd
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time

COLUMNS = ("ts timestamptz, device text, co float8, humidity float8, light boolean, lpg float8, motion boolean, "
           "smoke float8, temp float8")
TABLE = f"CREATE TABLE readings ({COLUMNS}, PRIMARY KEY (device, ts))"
SQLITE_TABLE = ("CREATE TABLE readings (ts text, device text, co real, humidity real, light integer, lpg real, motion integer, "
                "smoke real, temp real, PRIMARY KEY (device, ts)) WITHOUT ROWID")
READY_COLUMNS = "device_id, ts, file_id, line_number, co, humidity, light, lpg, motion, smoke, temp"
MEASUREMENT_COLUMNS = "device_id, sensor_id, ts, value, file_id, line_number"
NAMED_COLUMNS = "line_number bigint GENERATED ALWAYS AS IDENTITY, ts timestamptz, device text, metric text, value float8"
MEASUREMENTS = "CREATE TABLE measurements (ts timestamptz, device text, metric text, value float8, PRIMARY KEY (device, metric, ts))"
SMALL_FILE = "ts,device,co,humidity,light,lpg,motion,smoke,temp\n"


class Postgres:
    def __init__(self, work):
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda p: -int(p.split("/")[4])) + os.environ["PATH"].split(":")
        self.bin = next((pathlib.Path(p) for p in found if (pathlib.Path(p) / "initdb").exists()), None)
        if self.bin is None:
            sys.exit("bench: PostgreSQL's binaries are needed (Debian: apt-get install postgresql)")
        self.folder, self.number, self.url = tempfile.mkdtemp(prefix="iotpipe-bench-", dir="/tmp"), 0, None
        self.user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        if self.user:
            os.chown(self.folder, pwd.getpwnam("postgres").pw_uid, -1)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.server("initdb", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "-D", f"{self.folder}/data")
        self.server("pg_ctl", "-D", f"{self.folder}/data", "-l", f"{self.folder}/log", "-w", "-o",
                    f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1", "start")

    def server(self, program, *arguments):
        subprocess.run([*self.user, self.bin / program, *arguments], check=True, stdout=subprocess.DEVNULL, cwd="/")

    def stop(self):
        self.server("pg_ctl", "-D", f"{self.folder}/data", "-m", "immediate", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)

    def psql(self, database, *commands):
        arguments = [part for command in commands for part in ("-c", command)]
        return ["psql", "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", f"postgres://postgres@127.0.0.1:{self.port}/{database}", *arguments]

    def ask(self, *commands, database=None):
        return subprocess.run(self.psql(database or self.name, *commands), check=True, capture_output=True, text=True).stdout.strip()

    def new_database(self):
        """Drops the last one, and starts behind a checkpoint."""
        if self.number:
            self.ask(f"DROP DATABASE {self.name} WITH (FORCE)", database="postgres")
        self.number += 1
        self.name = f"bench_{self.number}"
        self.ask(f"CREATE DATABASE {self.name}", "CHECKPOINT", database="postgres")
        self.url = f"postgres://postgres@127.0.0.1:{self.port}/{self.name}"
        return self.url

    def version(self):
        return "PostgreSQL " + self.ask("SHOW server_version", database="postgres").split()[0]

    def expect(self, sql, number):
        if int(self.ask(sql)) != number:
            sys.exit(f"bench: {sql} gives {self.ask(sql)}, not {number}")

    def query(self, sql, sample):
        return sample(self.psql(self.name, sql), "/")

    def clean_copy(self, source, path):
        """The rows of `source` as text that PostgreSQL takes as it is: ISO times, no quotes."""
        if not path.exists():
            with open(f"{path}.part", "w") as out:
                for file in sorted(source.iterdir()):
                    with open(file) as rows:
                        next(rows)
                        for row in rows:
                            ts, rest = row.replace('"', "").split(",", 1)
                            seconds, micros = divmod(round(float(ts) * 1_000_000), 1_000_000)
                            day = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))
                            out.write(f"{day}.{micros:06}+00,{rest}")
            os.rename(f"{path}.part", path)
        return path

    def copy(self, clean, sample, rows):
        self.new_database()
        self.ask(TABLE)
        result = sample(self.psql(self.name, f"\\copy readings FROM '{clean}' (FORMAT csv)"), "/")
        self.expect("SELECT count(*) FROM readings", rows)
        return result

    def measurements_as_text(self, path):
        """The stored measurements in the order of their lines: with ids, and with names."""
        kinds = {"ids": f"SELECT {MEASUREMENT_COLUMNS} FROM iot_raw_values ORDER BY line_number",
                 "names": "SELECT v.ts, d.name, s.name, v.value FROM iot_raw_values v JOIN device d ON d.id = v.device_id "
                          "JOIN sensor s ON s.id = v.sensor_id ORDER BY v.line_number"}
        for kind, rows in kinds.items():
            self.ask(f"\\copy ({rows}) TO '{path}-{kind}.csv' (FORMAT csv)")
        return {kind: f"{path}-{kind}.csv" for kind in kinds}

    def copy_measurements(self, path, sample, rows):
        """Into iotpipe's table, which is there and empty."""
        result = sample(self.psql(self.name, f"\\copy iot_raw_values ({MEASUREMENT_COLUMNS}) FROM '{path}' (FORMAT csv)"), "/")
        self.expect("SELECT count(*) FROM iot_raw_values", rows)
        return result

    def copy_resolved_measurements(self, path, sample, rows):
        """Into iotpipe's table, which is there and empty, by way of a table of this session."""
        steps = ("BEGIN", f"CREATE TEMPORARY TABLE named ({NAMED_COLUMNS}) ON COMMIT DROP",
                 f"\\copy named (ts, device, metric, value) FROM '{path}' (FORMAT csv)",
                 "INSERT INTO device (name) SELECT DISTINCT device FROM named ON CONFLICT DO NOTHING",
                 "INSERT INTO sensor (name, type) SELECT DISTINCT metric, 'float' FROM named ON CONFLICT DO NOTHING",
                 f"INSERT INTO iot_raw_values ({MEASUREMENT_COLUMNS}) SELECT d.id, s.id, n.ts, n.value, 1, n.line_number FROM named n "
                 "JOIN device d ON d.name = n.device JOIN sensor s ON s.name = n.metric", "COMMIT")
        result = sample(self.psql(self.name, *steps), "/")
        self.expect("SELECT count(*) FROM iot_raw_values", rows)
        return result

    def copy_named_measurements(self, path, sample, rows):
        self.new_database()
        self.ask(MEASUREMENTS)
        result = sample(self.psql(self.name, f"\\copy measurements FROM '{path}' (FORMAT csv)"), "/")
        self.expect("SELECT count(*) FROM measurements", rows)
        return result

    def ready_rows(self, path, together):
        """The stored rows in PostgreSQL's binary form, `together` of them sorted, in two files of half each."""
        half = "(SELECT max(line_number) / 2 FROM iot_raw_data)"
        for name, which in (("first", "<="), ("second", ">")):
            self.ask(f"\\copy (SELECT {READY_COLUMNS} FROM iot_raw_data WHERE line_number {which} {half} "
                     f"ORDER BY line_number / {together}, device_id, ts) TO '{path}.{name}' (FORMAT binary)")
        return [f"{path}.first", f"{path}.second"]

    def copies(self, path):
        return self.psql(self.name, f"\\copy iot_raw_data ({READY_COLUMNS}) FROM '{path}' (FORMAT binary)")

    def copy_ready(self, paths, sample):
        """In one session and one transaction."""
        first, second = (self.copies(path)[-1] for path in paths)
        return sample(self.psql(self.name, "BEGIN", first, second, "COMMIT"), "/")

    def copy_ready_twice(self, paths):
        """Seconds, with a session for each half."""
        start = time.monotonic()
        sessions = [subprocess.Popen(self.copies(path), cwd="/") for path in paths]
        if any([session.wait() for session in sessions]):
            sys.exit("bench: a session failed")
        return time.monotonic() - start

    def cpu(self):
        """Seconds that sessions which have ended took, and seconds of the processes that write for all."""
        tick = os.sysconf("SC_CLK_TCK")
        postmaster = open(f"{self.folder}/data/postmaster.pid").readline().strip()

        def fields(process):
            return open(f"/proc/{process}/stat").read().rsplit(")", 1)[1].split()

        writers = 0
        for process in filter(str.isdigit, os.listdir("/proc")):
            try:
                own = fields(process)
                title = open(f"/proc/{process}/cmdline").read()
            except OSError:
                continue
            if own[1] == postmaster and any(name in title for name in ("checkpointer", "writer")):
                writers += int(own[11]) + int(own[12])
        ended = fields(postmaster)
        return (int(ended[13]) + int(ended[14])) / tick, writers / tick

    def waits(self, run):
        """What the sessions that load during `run()` spend their time with, as shares, the largest first."""
        question = ("SELECT CASE WHEN state LIKE 'idle%' THEN 'waiting for the program' "
                    "ELSE coalesce(wait_event_type || ' ' || wait_event, 'processor') END FROM pg_stat_activity "
                    "WHERE application_name = 'iotpipe' AND backend_type = 'client backend' AND xact_start IS NOT NULL\n\\watch 0.01\n")
        with tempfile.TemporaryFile("w+") as answers:
            asker = subprocess.Popen(self.psql("postgres"), stdin=subprocess.PIPE, stdout=answers, text=True)
            asker.stdin.write(question)
            asker.stdin.close()
            run()
            asker.terminate()
            asker.wait()
            answers.seek(0)
            counts = collections.Counter(filter(None, answers.read().split("\n")))
        return ", ".join(f"{what} {count / counts.total():.0%}" for what, count in counts.most_common() if count * 50 > counts.total())

    def commits_per_second(self):
        """Of one session, each commit with a row, as the server is set (fsync on)."""
        self.new_database()
        self.ask("CREATE TABLE t (n int)", "CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN FOR i IN 1..2000 LOOP "
                 "INSERT INTO t VALUES (i); COMMIT; END LOOP; END $$")
        start = time.monotonic()
        self.ask("CALL p()")
        return 2000 / (time.monotonic() - start)

    def fill_manifest(self, entries):
        self.ask("INSERT INTO manifest (source, size, modified_at, sha256, state, contract_hash, rows_total, rows_loaded, rows_rejected, "
                 "rows_duplicate, discovered_at, validated_at, aggregated_at, loaded_at, archived_at) SELECT 'old/' || i || '.csv', 100, "
                 "now(), encode(sha256(i::text::bytea), 'hex'), 'loaded', 'x', 40, 40, 0, 0, now(), now(), now(), now(), now() "
                 f"FROM generate_series(1, {entries}) AS i", "ANALYZE manifest")

    def visible_after(self, program, world, url, files):
        """Seconds from the close of each file until its rows can be read."""
        loop = subprocess.Popen([program, "loop", "--interval", "1m", "--quiet"], cwd=world, env={**os.environ, "DATABASE_URL": url})
        psql = subprocess.Popen(self.psql(self.name), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

        def count():
            psql.stdin.write("SELECT count(*) FROM iot_raw_data;\n")
            psql.stdin.flush()
            select.select([psql.stdout], [], [])
            return int(psql.stdout.readline())

        time.sleep(3)
        known, waits = count(), []
        for i in range(files):
            rows = "".join(f"{1767225600 + i * 100 + n},a,0.005,51.5,true,0.007,false,0.02,20\n" for n in range(40))
            path = world / "data" / f"{i}.csv"
            if i % 2:
                (world / "data" / f".{i}.part").write_text(SMALL_FILE + rows)
                os.rename(world / "data" / f".{i}.part", path)
            else:
                path.write_text(SMALL_FILE + rows)
            start, known = time.monotonic(), known + 40
            while count() < known:
                time.sleep(0.001)
                if time.monotonic() - start > 30:
                    sys.exit("bench: a file was not loaded within 30 s")
            waits.append(time.monotonic() - start)
            time.sleep(0.02)
        loop.terminate()
        loop.wait()
        psql.kill()
        return waits
