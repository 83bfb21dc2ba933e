#!/usr/bin/env python3
"""Processor time a GET hit costs `serve --runtime smol` against `--runtime tokio`: both run at once and are
loaded turn by turn over keep-alive connections, and /proc says what each used. Linux.

    cargo build --release && benches/runtimes.py [--connections 32] [--workers N] [--rounds 40]
"""
import argparse, os, selectors, socket, statistics, subprocess, sys

PROGRAM = os.path.join(os.path.dirname(__file__), "..", "target", "release", "zerocache")
RUNTIMES = ["tokio", "smol"]


def launch(runtime, workers):
    command = [PROGRAM, "serve", "--region", "london", "--address", "127.0.0.1", "--port", "0"]
    command += ["--no-mdns", "--runtime", runtime] + (["--workers", str(workers)] if workers else [])
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    host, port = process.stdout.readline().split()[3].rsplit(":", 1)
    return process, (host, int(port))


def cpu_seconds(process):
    tasks = f"/proc/{process.pid}/task"
    used = (open(f"{tasks}/{task}/schedstat").read().split()[0] for task in os.listdir(tasks))
    return sum(map(int, used)) / 1e9


def connect(address, connections):
    sockets = [socket.create_connection(address) for _ in range(connections)]
    for s in sockets:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    put = b"PUT /london/key?expiry=3600 HTTP/1.1\r\nHost: x\r\nContent-Length: 128\r\n\r\n" + b"v" * 128
    sockets[0].sendall(put)
    assert sockets[0].recv(4096).startswith(b"HTTP/1.1 200")
    return sockets


def load(sockets, requests):
    """Each connection asks as soon as it has its answer."""
    get = b"GET /london/key HTTP/1.1\r\nHost: x\r\n\r\n"
    selector = selectors.DefaultSelector()
    for s in sockets:
        selector.register(s, selectors.EVENT_READ)
        s.send(get)
    left = requests - len(sockets)
    waiting = len(sockets)
    while waiting:
        for key, _ in selector.select():
            answer = key.fileobj.recv(4096)
            assert answer.startswith(b"HTTP/1.1 200") and answer.endswith(b"v" * 128), answer
            if left > 0:
                left -= 1
                key.fileobj.send(get)
            else:
                waiting -= 1
    selector.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--requests", type=int, default=5_000, help="of a round")
    parser.add_argument("--rounds", type=int, default=40)
    args = parser.parse_args()
    nodes = {}
    try:
        for runtime in RUNTIMES:
            process, address = launch(runtime, args.workers)
            nodes[runtime] = process, connect(address, args.connections)
        for process, sockets in nodes.values():
            load(sockets, 5_000)
        used = {runtime: [] for runtime in RUNTIMES}
        # Short rounds: what else the machine does then weighs on both alike.
        for _ in range(args.rounds):
            for runtime, (process, sockets) in nodes.items():
                before = cpu_seconds(process)
                load(sockets, args.requests)
                used[runtime].append((cpu_seconds(process) - before) / args.requests * 1e6)
    finally:
        for process, _ in nodes.values():
            process.kill()
    for runtime in RUNTIMES:
        print(f"{runtime:<6} {statistics.median(used[runtime]):6.2f} us of processor time a request")
    ratios = [smol / tokio for smol, tokio in zip(used["smol"], used["tokio"])]
    low, middle, high = statistics.quantiles(ratios, n=4)
    print(f"ratio  {middle:6.2f} (quartiles {low:.2f}, {high:.2f})")


if __name__ == "__main__":
    sys.exit(main())
