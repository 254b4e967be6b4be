"""The table of results: printed as Markdown, into docs/performance.md at full scale."""
from comparison import ONLY, ROOT, ROUNDS, SCALE, WORK
from machine import describe, today

REPORT = ROOT / "docs" / "performance.md"
TITLE = """# Performance

Printed by `make bench`: medians of whole processes, each pair run by turns in one session, on a database
made anew for each sample. Ratios are against what is named; absolute times mean little.
"""
HEAD = ["| | what | result (target) | met | in detail |", "|---|---|---|---|---|"]


def write(results, postgres):
    """All rows make the report anew. Some of them, at full scale, take the place of theirs in it, each with its own day and commit."""
    rows = [row(*result) for result in results]
    if SCALE == 1 and ONLY:
        target, text = REPORT, replaced(REPORT.read_text(), [row(*result[:-1], f"{result[-1]}; {today()}") for result in results])
    else:
        target = REPORT if SCALE == 1 else WORK / "performance.md"
        text = "\n".join([TITLE, describe(postgres, ROUNDS, SCALE), "", *HEAD, *rows, "", (ROOT / "bench" / "why.md").read_text()])
    target.write_text(text)
    print(f"written to {target.relative_to(ROOT)}")


def row(name, what, result, met, detail):
    return f"| {name} | {what} | {result} | { {True: 'yes', False: '**no**', None: ''}[met] } | {detail} |"


def replaced(report, rows):
    """`report` with these rows where rows of the same names were; behind the others, where there were none."""
    waiting = {}
    for line in rows:
        waiting.setdefault(name_of(line), []).append(line)
    names, lines = set(waiting), []
    before, after = report.split("\n".join(HEAD) + "\n")
    table, explanations = after.split("\n\n", 1)
    for line in table.splitlines():
        lines += waiting.pop(name_of(line), []) if name_of(line) in names else [line]
    lines += [line for some in waiting.values() for line in some]
    return "\n".join([before.rstrip("\n"), "", *HEAD, *lines, "", explanations])


def name_of(line):
    return line.split("|")[1].strip()
