"""A host that announces whatever it is told to, listens, and notes what it gets: stranger.py ADDRESS.

Needs nothing but Python: what it sends no honest library would.
"""

import socket
import struct
import sys
import threading
import time

import lines

GROUP = ("224.0.0.251", 5353)
SERVICE = b"\x07_server\x09_geocache\x04_tcp\x05local\x00"
address = sys.argv[1]
got = {}


def record(name, kind, data, ttl, flush=True):
    return name + struct.pack("!HHIH", kind, 0x8001 if flush else 1, ttl, len(data)) + data


def announcement(name, region, at, port, ttl):
    name = name.encode()
    instance, host = b"\x08" + name + SERVICE, b"\x08" + name + b"\x05local\x00"
    text = b"region=" + region.encode()
    answers = [
        record(SERVICE, 12, instance, ttl, flush=False),
        record(instance, 33, struct.pack("!HHH", 0, 0, port) + host, ttl),
        record(instance, 16, bytes([len(text)]) + text, ttl),
        record(host, 1, socket.inet_aton(at), ttl),
    ]
    return struct.pack("!HHHHHH", 0, 0x8400, 0, len(answers), 0, 0) + b"".join(answers)


def sender(source, port, hops=255):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, hops)
    sock.bind((source or address, port))
    return sock


def announce(name, region, at, port, source, source_port, to, ttl, hops):
    with sender(source, source_port, hops) as sock:
        target = (to, 5353) if to else GROUP
        sock.sendto(announcement(name, region, at, port, ttl), target)


def ask(to, times):
    """Asks as a resolver does that knows no multicast DNS, so often; what comes back until it is quiet."""
    query = struct.pack("!HHHHHH", 7, 0, 1, 0, 0, 0) + SERVICE + struct.pack("!HH", 12, 1)
    begun = time.monotonic()
    answers = []
    with sender(None, 40000) as sock:
        for _ in range(times):
            sock.sendto(query, (to, 5353))
        sock.settimeout(1)
        try:
            while True:
                answers.append(len(sock.recv(65535)))
        except TimeoutError:
            pass
    millis = (time.monotonic() - begun) * 1000
    return {"asked": len(query), "answers": answers, "millis": int(millis)}


def request(connection):
    """The first line of a request and the bytes of it all, its body too."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            return "", len(data)
        data += part
    head, body = data.split(b"\r\n\r\n", 1)
    length = 0
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    while len(body) < length:
        part = connection.recv(65536)
        if not part:
            break
        body += part
    return head.split(b"\r\n")[0].decode("latin-1"), len(head) + 4 + len(body)


def listen(at, port, ping, other):
    """Answers each `GET /ping` with the one, any other request with the other: raw bytes."""
    server = socket.create_server((at, port))
    noted = got.setdefault(f"{at}:{port}", {"connections": 0, "requests": [], "bytes": 0})

    def serve(connection):
        with connection:
            connection.settimeout(10)
            try:
                line, size = request(connection)
                noted["requests"].append(line)
                noted["bytes"] += size
                answer = ping if line.startswith("GET /ping ") else other
                connection.sendall(answer.encode("latin-1"))
            except OSError:
                pass

    def accept():
        while True:
            connection, _ = server.accept()
            noted["connections"] += 1
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def say(to, port, text):
    """One request, as it is; the first line of the answer."""
    with socket.create_connection((to, port), timeout=10, source_address=(address, 0)) as connection:
        connection.sendall(text.encode("latin-1"))
        return {"line": connection.recv(65536).split(b"\r\n")[0].decode("latin-1")}


def noted(at, port):
    return got[f"{at}:{port}"]


lines.say(ready=True)
lines.serve({"announce": announce, "ask": ask, "listen": listen, "noted": noted, "say": say})
