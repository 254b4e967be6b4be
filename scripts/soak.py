#!/usr/bin/env python3
"""Soak: `generate` drops files without pause, `loop` loads them, and neither memory nor file handles may grow.

usage: scripts/soak.py MINUTES PROGRAM PLOT.svg        (DATABASE_URL says where to; default: an SQLite file)

Samples the loop once a second, writes samples.csv and the plot, and compares the last third with the middle one.
Exit 1 when something grew, when a file was left, or when `verify` finds a difference.
"""
import csv
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

SETTLED = 0.05  # growth from the middle third to the last that counts as flat, beside a little constant
EVERY = "250ms"
ROWS = "2000"


def main():
    minutes, program, plot = float(sys.argv[1]), os.path.abspath(sys.argv[2]), pathlib.Path(sys.argv[3]).absolute()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="iotpipe-soak-"))
    os.chdir(folder)
    subprocess.run([program, "migrate", "--quiet"], check=True)
    loop = subprocess.Popen([program, "loop", "--interval", "5s", "--quiet", "--output", "json"], stdout=subprocess.PIPE)
    source = subprocess.Popen(
        [program, "generate", "--every", EVERY, "--rows", ROWS, "--error-rate", "0.02", "--interval", "1s", "--quiet"])
    samples = sample(loop, minutes * 60)
    source.send_signal(signal.SIGTERM)
    source.wait()
    time.sleep(5)
    loop.send_signal(signal.SIGTERM)
    summary = json.loads(loop.communicate(timeout=30)[0].splitlines()[-1])
    write(samples, folder / "samples.csv", plot)
    sys.exit(judge(samples, summary, program, folder))


def sample(loop, seconds):
    """(time, resident KiB, file handles, files waiting), once a second."""
    start, samples = time.monotonic(), []
    while (now := time.monotonic() - start) < seconds:
        if loop.poll() is not None:
            sys.exit(f"loop ended with {loop.returncode} after {now:.0f} s")
        status = pathlib.Path(f"/proc/{loop.pid}/status").read_text()
        resident = int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])
        handles = len(os.listdir(f"/proc/{loop.pid}/fd"))
        waiting = len([name for name in os.listdir("data") if not name.startswith(".")])
        samples.append((now, resident, handles, waiting))
        time.sleep(1)
    return samples


def write(samples, table, plot):
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([("seconds", "resident_kib", "handles", "files_waiting"), *samples])
    width, height, left = 720, 120, 70
    panels = [("memory, MiB", [s[1] / 1024 for s in samples]), ("file handles", [s[2] for s in samples]),
              ("files waiting", [s[3] for s in samples])]
    parts = []
    for index, (name, values) in enumerate(panels):
        top, highest = 20 + index * (height + 30), max(max(values) * 1.2, 1)
        step = max(1, len(values) // width)
        points = " ".join(
            f"{left + i / max(1, len(values) - 1) * width:.1f},{top + height - v / highest * height:.1f}"
            for i, v in enumerate(values) if i % step == 0)
        parts.append(f'<text x="{left}" y="{top - 5}">{name}</text>'
                     f'<text x="{left - 5}" y="{top + 10}" text-anchor="end">{highest:.0f}</text>'
                     f'<text x="{left - 5}" y="{top + height}" text-anchor="end">0</text>'
                     f'<rect x="{left}" y="{top}" width="{width}" height="{height}" fill="none" stroke="#bbb"/>'
                     f'<polyline points="{points}" fill="none" stroke="#1f6feb" stroke-width="1.5"/>')
    bottom = 20 + len(panels) * (height + 30)
    parts.append(f'<text x="{left + width}" y="{bottom - 8}" text-anchor="end">{samples[-1][0] / 60:.0f} minutes</text>')
    plot.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 10}" height="{bottom}" '
                    f'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="#fff"/>'
                    + "".join(parts) + "</svg>\n")


def judge(samples, summary, program, folder):
    third = len(samples) // 3
    faults = []
    for column, name, slack in ((1, "resident KiB", 1024), (2, "file handles", 3)):
        middle, last = (statistics.mean(s[column] for s in part) for part in (samples[third:2 * third], samples[2 * third:]))
        print(f"{name}: {middle:.1f} on average in the middle third, {last:.1f} in the last, "
              f"{max(s[column] for s in samples)} at most")
        if last > middle * (1 + SETTLED) + slack:
            faults.append(f"{name} grew")
    print(f"files waiting: {max(s[3] for s in samples)} at most")
    print(f"loop: {summary['files']} files, {summary['rows']} rows, {summary['loaded']} loaded, {summary['rejected']} "
          f"rejected, {summary['duplicates']} duplicate, {summary['failed']} failed in {summary['seconds']:.0f} s")
    left = [name for name in os.listdir("data") if not name.startswith(".")]
    if left or summary["failed"]:
        faults.append(f"{len(left)} files left in data/, {summary['failed']} failed")
    if subprocess.run([program, "verify", "--quiet"], stdout=subprocess.DEVNULL).returncode != 0:
        faults.append("verify finds differences")
    print("soak: " + ("; ".join(faults) or "flat, nothing left, every line accounted for") + f" (samples in {folder})")
    return 1 if faults else 0


main()
