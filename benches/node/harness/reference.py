"""The Python package, in a network of its own, as it looks for others by multicast."""

import os
import shutil
import statistics
import time

from loads import loader
from servers import KEYS, ROOT, Missing, Server

PYTHON = ROOT / "target/interop/venv/bin/python"
SCRIPT = ROOT / "tests/interop/python/stock_server.py"
ADDRESS, PORT = "10.77.0.1", 6789
NETWORK = f"""set -e
ip link set lo up
ip link add bench0 type veth peer name bench1
ip link set bench1 up
ip addr add {ADDRESS}/24 dev bench0
ip link set bench0 up
ip route add 224.0.0.0/4 dev bench0
exec "$@"
"""
# It listens with a backlog of five: with more clients, some wait for a second to be let in.
CLIENTS = 4


def command(_):
    for tool in ("ip", "unshare", "nsenter"):
        if not shutil.which(tool):
            raise Missing(f"{tool} is not installed")
    if os.geteuid() != 0:
        raise Missing("a network of its own needs root")
    if not PYTHON.exists():
        raise Missing("`cargo test -p zerocache-interop --features interop` installs it")
    within = ["unshare", "--net", "sh", "-c", NETWORK, "sh"]
    return [*within, PYTHON, SCRIPT, ADDRESS, PORT, "r"], None


STOCK = Server("Python package", command)


def fill(running, inside):
    """Once it has seen its own announcement: until then every PUT is answered 500."""
    limit = time.monotonic() + 20
    while True:
        try:
            return loader(running, "--connections", 1, "--reconnect", "--fill", KEYS, before=inside)
        except RuntimeError:
            if time.monotonic() > limit:
                raise
            time.sleep(0.1)


def measure(directory, rounds, seconds):
    """GETs, each over a connection of its own, as it closes them: {figure: median of the rounds}."""
    with STOCK.launch(directory, ready='{"ready": true') as running:
        running.address = f"{ADDRESS}:{PORT}"
        inside = ["nsenter", "--target", running.pid, "--net"]
        fill(running, inside)
        load = ["--connections", CLIENTS, "--reconnect", "--seconds", seconds]
        seen = [loader(running, *load, before=inside) for _ in range(rounds)]
    return {figure: statistics.median(report[figure] for report in seen) for figure in seen[0]}
