"""A real `cachetools.TLRUCache` on a virtual clock: the reference of a differential test.

Argument: the most entries it may hold. Time is a whole number that the requests set.
"""

import sys

import lines
from cachetools import TLRUCache

now = 0
life = 0
cache = TLRUCache(maxsize=int(sys.argv[1]), ttu=lambda key, value, now: now + life, timer=lambda: now)


def at(time):
    global now
    now = time


def get(time, key):
    at(time)
    return {"value": cache.get(key)}


def put(time, key, value, ttl):
    global life
    at(time)
    life = ttl
    cache[key] = value


def remove(time, key):
    at(time)
    return {"value": cache.pop(key, None)}


def contains(time, key):
    at(time)
    return {"held": key in cache}


def listing(time):
    at(time)
    return {"size": int(cache.currsize), "keys": sorted(cache)}


lines.say(ready=True)
lines.serve({"get": get, "put": put, "remove": remove, "contains": contains, "listing": listing})
