"""What the figures were measured on, and when."""
import datetime
import os
import pathlib
import platform
import re
import subprocess


def today():
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    return f"{datetime.date.today()}, commit {commit}"


def describe(postgres, rounds, scale):
    """One paragraph: processor, memory, kernel, PostgreSQL, date, commit."""
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text())[1]) // (1 << 20)
    return (f"{cpu[1].strip() if cpu else platform.processor()}, {os.cpu_count()} cores, {memory} GiB, Linux {platform.release()}; "
            f"{postgres}, default settings (fsync and synchronous_commit on); {today()}, "
            f"{rounds} rounds, scale {scale:g}.")
