"""A real `cachetools.TLRUCache` on a virtual clock: the reference of a differential test.

Argument: the largest sum of sizes. Time is a whole number that the requests set. A value is a pair
of any number and its size.
"""

import sys

import lines
from cachetools import TLRUCache

now = 0
expires = 0
cache = TLRUCache(
    maxsize=int(sys.argv[1]),
    ttu=lambda key, value, now: expires,
    timer=lambda: now,
    getsizeof=lambda value: value[1],
)


def put(key, value, until):
    global expires
    expires = until
    try:
        cache[key] = value
    except ValueError:
        return False
    return True


def pop_oldest():
    try:
        return cache.popitem()[0]
    except KeyError:
        return None


operations = {
    "get": cache.get,
    "put": put,
    "remove": lambda key: cache.pop(key, None),
    "contains": lambda key: key in cache,
    "pop_oldest": pop_oldest,
    "expire": lambda: sorted(key for key, _ in cache.expire()),
    "listing": lambda: [cache.currsize, sorted(cache)],
}


def step(time, name, arguments):
    global now
    now = time
    return {"result": operations[name](*arguments)}


lines.say(ready=True)
lines.serve({"step": step})
