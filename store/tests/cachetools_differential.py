"""Holds the store against cachetools.TLRUCache, operation by operation.

    python cachetools_differential.py REPLAY SEED OPERATIONS

REPLAY is the built example `replay`. Draws random scripts, runs each on both, compares every answer:
values, lengths, sizes, recency order, and what each put expired and evicted, in order (entries that
expire in the same millisecond in any order). Exits with 0 if and only if nothing differed.
"""

import math
import random
import subprocess
import sys

import cachetools

VERSION = "8.0.1"
NEVER = 2**64 - 1
SEGMENT = 4_000  # operations on one store
BATCH = 25  # segments in one run of the replay


class Value:
    __slots__ = ("text", "size", "expires")

    def __init__(self, text, size, expires):
        self.text, self.size, self.expires = text, size, expires


class Logged(cachetools.TLRUCache):
    """Notes what expires and what is evicted."""

    def __init__(self, maxsize, clock, sized):
        self.expired, self.evicted = [], []
        getsizeof = (lambda value: value.size) if sized else None
        super().__init__(
            maxsize,
            ttu=lambda _key, value, _now: math.inf if value.expires == NEVER else value.expires,
            timer=lambda: clock[0],
            getsizeof=getsizeof,
        )

    def expire(self, time=None):
        gone = super().expire(time)
        self.expired += [(key, value.expires) for key, value in gone]
        return gone

    def popitem(self):
        key, value = super().popitem()
        self.evicted.append(key)
        return key, value

    def drain(self):
        expired, evicted = self.expired, self.evicted
        self.expired, self.evicted = [], []
        return expired, evicted


def words(items):
    return ",".join(items) or "-"


def with_expiry(items):
    return words(f"{key}@{expires}" for key, expires in items)


class Segment:
    """One store's script, with the answers cachetools gives."""

    def __init__(self, chance, operations):
        self.chance = chance
        self.clock = [chance.choice([0, 1_700_000_000_000, 2**48 - 3, chance.randrange(2**50)])]
        self.sized = chance.random() < 0.5
        self.maxsize = chance.choice([0, 1, 2, 5, 17, 64, 300, 1000])
        self.mode = chance.choice(["exact", "exact", "0", "1", "4"])
        self.keys = [f"k{n}" for n in range(max(4, int(self.maxsize * chance.choice([0.5, 1.2, 3]))))]
        self.reach = chance.choice([4, 60, 2_000, 300_000, 2**34])
        self.cache = Logged(self.maxsize, self.clock, self.sized)
        self.lines, self.answers = [], []
        bounds = f"{NEVER} {self.maxsize}" if self.sized else f"{self.maxsize} {NEVER}"
        self.say(f"new {self.mode} {bounds}", "ok")
        for serial in range(operations):
            self.draw(serial)

    def say(self, line, answer):
        self.lines.append(line)
        self.answers.append(answer)

    def step(self):
        draw = self.chance.random()
        if draw < 0.6:
            return 0
        if draw < 0.9:
            return self.chance.randrange(4)
        if draw < 0.98:
            return self.chance.randrange(self.reach)
        return self.chance.choice([64, 4096, 2**18, 2**24, 2**30]) + self.chance.randrange(-1, 2)

    def draw(self, serial):
        self.clock[0] += self.step()
        now, cache, key = self.clock[0], self.cache, self.chance.choice(self.keys)
        exact = self.mode == "exact"
        draw = self.chance.random()
        if draw < 0.42:
            self.put(key, f"v{serial}", now)
        elif draw < 0.74:
            value = cache.get(key)
            self.say(f"get {key} {now}", value.text if value else "-")
        elif draw < 0.80:
            inside = key in cache
            # A peek has no counterpart that answers the value and leaves the order.
            value = cachetools.Cache.__getitem__(cache, key) if inside else None
            self.say(f"peek {key} {now}", value.text if inside else "-")
        elif draw < 0.86:
            value = cache.get(key) if key in cache else None
            try:
                del cache[key]
                self.say(f"del {key} {now}", value.text)
            except KeyError:
                self.say(f"del {key} {now}", "-")
        elif draw < 0.89:
            value = cache.pop(key, None)
            self.say(f"pop {key} {now}", value.text if value else "-")
        elif draw < 0.91:
            if exact:
                self.expire(now)
            try:
                popped, value = cache.popitem()
                self.say(f"popitem {now}", f"{popped} {value.text}")
            except KeyError:
                self.say(f"popitem {now}", "-")
        elif draw < 0.93:
            self.expire(now)
            self.say("weight", str(cache.currsize if self.sized else 0))
        elif draw < 0.97:
            if exact:
                # len() of cachetools expires; the store's only counts, so it is asked first.
                self.say(f"len {now}", str(len(cache)))
                self.expired(now)
            else:
                self.say(f"len {now}", str(len(cache)))
        elif draw < 0.98:
            recency = [key for key in cache._TLRUCache__items if key in cache]
            self.say(f"keys {now}", words(reversed(recency)))
        elif draw < 0.9995:
            if not exact:
                self.say(f"step {now} {self.chance.randrange(5)}", "ok")
        else:
            cache.clear()
            self.say("clear", "ok")
        cache.drain()

    def put(self, key, text, now):
        chance, cache = self.chance, self.cache
        draw = chance.random()
        if draw < 0.1:
            expires = NEVER
        elif draw < 0.15:
            expires = now - chance.randrange(min(now, 3) + 1)
        elif draw < 0.2:
            expires = now + chance.choice([2**20, 2**40, 2**52])
        else:
            expires = now + chance.randrange(self.reach)
        size = 0
        if self.sized:
            size = chance.choice([0, 1, 1, 2, 3, chance.randrange(self.maxsize + 2)])
        value = Value(text, size, expires)
        live = key in cache
        try:
            cache[key] = value
            outcome = "stored" if expires > now else "over"
        except ValueError:
            outcome = "large"
        expired, evicted = cache.drain()
        # To grow, the least recent entry is popped and put anew: it is no victim.
        evicted = words(victim for victim in evicted if victim != key)
        line = f"put {key} {text} {size} {expires} {now}"
        if outcome == "large":
            # What expired is gone all the same; the store says so at the next expire, had it not.
            expired = []
        if self.mode != "exact":
            expired = None  # the store may keep them for later
        shown = None if expired is None else with_expiry(expired)
        self.say(line, (outcome, str(int(live)), shown, evicted))

    def expire(self, now):
        self.cache.expire(now)
        self.expired(now)

    def expired(self, now):
        gone, _ = self.cache.drain()
        self.say(f"expire {now}", (with_expiry(gone),) if self.mode == "exact" else None)


