"""Sends single HTTP requests, exactly as asked for, and reports the answers."""

import http.client
import time

import lines


def http_request(address, port, method, target, body, timeout):
    started = time.monotonic()
    connection = http.client.HTTPConnection(address, port, timeout=timeout)
    try:
        connection.request(method, target, body=bytes.fromhex(body))
        response = connection.getresponse()
        content = response.read()
        return {
            "status": response.status,
            "headers": {name.lower(): value for name, value in response.getheaders()},
            "body": content.hex(),
            "millis": (time.monotonic() - started) * 1000,
        }
    finally:
        connection.close()


lines.say(ready=True)
lines.serve({"http": http_request})
