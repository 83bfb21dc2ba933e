#!/usr/bin/env bash
# Instructions an operation costs in the pure core, by callgrind: the same figures on a quiet machine
# and on a busy one. Needs valgrind.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v valgrind >/dev/null || { echo "valgrind is missing (apt-get install valgrind)" >&2; exit 1; }
cargo build --quiet --release -p zerocache-proto --example instructions
program=target/release/examples/instructions

count() { # OPERATION COUNT -> instructions
  valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$1" "$2" 2>&1 |
    awk '/Collected/ {print $4}'
}

printf '%-10s %s\n' operation instructions
for operation in get miss pipe16 put delete; do
  few=$(count "$operation" 20000)
  many=$(count "$operation" 40000)
  printf '%-10s %d\n' "$operation" $(((many - few) / 20000))
done
