"""A network switch: one port for each host, through which every frame between hosts passes.

Arguments: PORT=SEGMENT for each port. A line on stdin is a command, answered by a line:

    delay A B MS    one way between the segments A and B
    loss PERCENT    of all frames, each by itself
    cut SEGMENT     nothing passes between it and the others
    join            nothing is cut any more
    multicast on    between segments too (off: within them, as on real wide area networks)

It stands where netem would, which many kernels are built without.
"""

import heapq
import os
import random
import select
import socket
import sys
import time

ETH_P_ALL = 3
SOL_PACKET = 263
PACKET_ADD_MEMBERSHIP, PACKET_VNET_HDR, PACKET_IGNORE_OUTGOING = 1, 15, 23
PACKET_MR_PROMISC = 1
# Before each frame stands a header that keeps segmentation and checksums left to the hardware intact.
HEADER = 10


class Port:
    def __init__(self, name, segment):
        self.segment = segment
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.socket.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        self.socket.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        index = socket.if_nametoindex(name).to_bytes(4, sys.byteorder)
        promiscuous = index + PACKET_MR_PROMISC.to_bytes(2, sys.byteorder) + bytes(10)
        self.socket.bind((name, ETH_P_ALL))
        self.socket.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, promiscuous)
        self.socket.setblocking(False)


class Switch:
    def __init__(self, ports):
        self.ports = ports
        self.homes = {}
        self.late = []
        self.serial = 0
        self.delays = {}
        self.loss = 0.0
        self.cut = None
        self.multicast = False
        self.random = random.Random(5)

    def command(self, line):
        match line.split():
            case ["delay", a, b, ms]:
                self.delays[a, b] = self.delays[b, a] = float(ms) / 1000
            case ["loss", percent]:
                self.loss = float(percent) / 100
            case ["cut", segment]:
                self.cut = segment
            case ["join"]:
                self.cut = None
            case ["multicast", state]:
                self.multicast = state == "on"
            case _:
                return f"unknown: {line}"
        return "ok"

    def frame(self, origin, frame):
        to, sender = frame[HEADER : HEADER + 6], frame[HEADER + 6 : HEADER + 12]
        self.homes[sender] = origin
        group = to[:3] == b"\x01\x00\x5e" or to[:2] == b"\x33\x33"
        home = self.homes.get(to)
        for port in [home] if home else self.ports:
            far = port.segment != origin.segment
            if port is origin or (far and group and not self.multicast):
                continue
            if far and self.cut in (port.segment, origin.segment):
                continue
            if self.loss and self.random.random() < self.loss:
                continue
            delay = self.delays.get((origin.segment, port.segment), 0.0) if far else 0.0
            if delay:
                self.serial += 1
                heapq.heappush(self.late, (time.monotonic() + delay, self.serial, port, frame))
            else:
                send(port, frame)

    def run(self):
        sockets = {port.socket: port for port in self.ports}
        unread = b""
        while True:
            now = time.monotonic()
            while self.late and self.late[0][0] <= now:
                send(*heapq.heappop(self.late)[2:])
            wait = max(0.0, self.late[0][0] - now) if self.late else None
            for ready in select.select([0, *sockets], [], [], wait)[0]:
                if ready == 0:
                    data = os.read(0, 4096)
                    if not data:
                        return
                    *lines, unread = (unread + data).split(b"\n")
                    for line in lines:
                        print(self.command(line.decode()), flush=True)
                    continue
                for _ in range(32):
                    try:
                        frame = ready.recv(1 << 17)
                    except OSError:  # none left, or the cable is out
                        break
                    self.frame(sockets[ready], frame)


def send(port, frame):
    try:
        port.socket.send(frame)
    except OSError:
        pass  # a queue is full or the cable is out: a lost frame


if __name__ == "__main__":
    switch = Switch([Port(*argument.split("=")) for argument in sys.argv[1:]])
    print("ready", flush=True)
    switch.run()
