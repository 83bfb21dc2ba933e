"""A get and a put that evicts on cachetools.TLRUCache: prints its version and nanoseconds each."""

import random
import sys
import time
from importlib.metadata import version

from cachetools import TLRUCache

entries = int(sys.argv[1])
count = max(50_000, entries)
value = b"v" * 128
keys = [f"user:123:{i * 0x9E3779B97F4A7C15 % 2**64:016x}:avatar" for i in range(4 * entries)]


def fresh():
    cache = TLRUCache(entries, ttu=lambda key, value, now: now + 3600.0)
    for key in keys[:entries]:
        cache[key] = value
    return cache


def best(run):
    """Of five, the time of an operation, that of the loop taken off."""
    times = []
    for _ in range(5):
        begin = time.process_time_ns()
        run()
        times.append((time.process_time_ns() - begin) / count)
    return min(times)


cache = fresh()
asked = random.Random(1).choices(keys[:entries], k=count)
new = [keys[(entries + i) % len(keys)] for i in range(count)]


def nothing():
    for key in asked:
        pass


def get():
    for key in asked:
        cache[key]


def put():
    for key in new:
        cache[key] = value


loop = best(nothing)
print(version("cachetools"), best(get) - loop, best(put) - loop)
