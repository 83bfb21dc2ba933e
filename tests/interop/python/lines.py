"""One JSON object per line: requests on stdin, one answer each on stdout.

Whatever else a package prints goes to stderr, so that answers stay alone on their channel.
"""

import json
import os
import signal
import sys
import traceback

# Started from a shell script's background job, SIGINT would be ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)

_answers = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)
sys.stdout = sys.stderr


def say(**answer):
    _answers.write(json.dumps(answer) + "\n")


def serve(operations):
    """Answers requests until stdin ends, then ends the process, threads and all."""
    for line in sys.stdin:
        request = json.loads(line)
        try:
            result = operations[request.pop("op")](**request)
            say(ok=True, **(result or {}))
        except BaseException as error:  # the caller wants to know, whatever it was
            traceback.print_exc()
            say(ok=False, error=f"{type(error).__name__}: {error}")
    os._exit(0)


def listing(listener):
    """What a stock listener knows: its nodes per region, and whether its browser still lives."""
    return {
        "alive": listener.server_browser.is_alive(),
        "ranked": list(listener.ranked_neighbours),
        "regions": {
            region: [
                {
                    "name": info.name,
                    "address": f"{'.'.join(str(octet) for octet in info.addresses[0])}:{info.port}",
                }
                for info in list(nodes)
            ]
            for region, nodes in list(listener.services.items())
        },
    }
