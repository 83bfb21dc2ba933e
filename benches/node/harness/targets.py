"""What a node should reach, and whether it does."""

import statistics
from dataclasses import dataclass

OURS, ON_SMOL = "zerocache", "zerocache on smol"

# Processor time a request, ours over the peer's: (load, ours, peer, must, aim).
RATIOS = [
    ("get128", OURS, "raw tokio", 1.20, 1.12),
    ("get4k", OURS, "raw tokio", 1.25, 1.15),
    ("mix", OURS, "raw tokio", 1.20, 1.13),
    ("pipe16", OURS, "raw tokio", 2.4, 2.0),
    ("get128", OURS, "axum + moka", 0.73, 0.68),
    ("mix", OURS, "axum + moka", 0.73, 0.68),
    ("pipe16", OURS, "axum + moka", 0.13, 0.10),
    ("get128", OURS, "hyper + moka", 0.88, 0.83),
    ("mix", OURS, "hyper + moka", 0.88, 0.83),
    ("pipe16", OURS, "hyper + moka", 0.5, 0.40),
    ("get128", OURS, "memcached", 1.02, 0.96),
    ("mix", OURS, "memcached", 1.02, 0.96),
    ("pipe16", OURS, "memcached", 1.3, 1.07),
    ("get128", OURS, "Redis", 0.98, 0.92),
    ("mix", OURS, "Redis", 0.98, 0.92),
    ("pipe16", OURS, "Redis", 0.95, 0.73),
    ("get128", ON_SMOL, "raw smol", 1.05, 0.98),
    ("get128", ON_SMOL, "raw tokio", 1.30, 1.30),
]


@dataclass
class Row:
    """A figure and its targets: at most them, or at least."""

    about: str
    value: float
    must: float
    aim: float
    spread: tuple = None
    at_least: bool = False
    digits: int = 2

    def verdict(self):
        def reached(target):
            value = round(self.value, self.digits)
            return value >= target if self.at_least else value <= target

        return "aim" if reached(self.aim) else "must" if reached(self.must) else "SHORT"


def median(values):
    return statistics.median(values)


def rows(visits):
    """The rows of the loads that were run."""
    found = []
    for load, ours, peer, must, aim in RATIOS:
        ratio = visits.ratio(load, ours, peer)
        if ratio:
            low, middle, high = ratio
            found.append(Row(f"{load}: {ours} / {peer}", middle, must, aim, (low, high)))
    if visits.has("pipe16", OURS):
        rate = median(visits.values("pipe16", OURS, "per_second"))
        found.append(Row("pipe16: requests/s on one core", rate, 1e6, 1.3e6, at_least=True, digits=0))
    p99 = visits.ratio("get128", OURS, "raw tokio", "p99", connections=16)
    if p99:
        found.append(Row("get128, 16 connections: p99 / raw tokio's", p99[1], 1.15, 1.05, (p99[0], p99[2])))
    if visits.has("pipe16", OURS) and visits.has("pipe16mix", OURS):
        mixed, pure = (median(visits.values(load, OURS, "p999")) for load in ("pipe16mix", "pipe16"))
        found.append(Row("pipe16mix p99.9 / pipe16 p99.9", mixed / pure, 2, 1.3))
    return found


def show(table):
    if not table:
        return
    print(f"{'':<46}{'here':>12}{'quartiles':>16}{'must':>12}{'aim':>12}  reached")
    for row in table:
        sign = ">= " if row.at_least else "<= "
        here, must, aim = (f"{number:,.{row.digits}f}" for number in (row.value, row.must, row.aim))
        spread = f"{row.spread[0]:.2f} to {row.spread[1]:.2f}" if row.spread else ""
        print(f"{row.about:<46}{here:>12}{spread:>16}{sign + must:>12}{sign + aim:>12}  {row.verdict()}")
