"""The charts, and the tables in docs/performance.md that stand between marks of their own."""

import re
import statistics

import charts
import tables
import targets
from loads import LOADS, Visits
from servers import BY_NAME, ROOT

PAGE = ROOT / "docs/performance.md"
# A rate that a busy machine can not keep up says nothing.
CLOSED = [name for name in LOADS if not LOADS[name].rate]
CHARTS = ROOT / "docs/charts"


def renew(results):
    """Writes what the results have figures for, and leaves the rest as it is."""
    visits = Visits.of(results["visits"])
    page = PAGE.read_text()
    for name, text in sections(visits, results):
        mark = rf"(<!-- {name}: written by benches/run --docs -->\n).*?(<!-- end -->)"
        page, count = re.subn(mark, lambda found: f"{found[1]}{text}\n{found[2]}", page, flags=re.S)
        if count != 1:
            raise SystemExit(f"{PAGE.name} has no place for {name}")
    PAGE.write_text(page)
    CHARTS.mkdir(exist_ok=True)
    for name, text in pictures(visits, results):
        (CHARTS / f"{name}.svg").write_text(text)


def sections(visits, results):
    if visits.knows("get128") and visits.knows("mix"):
        yield "ratios", plain(tables.ratios(visits, CLOSED, BY_NAME))
        yield "times", plain(tables.times(visits, CLOSED, BY_NAME))
        yield "run", provenance(results)
    if "memory" in results and "syscalls" in results:
        yield "costs", plain(tables.costs(results))
    reached = list(targets.rows(visits, results))
    if reached:
        yield "targets", plain(tables.targets(reached))


def plain(table):
    table.title = ""
    return str(table)


def provenance(results):
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items() if version)
    missing = "".join(f" Missing: {name}, {reason}." for name, reason in results["missing"].items())
    floor = [row for row in results["visits"] if (row["load"], row["server"]) == ("get128", "raw tokio")]
    busy = [report["loader_busy"] for row in floor for report in row["rounds"]]
    return (
        f"{results['date']}, {results['machine']}: {results['rounds']} rounds, {results['seconds']} s a visit. "
        f"Peers: {versions}; the others' versions are in `benches/node/Cargo.lock`.{missing} "
        f"The machine was shared: loading `raw tokio`, the loader had {statistics.median(busy):.0%} of its core."
    )


def pictures(visits, results):
    if all(visits.knows(load) for load in ("get128", "mix", "pipe16")):
        names = [name for name in BY_NAME if visits.has("get128", name)]
        yield "processor-time", charts.processor_time(visits, names)
    if results.get("memory"):
        yield "memory", charts.memory(results["memory"])
    if results.get("spread", {}).get("rows"):
        yield "spread", charts.spread(results["spread"]["rows"])
