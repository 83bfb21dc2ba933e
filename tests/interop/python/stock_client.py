"""A stock client: stock_client.py REGION."""

import sys

import lines
from zerocache import ZerocacheClient, auto_zerocache

region = sys.argv[1]
client = ZerocacheClient.get_instance(region)
calls = []


@auto_zerocache(region, expiry=30)
def repeated(count, word):
    calls.append((count, word))
    return {"count": count, "text": word * count}


def get(key):
    found, value = client.get(key)
    return {"found": found, "value": value.hex() if found else None}


def put(key, value, expiry):
    return {"done": client.put(key, bytes.fromhex(value), expiry)}


def delete(key):
    return {"done": client.delete(key)}


def decorated(count, word):
    before = len(calls)
    result = repeated(count, word)
    return {"result": result, "computed": len(calls) > before}


lines.say(ready=True)
lines.serve(
    {
        "listing": lambda: lines.listing(client),
        "get": get,
        "put": put,
        "delete": delete,
        "decorated": decorated,
    }
)