def canonical(items):
    """Ties in any order: sorted within one expiry, the expiries themselves as they came."""
    if items == "-":
        return []
    pairs = [(int(item.rsplit("@", 1)[1]), item) for item in items.split(",")]
    groups = []
    for expires, item in pairs:
        if not groups or groups[-1][0] != expires:
            groups.append((expires, []))
        groups[-1][1].append(item)
    return [(expires, sorted(group)) for expires, group in groups]


def same(want, got):
    if want is None:
        return True
    if isinstance(want, str):
        return want == got
    parts = got.split(" ")
    if len(want) != len(parts):
        return False
    for expected, part in zip(want, parts):
        if expected is None:
            continue
        if "@" in expected or "@" in part:
            if canonical(expected) != canonical(part):
                return False
        elif expected != part:
            return False
    return True


def run(replay, segments):
    lines = [line for segment in segments for line in segment.lines]
    wanted = [answer for segment in segments for answer in segment.answers]
    done = subprocess.run(
        [replay], input="\n".join(lines) + "\n", capture_output=True, text=True, check=True
    )
    answers = done.stdout.splitlines()
    if len(answers) != len(wanted):
        sys.exit(f"{len(answers)} answers to {len(wanted)} lines")
    differences = 0
    for line, want, got in zip(lines, wanted, answers):
        if not same(want, got):
            differences += 1
            if differences <= 5:
                print(f"{line}\n  cachetools: {want}\n  store:      {got}", file=sys.stderr)
    return len(lines), differences


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    if cachetools.__version__ != VERSION:
        sys.exit(f"cachetools {VERSION} is wanted, not {cachetools.__version__}")
    replay, seed, operations = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    chance = random.Random(seed)
    compared = differences = 0
    while compared < operations:
        segments = [
            Segment(chance, min(SEGMENT, operations - compared)) for _ in range(BATCH)
        ]
        lines, different = run(replay, segments)
        compared += lines
        differences += different
    print(f"{compared} operations, {differences} differences")
    sys.exit(1 if differences else 0)


if __name__ == "__main__":
    main()
