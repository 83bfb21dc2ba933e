"""All figures as tables, which are Markdown and can be read as text."""

from dataclasses import dataclass

from loads import LOADS
from servers import BY_NAME
from targets import median

FLOOR = "raw tokio"


@dataclass
class Table:
    title: str
    head: list
    rows: list

    def __str__(self):
        cells = [self.head, *self.rows]
        widths = [max(len(row[at]) for row in cells) for at in range(len(self.head))]
        # Names to the left, figures to the right.
        line = ["-" * width if at == 0 else "-" * (width - 1) + ":" for at, width in enumerate(widths)]
        text = [self.title, ""] if self.title else []
        for row in [self.head, line, *self.rows]:
            padded = [
                cell.ljust(width) if at == 0 else cell.rjust(width)
                for at, (cell, width) in enumerate(zip(row, widths))
            ]
            text.append(f"| {' | '.join(padded)} |")
        return "\n".join(text)


def shown(value, digits=2):
    return "-" if value is None else f"{value:,.{digits}f}"


def between(ratio):
    low, middle, high = ratio
    return f"{middle:.2f} ({low:.2f}-{high:.2f})"


def load(visits, name, servers):
    """One load in full."""
    rows = []
    for server in servers:
        if not visits.has(name, server):
            continue
        figures = ("cpu_us", "per_second", "p50", "p99", "p999")
        cpu, rate, *times = (median(visits.values(name, server, figure)) for figure in figures)
        ratio = visits.ratio(name, server, FLOOR)
        rows.append(
            [server, shown(cpu), between(ratio) if ratio else "-", shown(rate, 0), *(shown(time, 0) for time in times)]
        )
    counts = ", ".join(map(str, LOADS[name].connections))
    title = f"{name}: {LOADS[name].about}; {counts} connections"
    head = ["", "CPU us/request", f"x {FLOOR} (quartiles)", "requests/s", "p50 us", "p99 us", "p99.9 us"]
    return Table(title, head, rows)


def summary(visits, names, servers, cell, title):
    """A row for each server, a column for each load."""
    names = [name for name in names if any(visits.has(name, server) for server in servers)]
    rows = []
    for server in servers:
        if any(visits.has(name, server) for name in names):
            row = [cell(name, server) if visits.has(name, server) else "-" for name in names]
            rows.append([server, *row])
    return Table(title, ["", *names], rows)


def ratios(visits, names, servers):
    def cell(name, server):
        ratio = visits.ratio(name, server, FLOOR)
        return shown(ratio and ratio[1])

    return summary(visits, names, servers, cell, f"processor time a request, multiples of {FLOOR}")


def times(visits, names, servers):
    def cell(name, server):
        return shown(median(visits.values(name, server, "cpu_us")))

    return summary(visits, names, servers, cell, "processor time a request, us")


def reference(report):
    row = [shown(report["cpu_us"]), shown(report["per_second"], 0), *(shown(report[at], 0) for at in ("p50", "p99", "p999"))]
    head = ["", "CPU us/request", "requests/s", "p50 us", "p99 us", "p99.9 us"]
    return Table("the Python package: GET, 128 B, 4 clients, a connection each time", head, [["Python package", *row]])


def costs(results):
    """What has no clock in it."""
    calls, memory = results.get("syscalls", {}), results.get("memory", {})
    counts, idle = results.get("instructions", {}), results.get("idle", {})
    rows = []
    for server in BY_NAME:
        if not any(server in measured for measured in (calls, memory, counts, idle)):
            continue
        row = [server]
        for name in ("get128c1", "get128", "pipe16"):
            row.append(shown(calls[server][name][0]) if server in calls else "-")
        for name in ("get128", "pipe16", "put"):
            row.append(shown(counts.get(server, {}).get(name), 0))
        row.append(shown(memory.get(server, {}).get("bytes"), 0))
        row.append(shown(memory.get(server, {}).get("get_cpu_us")))
        row.append(shown(idle.get(server), 0))
        rows.append(row)
    head = ["", "calls: c1", "c64", "pipe16", "instructions: GET", "pipe16", "PUT", "B/entry", "GET of 1 M us", "B/idle connection"]
    return Table("system calls and user instructions a request; resident bytes", head, rows)


def targets(rows):
    cells = []
    for row in rows:
        sign = ">= " if row.at_least else "<= "
        here, must, aim = (f"{number:,.{row.digits}f}" for number in (row.value, row.must, row.aim))
        if row.spread:
            here += f" ({row.spread[0]:.2f}-{row.spread[1]:.2f})"
        if row.beside:
            here += f" ({row.beside})"
        cells.append([row.about, here, sign + must, sign + aim, row.verdict()])
    return Table("targets", ["", "here (quartiles)", "must", "aim", "reached"], cells)
