"""The loads, the visits turn by turn, and the ratios taken from them."""

import json
import math
import statistics
import subprocess
from dataclasses import dataclass

from servers import KEYS, LOADER_CORE, PEERS, VALUES, pinned


@dataclass(frozen=True)
class Load:
    """One kind of load, at several numbers of connections."""

    about: str
    connections: tuple
    mode: str = "get"
    value: int = 128
    depth: int = 1
    rate: int = 0

    def args(self):
        args = ["--mode", self.mode, "--value", self.value, "--depth", self.depth]
        return [*args, "--rate", self.rate] if self.rate else args


MANY = (16, 64, 256)
LOADS = {
    "get128": Load("GET, 128 B", MANY),
    "get128c1": Load("GET, 128 B, one connection", (1,)),
    "get4k": Load("GET, 4 KiB", MANY, value=4096),
    "mix": Load("nine GETs to a PUT, 128 B", MANY, mode="mix"),
    "put": Load("PUT, 128 B", MANY, mode="put"),
    "pipe16": Load("GET, 128 B, 16 pipelined, 16 connections", (16,), depth=16),
    "pipe16mix": Load("nine GETs to a PUT, 16 pipelined", (16,), mode="mix", depth=16),
    "fixed": Load("GET, 128 B, 20,000 a second", (16,), rate=20_000),
}


def loader(server, *args, depth=1, before=()):
    """Runs the loader against a running server: what it says."""
    command = [*before, PEERS / "loader", "--server", server.address, "--pid", server.pid]
    command += ["--protocol", server.protocol(depth), "--keys", KEYS, *args]
    done = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, preexec_fn=pinned(LOADER_CORE), check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{server.name}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def fill(server):
    """Puts what is asked for later, or asks until what is kept of it (open files) is kept."""
    for value in VALUES:
        what = ["--fill", KEYS] if server.server.keeps else ["--seconds", 1]
        loader(server, "--value", value, *what)


def does(server, load):
    """Whether a server can be asked that: one that keeps nothing need not take anything."""
    return not (server.name.startswith("nginx") and load.mode != "get")


class Visits:
    """Figures of (load, connections, server), one a round."""

    def __init__(self):
        self.seen = {}
        self.rounds = 0

    def round(self, running, loads, seconds, say=lambda *_: None):
        """Visits every server at every load once. Who comes first changes, so that nobody always does."""
        for name in loads:
            load = LOADS[name]
            for connections in load.connections:
                visited = [server for server in running if does(server, load)]
                first = self.rounds % len(visited)
                for server in visited[first:] + visited[:first]:
                    say(f"round {self.rounds + 1}: {name}, {connections} connections: {server.name}")
                    args = [*load.args(), "--connections", connections, "--seconds", seconds]
                    report = loader(server, *args, depth=load.depth)
                    self.seen.setdefault((name, connections, server.name), []).append(report)
        self.rounds += 1

    def to_list(self):
        return [
            {"load": load, "connections": count, "server": server, "rounds": reports}
            for (load, count, server), reports in self.seen.items()
        ]

    @classmethod
    def of(cls, visited):
        visits = cls()
        for row in visited:
            visits.seen[row["load"], row["connections"], row["server"]] = row["rounds"]
            visits.rounds = len(row["rounds"])
        return visits

    def knows(self, name):
        return any(load == name for load, _, _ in self.seen)

    def has(self, name, server):
        return (name, LOADS[name].connections[0], server) in self.seen

    def values(self, name, server, figure, connections=None):
        """Of each round: the geometric mean over the numbers of connections."""
        counts = [connections] if connections else LOADS[name].connections
        rows = [[report[figure] for report in self.seen[name, count, server]] for count in counts]
        return [geometric(column) for column in zip(*rows)]

    def ratio(self, name, ours, theirs, figure="cpu_us", connections=None):
        """Quartiles of the ratios, each taken within one round; nothing if either was not visited."""
        if not (self.has(name, ours) and self.has(name, theirs)):
            return None
        pairs = zip(
            self.values(name, ours, figure, connections), self.values(name, theirs, figure, connections)
        )
        return quartiles([a / b for a, b in pairs])


def geometric(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def quartiles(values):
    """(first quartile, median, third quartile)"""
    if len(values) == 1:
        return (values[0],) * 3
    return tuple(statistics.quantiles(values, n=4, method="inclusive"))
