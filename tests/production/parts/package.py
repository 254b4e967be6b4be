"""What a release consists of. The Debian package and its systemd units: made, read, installed in a container, started as
systemd would, removed; the workflows that publish it: read."""
import configparser
import os
import re
import shlex
import shutil
import socket

import program
from engine import debian, engine
from machine import ROOT, Failed, apt, check, expect, folder, free_port, go_program, run, server

ACTIONLINT = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12"
UNITS = ["iotpipe.service", "iotpipe-run.service", "iotpipe-run.timer"]
# systemd-analyze counts what a service may reach, from 0 to 10; "OK" ends at 2.
MOST_EXPOSED = 2.0


def test():
    with check("make package: the .deb and the static binary"):
        package = built()
    with check("systemd-analyze verify: the units"):
        verifies(package)
    with check("systemd-analyze security: the services are confined"):
        is_confined()
    with check("ExecStart under a notify socket: ready, alive for the watchdog, stopping, ended"):
        notifies()
    with check("installed in a container, run as its user, removed, purged"):
        installs(package)
    actionlint = go_program("actionlint", ACTIONLINT)
    with check("actionlint: the workflows"):
        run(actionlint, "-shellcheck=", "-pyflakes=", *sorted((ROOT / ".github/workflows").glob("*.yml")))


def built():
    out = folder("package")
    env = {"CARGO_TARGET_DIR": str(out), "IOTPIPE_BINARY": str(program.binary())}
    run("make", "-s", "-C", ROOT, "package", env=env)
    [package] = (out / "package").glob("iotpipe_*.deb")
    linked = run("file", "-b", out / "package/iotpipe").stdout if shutil.which("file") else "statically linked"
    if "static" not in linked:
        raise Failed(f"the binary is not static: {linked}")
    return package


def verifies(package):
    """Verified where the package puts them, since the program must be there too."""
    apt(**{"systemd-analyze": "systemd"})
    tree = folder("unpacked")
    run("dpkg-deb", "--extract", package, tree)
    for unit in UNITS:
        text = (tree / "usr/lib/systemd/system" / unit).read_text()
        expect(text, (ROOT / "contrib/systemd" / unit).read_text(), f"{unit} in the package")
        (tree / unit).write_text(text.replace("/usr/bin/iotpipe", f"{tree}/usr/bin/iotpipe"))
    done = run("systemd-analyze", "verify", "--man=no", "--recursive-errors=one", *(tree / unit for unit in UNITS),
               codes=range(256), env={"SYSTEMD_LOG_LEVEL": "warning"})
    said = [line for line in done.stderr.splitlines() if "iotpipe" in line]
    if done.returncode or said:
        raise Failed(f"exit code {done.returncode}: {done.stderr}")


def is_confined():
    for unit in UNITS[:2]:
        done = run("systemd-analyze", "security", "--offline=true", "--no-pager", ROOT / "contrib/systemd" / unit)
        exposure = float(re.search(r"exposure level for \S+: ([0-9.]+)", done.stdout).group(1))
        if exposure > MOST_EXPOSED:
            raise Failed(f"{unit}: exposure {exposure}, the most is {MOST_EXPOSED}\n{done.stdout}")


def command_of(unit):
    """ExecStart, as words."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    parser.read(ROOT / "contrib/systemd" / unit)
    return shlex.split(parser["Service"]["ExecStart"])


def notifies():
    """What systemd is told by `Type=notify`; where systemd is not the first process, a socket of ours stands in for it."""
    work = folder("notify")
    (work / "iotpipe.toml").write_text((ROOT / "contrib/debian/iotpipe.toml").read_text().replace("/var/l", f"{work}/l"))
    for name in ("lib/iotpipe", "log"):
        (work / name).mkdir(parents=True)
    port = str(free_port())
    words = [word.replace("/etc/iotpipe", str(work)).replace("9464", port) for word in command_of("iotpipe.service")[1:]]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(work / "notify"))
        notify.settimeout(20)
        env = {**os.environ, "NOTIFY_SOCKET": str(work / "notify"), "WATCHDOG_USEC": "2000000"}
        loop = server(program.binary(), *words, log=work / "loop.log", cwd=work, env=env)
        for message in ("READY=1", "WATCHDOG=1", "WATCHDOG=1"):
            hear(notify, message, work / "loop.log")
        loop.terminate()
        hear(notify, "STOPPING=1", work / "loop.log")
        expect(loop.wait(20), 0, "exit code after SIGTERM")


def hear(notify, message, log):
    """Reads what is sent until a datagram has the line `message`."""
    heard = []
    try:
        while not heard or message not in heard[-1].splitlines():
            heard.append(notify.recv(4096).decode())
    except TimeoutError as late:
        raise Failed(f"no {message} within 20 s, but {heard}\n{log.read_text()}") from late


INSTALLED = """
set -eux
dpkg -i /package.deb
test "$(stat -c %U:%G:%a /var/lib/iotpipe/data)" = iotpipe:iotpipe:2770
test "$(stat -c %U:%G:%a /etc/iotpipe/environment)" = root:iotpipe:640
as() { setpriv --reuid iotpipe --regid iotpipe --init-groups "$@"; }
cd /var/lib/iotpipe
as iotpipe generate --out /var/lib/iotpipe/data --rows 200
as RUN
ls /var/lib/iotpipe/processed/*.csv
dpkg -i /package.deb
dpkg -r iotpipe
test -e /var/lib/iotpipe/iotpipe.db
test ! -e /usr/bin/iotpipe
dpkg -P iotpipe
test ! -e /etc/iotpipe
test -e /var/lib/iotpipe/iotpipe.db
"""


def installs(package):
    script = INSTALLED.replace("RUN", shlex.join(command_of("iotpipe-run.service")))
    engine().once(debian(), "sh", "-c", script, options=["--volume", f"{package}:/package.deb:ro"])
