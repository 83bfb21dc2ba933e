"""A stock server: stock_server.py ADDRESS PORT REGION. Ends by signal, or when stdin ends."""

import http.client
import sys
import threading
import time

import lines
from zerocache import ZerocacheServer

address, port, region = sys.argv[1], int(sys.argv[2]), sys.argv[3]
server = ZerocacheServer(address, port=port, region=region)


def control():
    while True:
        try:
            connection = http.client.HTTPConnection(address, port, timeout=1)
            connection.request("GET", "/ping")
            connection.getresponse().read()
            break
        except OSError:
            time.sleep(0.02)
    lines.say(ready=True, name=server.svcname)
    lines.serve(
        {
            "listing": lambda: lines.listing(server),
            "registered": lambda: {"registered": server.registered},
        }
    )


threading.Thread(target=control, daemon=True).start()
server.start()
