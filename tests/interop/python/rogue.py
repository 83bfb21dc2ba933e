"""Announces nodes that are none: rogue.py ADDRESS. Each bad in another way."""

import socket
import sys
import threading

import lines
from zeroconf import ServiceInfo, Zeroconf

TYPE = "_server._geocache._tcp.local."
address = sys.argv[1]
zeroconf = Zeroconf(interfaces=[address])


def answering(port, answer):
    """Listens, and gives every connection this answer, or none ever."""
    server = socket.create_server((address, port))
    held = []

    def accept():
        while True:
            connection, _ = server.accept()
            if answer is None:
                held.append(connection)
                continue
            connection.settimeout(1)
            try:
                connection.recv(4096)
                connection.sendall(answer)
            except OSError:
                pass
            connection.close()

    threading.Thread(target=accept, daemon=True).start()


def announce(name, port, properties, to=address):
    info = ServiceInfo(
        TYPE,
        f"{name}.{TYPE}",
        port=port,
        properties=properties,
        addresses=[socket.inet_aton(to)],
    )
    zeroconf.register_service(info, cooperating_responders=True)


def begin():
    region = {"region": "london"}
    answering(7001, b"\x00\xff\r\n\r\n" * 10)
    answering(7002, b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000)
    answering(7003, None)
    answering(7004, b"")
    answering(7005, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
    for port in range(7001, 7006):
        announce(f"0000{port}", port, region)
    announce("00007006", 7006, region)  # nobody listens
    announce("00007007", 7005, {})
    announce("00007008", 7005, {"region": "no/region"})
    announce("00007009", 6789, region, to="127.0.0.1")
    announce("00007010", 6789, region, to="198.51.100.1")
    announce("not-hexadecimal", 7005, region)


lines.say(ready=True)
lines.serve({"begin": begin})
