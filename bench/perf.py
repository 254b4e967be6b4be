"""Where the processor time of a `run` goes, as `perf` sees it: the server's sessions by what they do, the program by function."""
import collections
import shutil
import subprocess

# The first that is met on the way from the function that was caught to those that called it.
SERVER = {"btinsert": "the key", "brininsert": "BRIN", "heap_multi_insert": "rows into pages", "NextCopyFrom": "reading the rows"}
PROGRAM = {"sha2": "sha256", "fast_float2": "parsing numbers", "fields": "splitting fields", "memchr": "splitting fields",
           "Validator": "checks", "timestamp": "checks", "Aggregates": "aggregates", "encode": "encoding and sorting",
           "sort": "encoding and sorting", "copy_to_iter": "reading the file", "tcp_": "sending", "copy_from_iter": "sending"}


def is_possible():
    """Whether `perf` is there and may look at all processes."""
    return bool(shutil.which("perf")) and subprocess.run(["perf", "record", "-a", "-q", "-o", "/dev/null", "true"],
                                                        capture_output=True).returncode == 0


def recorded(data):
    """What to put before a command to have it recorded, together with everything else that runs."""
    return ["perf", "record", "-a", "-g", "-q", "-F", "400", "-o", data, "--"]


def shares(data):
    """Shares of the server's and of the program's processor time, each as one text, the largest first."""
    script = subprocess.run(["perf", "script", "-i", data, "-F", "comm,ip,sym"], capture_output=True, text=True, check=True).stdout
    server, program = collections.Counter(), collections.Counter()
    for sample in script.split("\n\n"):
        lines = sample.strip().split("\n")
        process, calls = lines[0].strip(), [line.split(None, 1)[-1] for line in lines[1:]]
        if process == "postgres" and "DoCopy" in calls:
            server[next((SERVER[call] for call in calls if call in SERVER), "the rest")] += 1
        elif process in ("iotpipe", "tokio-rt-worker") and calls:
            program[next((what for call in calls[:1] for name, what in PROGRAM.items() if name in call), "the rest")] += 1
    return as_text(server), as_text(program)


def as_text(counts):
    return ", ".join(f"{what} {count / counts.total():.0%}" for what, count in counts.most_common())
