# SPDX-FileCopyrightText: The rondo authors
# SPDX-License-Identifier: MIT
"""What the scripts of the benches print and write in the same way."""

import datetime
import os
import pathlib
import platform
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def table(head, align, rows):
    """Markdown; `align` has a letter per column, l or r."""
    lines = [head, ["---:" if a == "r" else "---" for a in align], *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def machine():
    """The processor, how many there are, and the system."""
    name = platform.machine()
    try:
        name = re.search(r"^model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text(), re.M)[1]
    except (OSError, TypeError):
        pass
    name = re.sub(r"\((R|TM)\)|\bCPU\b|\bProcessor\b|@.*", "", name)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{' '.join(name.split())}, {cores} core{'s' * (cores != 1)}, {platform.system()} {platform.release().split('-')[0]}"


def when_and_where(*more):
    """The line below a table: date, commit, machine, and what else there is to say."""
    git = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    commit = [f"at {git.stdout.strip()}"] if git.returncode == 0 else []
    return ", ".join([str(datetime.date.today()), *commit, machine(), *more]) + ".\n"


def write_between(file, mark, text):
    """Replaces what stands between `<!-- mark -->` and `<!-- /mark -->`; ends the program if they are not there."""
    path = pathlib.Path(file)
    before = path.read_text()
    marks = re.compile(rf"(<!-- {re.escape(mark)} -->\n).*?(<!-- /{re.escape(mark)} -->)", re.S)
    if len(marks.findall(before)) != 1:
        sys.exit(f"{path.name} has no lines <!-- {mark} --> and <!-- /{mark} -->, or several")
    path.write_text(marks.sub(lambda m: m[1] + text + m[2], before))
