"""The benches and counts that other parts of the project have, run and passed on."""

import re
import subprocess

from servers import ROOT

# One row of the bench of spreading: a node's figures, the floor's, and their ratios.
FIGURES = ["p50", "p99", "per_second", "cpu", "floor_p50", "floor_p99", "floor_per_second", "floor_cpu", "p50_ratio", "cpu_ratio"]


def output(command):
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    return done.stdout.rstrip() + ("" if done.returncode == 0 else f"\nFAILED: {' '.join(command)}")


def spread(quick):
    text = output(["cargo", "bench", "--quiet", "-p", "zerocache", "--bench", "spread", "--", *(["--quick"] if quick else [])])
    rows = []
    for line in text.splitlines():
        numbers = [float(number) for number in re.findall(r"\d+(?:\.\d+)?", line)]
        if len(numbers) == 2 + len(FIGURES):
            peers, clients, *figures = numbers
            rows.append({"peers": int(peers), "clients": int(clients), **dict(zip(FIGURES, figures))})
    return {"text": text, "rows": rows}


def store(quick):
    manifest = "benches/store/Cargo.toml"
    if not (ROOT / manifest).exists():
        return {"text": output(["cargo", "bench", "--quiet", "-p", "zerocache-store"])}
    command = ["cargo", "run", "--quiet", "--release", "--manifest-path", manifest, "--target-dir", "target/store"]
    return {"text": output([*command, *(["--", "--quick"] if quick else [])])}


def core(_):
    return {"text": output(["benches/instructions.sh"])}
