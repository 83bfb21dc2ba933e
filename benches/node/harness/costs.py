"""What a request, a value and a connection cost outside the clock: system calls, instructions, memory."""

import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from loads import LOADS, fill, loader
from servers import KEYS, Missing

ENTRIES = 1_000_000
IDLE = 10_000
CALLGRIND = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--fair-sched=try"]


class Started:
    """A server with a directory of its own, for as long as the block lasts."""

    def __init__(self, server, wrapper=()):
        self.directory = tempfile.TemporaryDirectory()
        self.arguments = server, wrapper

    def __enter__(self):
        server, wrapper = self.arguments
        self.running = server.launch(self.directory.name, wrapper)
        return self.running

    def __exit__(self, *_):
        self.running.__exit__()
        self.directory.cleanup()


def require(tool):
    if not shutil.which(tool):
        raise Missing(f"{tool} is not installed")


def syscalls(server):
    """System calls a request by load: {load: (calls, [the frequent ones])}. With 64 connections, or 16 where pipelined."""
    require("strace")
    found = {}
    with Started(server) as running:
        fill(running)
        for name, connections in (("get128c1", 1), ("get128", 64), ("pipe16", 16)):
            few, many = (traced(running, name, connections, count) for count in (10_000, 30_000))
            each = {call: (many[call] - few.get(call, 0)) / 20_000 for call in many}
            frequent = sorted((call for call in each if each[call] > 0.02), key=each.get, reverse=True)
            found[name] = (sum(each.values()), frequent)
    return found


def traced(running, name, connections, count):
    """Calls by name while so many requests were answered."""
    with tempfile.NamedTemporaryFile() as output:
        command = ["strace", "-c", "-f", "-o", output.name, "-p", str(running.pid)]
        strace = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        while "attached" not in strace.stderr.readline():
            if strace.poll() is not None:
                raise Missing("strace may not attach here")
        load(running, name, connections, count)
        strace.send_signal(signal.SIGINT)
        strace.communicate()
        table = re.findall(r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+) (?:.* )?(\w+)$", Path(output.name).read_text(), re.M)
    # What memcached's threads of housekeeping sleep by belongs to no request.
    return {name: int(calls) for calls, name in table if name not in ("total", "clock_nanosleep")}


def load(running, name, connections, count):
    kind = LOADS[name]
    args = [*kind.args(), "--connections", connections, "--warm-up", 0, "--requests", count]
    return loader(running, *args, depth=kind.depth)


def memory(server):
    """Resident bytes an entry of 128 bytes, and microseconds of processor time of the PUTs and then of GETs."""
    with Started(server) as running:
        # What the first entries and connections cost is not what each costs.
        loader(running, "--fill", 1_000)
        put = loader(running, "--fill", ENTRIES, "--depth", 16, depth=16)
        # A value lost would be an error here.
        get = loader(running, "--keys", ENTRIES, "--seconds", 1)
    each = (put["resident"] - put["resident_before"]) / ENTRIES
    return {"bytes": each, "put_cpu_us": put["cpu_us"], "get_cpu_us": get["cpu_us"]}


def idle(server):
    """Resident bytes of a connection that was used once and is held."""
    with Started(server) as running:
        fill(running)
        return loader(running, "--hold", IDLE)["bytes_each"]


def instructions(server):
    """User-space instructions a request, of the whole process: {load: instructions}."""
    require("valgrind")
    found = {}
    for name in ("get128", "pipe16", "put"):
        if does_not_keep(server, name):
            continue
        few, many = (counted(server, name, count) for count in (10_000, 30_000))
        found[name] = (many - few) / 20_000
    return found


def does_not_keep(server, name):
    return name == "put" and not server.keeps


def counted(server, name, count):
    """Instructions from start to the last answer with so many requests; PUTs are of keys not seen before."""
    with Started(server, CALLGRIND) as running:
        if name == "put":
            loader(running, "--fill", count)
        else:
            if server.keeps:
                loader(running, "--fill", KEYS)
            load(running, name, 16, count)
        # Nobody handles that one: what a server does with a million entries at its end is no request's cost.
        said = running.stop(signal.SIGPROF)
    return int(re.search(r"Collected : (\d+)", said).group(1))


def tried(measure, servers, missing, say):
    """Applies a measurement to each server; what can not be measured is named."""
    found = {}
    for server in servers:
        say(f"{measure.__name__}: {server.name}")
        try:
            found[server.name] = measure(server)
        except (Missing, RuntimeError) as reason:
            missing[f"{measure.__name__} of {server.name}"] = str(reason)
    return found
