"""The servers that are compared, each a process on the one core that servers have."""

import contextlib
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
OURS = ROOT / "target/release/zerocache"
PEERS = ROOT / "target/node/release"
SERVER_CORE, LOADER_CORE = 0, 1
VALUES = (128, 4096)
KEYS = 1_000
FILES = min(20_000, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
# memcached sets its limit to exactly that, and valgrind, which keeps twelve files for itself, lets it be no other.
MEMCACHED_CONNECTIONS = FILES - 12


def pinned(core):
    """For `preexec_fn`: one core, or the one there is; and as many open files as may be."""
    cores = sorted(os.sched_getaffinity(0))

    def settle():
        os.sched_setaffinity(0, {cores[min(core, len(cores) - 1)]})
        resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))

    return settle


class Missing(Exception):
    """A server that is not on this machine."""


class Server:
    """How to start one kind of server, and what can be asked of it."""

    def __init__(self, name, command, protocol="http", keeps=True, binary=None, version=None):
        self.name, self.command, self.protocol = name, command, protocol
        self.keeps = keeps  # what is put into it
        self.binary = binary
        self.version_args = version

    def launch(self, directory, wrapper=(), ready="ready "):
        return Running(self, directory, list(wrapper), ready)

    def version(self):
        if not self.version_args or not shutil.which(self.binary):
            return None
        said = subprocess.run(
            [self.binary, *self.version_args], capture_output=True, text=True, check=False
        )
        found = re.search(r"\d+\.\d+\.\d+", said.stdout + said.stderr)
        return found and found.group()


class Running:
    """A server that has been started and can be connected to."""

    def __init__(self, server, directory, wrapper, ready):
        self.server, self.name = server, server.name
        if server.binary and not shutil.which(server.binary):
            raise Missing(f"{server.binary} is not installed")
        command, port = server.command(Path(directory))
        self.process = subprocess.Popen(
            [*wrapper, *map(str, command)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if wrapper else subprocess.DEVNULL,
            text=True,
            preexec_fn=pinned(SERVER_CORE),
        )
        self.pid = self.process.pid
        if port is None:
            line = self.process.stdout.readline()
            if not line.startswith(ready):
                raise RuntimeError(f"{self.name} did not start: {line!r}")
            self.address = line.split()[-1]
        else:
            self.address = f"127.0.0.1:{port}"
            self.wait_for(port)

    def wait_for(self, port):
        limit = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > limit:
                    raise RuntimeError(f"{self.name} did not start") from None
                time.sleep(0.02)

    def protocol(self, depth):
        # memcached leaves its loop after each classic get.
        return "meta" if self.server.protocol == "memcached" and depth > 1 else self.server.protocol

    def stop(self, by=signal.SIGTERM):
        """What it wrote on standard error, if that was kept."""
        self.process.send_signal(by)
        try:
            return self.process.communicate(timeout=60)[1]
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.communicate()[1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.stop()


def free_port():
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def peer(program, *args):
    return lambda _: ([PEERS / program, *args], None)


def ours(runtime):
    args = ["serve", "--region", "r", "--address", "127.0.0.1", "--port", "0", "--no-mdns", "--workers", "1"]
    args += ["--local-bytes", "1GiB", "--connections", "20000", "--connections-per-source", "20000"]
    return lambda _: ([OURS, *args, "--runtime", runtime], None)


def memcached(_):
    port = free_port()
    args = ["-l", "127.0.0.1", "-p", port, "-U", "0", "-t", "1", "-m", "2048", "-c", MEMCACHED_CONNECTIONS]
    return ["memcached", *args, *(["-u", "nobody"] if os.geteuid() == 0 else [])], port


def redis(directory):
    port = free_port()
    args = ["--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    return ["redis-server", *args, "--maxclients", "15000", "--dir", directory], port


NGINX = """daemon off;
master_process off;
error_log stderr crit;
pid {dir}/nginx.pid;
worker_rlimit_nofile 20000;
events {{ worker_connections 15000; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  tcp_nodelay on;
  sendfile on;
  open_file_cache max=4000 inactive=1h;
  open_file_cache_valid 1h;
{temporary}
  server {{
    listen 127.0.0.1:{port};
    root {dir}/files;
{places}
  }}
}}
"""


def nginx(static):
    def command(directory):
        port = free_port()
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        temporary = "\n".join(f"  {kind}_temp_path {directory}/{kind};" for kind in kinds)
        places = ""
        if static:
            write_files(directory / "files/r")
        else:
            # No word of its configuration may have 4 KiB.
            small, half = ("v" * length for length in (VALUES[0], VALUES[1] // 2))
            places = f"""    location /r/k {{ return 200 "{small}"; }}
    location /r/K {{ set $half "{half}"; return 200 "$half$half"; }}"""
        config = directory / f"nginx-{port}.conf"
        config.write_text(NGINX.format(dir=directory, temporary=temporary, port=port, places=places))
        return ["nginx", "-p", directory, "-c", config], port

    return command


def write_files(directory):
    """A file for each key: hard links, so that there is one file's content to keep in memory."""
    directory.mkdir(parents=True)
    for letter, size in zip("kK", VALUES):
        first = directory / f"{letter}{0:08}"
        first.write_text("v" * size)
        for key in range(1, KEYS):
            os.link(first, directory / f"{letter}{key:08}")


SERVERS = [
    Server("raw tokio", peer("raw_tokio"), keeps=False),
    Server("raw smol", peer("raw_smol"), keeps=False),
    Server("raw smol, readable first", peer("raw_smol", "--readable"), keeps=False),
    Server("zerocache", ours("tokio")),
    Server("zerocache on smol", ours("smol")),
    Server("hyper + moka", peer("hyper_moka")),
    Server("axum + moka", peer("axum_moka")),
    Server("memcached", memcached, "memcached", binary="memcached", version=["-V"]),
    Server("Redis", redis, "resp", binary="redis-server", version=["-v"]),
    Server("nginx, return", nginx(False), keeps=False, binary="nginx", version=["-v"]),
    Server("nginx, files", nginx(True), keeps=False, binary="nginx", version=["-v"]),
]
BY_NAME = {server.name: server for server in SERVERS}
