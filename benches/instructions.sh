#!/usr/bin/env bash
# Instructions an operation costs in the pure core, by callgrind: the same figures on a quiet machine
# and on a busy one. Needs valgrind.
#
#   benches/instructions.sh           prints them beside those of benches/instructions.tsv
#   benches/instructions.sh --check   and fails if one is off by more than 3 %, or grows too fast with the
#                                     peers, or docs/performance.md says anything else than the table
#   benches/instructions.sh --write   writes both anew
#
# Another compiler makes another program: then nothing is compared, and that is said.
set -euo pipefail
cd "$(dirname "$0")/.."
mode=${1:-}
case $mode in '' | --check | --write) ;; *) sed -n '2,11s/^# \?//p' "$0" >&2; exit 2 ;; esac
# One way to copy bytes, whatever the processor: libc has several, of different lengths.
plain=-AVX512F,-AVX512VL,-AVX512BW,-AVX2,-AVX,-AVX_Fast_Unaligned_Load,-ERMS,-FSRM,-MOVBE,-BMI2,-RTM,-SSSE3,-SSE4_1,-SSE4_2
command -v valgrind >/dev/null || { echo "valgrind is missing (apt-get install valgrind)" >&2; exit 1; }
table=benches/instructions.tsv
page=docs/performance.md
begin='<!-- benches/instructions.sh --write: from here -->'
end='<!-- to here -->'

# Name, crate, operation, repetitions, peers, what one of them is.
operations() {
  cat <<'ROWS'
get|proto|get|10000|1|GET, a hit
get_1000|proto|get|10000|1000|GET, a hit, 1,000 peers known
pipe16|proto|pipe16|9920|1|GET, a hit, 16 pipelined
get_requests|proto|get_requests|10000|1|GET, a hit, the head python-requests sends
miss|proto|miss|10000|1|GET, a miss
put|proto|put|10000|1|PUT over a value of the same length
put_copy|proto|put_copy|10000|1|PUT, a peer's copy that is newer
put_delete|proto|put_delete|10000|1|PUT of a deleted key, DELETE of a held one: their mean
delete|proto|delete|10000|1|DELETE of a deleted key
store_get|store|get|20000||Store: get, the value looked at
store_get_value|store|get_value|20000||Store: get, the value copied out
store_miss|store|miss|20000||Store: get of no key held
store_put_existing|store|put_existing|20000||Store: put over a value of the same length
store_put_evict|store|put_evict|20000||Store: put of a new key, one evicted
mdns|proto|mdns|1000|10|A stock announcement, 10 peers known
hello_100|proto|hello|2000|100|A known peer's hello, 100 peers known
hello_1000|proto|hello|2000|1000|A known peer's hello, 1,000 peers known
view_1|proto|view|400|1|A view rebuilt, 1 peer coming or going
view_10|proto|view|400|10|A view rebuilt, 10 peers
view_100|proto|view|400|100|A view rebuilt, 100 peers
view_1000|proto|view|40|1000|A view rebuilt, 1,000 peers
fanout_1|proto|fanout|400|1|A write's copies planned and settled, 1 peer
fanout_10|proto|fanout|400|10|A write's copies planned and settled, 10 peers
fanout_100|proto|fanout|100|100|A write's copies planned and settled, 100 peers
fanout_1000|proto|fanout|20|1000|A write's copies planned and settled, 1,000 peers
ROWS
}

collected() { # PROGRAM OPERATION COUNT [PEERS]
  # With no other environment: where the stack begins decides how memory is aligned for copying.
  env -i GLIBC_TUNABLES="glibc.cpu.hwcaps=$plain" "$(command -v valgrind)" --tool=callgrind --callgrind-out-file=/dev/null "$@" 2>&1 |
    awk '/Collected/ {n = $4} END {if (!n) exit 1; print n}'
}

each() { # PROGRAM OPERATION COUNT [PEERS]: instructions of one of them
  local few many
  few=$(collected "$1" "$2" "$3" ${4:+"$4"})
  many=$(collected "$1" "$2" $(($3 * 2)) ${4:+"$4"})
  echo $(((many - few) / $3))
}

measure() {
  local name crate operation count peers what program spent
  local loop
  loop=$(each "$tools/store" driver 20000)
  printf '# %s\n' "$(rustc --version)"
  printf 'operation\tinstructions\twhat\n'
  while IFS='|' read -r name crate operation count peers what; do
    spent=$(each "$tools/$crate" "$operation" "$count" "$peers")
    [ "$crate" = store ] && spent=$((spent - loop))
    printf '%s\t%d\t%s\n' "$name" "$spent" "$what"
  done < <(operations)
}

listing() { # TABLE -> the part of the page that is made from it
  awk -F'\t' '
    function thousands(n) { return n < 1000 ? n : thousands(int(n / 1000)) "," sprintf("%03d", n % 1000) }
    /^#/ { sub(/^# /, ""); compiler = $0; next }
    /^operation\t/ { print "| | instructions |"; print "|---|---|"; next }
    { print "| " $3 " | " thousands($2) " |" }
    END { print ""; print "Taken with " compiler "." }' "$1"
}

rewritten() { # the page with the present table in it
  awk -v begin="$begin" -v end="$end" -v listing="$(listing "$table")" '
    $0 == end { inside = 0 }
    !inside { print }
    $0 == begin { print ""; print listing; print ""; inside = 1 }' "$page"
}

compared() { # NEW: all rows, those off by more than 3 % marked; fails if there are any
  awk -F'\t' '
    /^#/ || /^operation\t/ { next }
    FNR == NR { old[$1] = $2; next }
    {
      known = ($1 in old); off = known ? 100 * ($2 / old[$1] - 1) : 0
      far = !known || off > 3 || off < -3
      printf "%-20s %9d  %s%s\n", $1, $2, known ? sprintf("%+6.2f %%", off) : "    new", far ? "  <-- not as in the table" : ""
      bad += far; delete old[$1]
    }
    END {
      for (name in old) { print name ": gone, still in the table"; bad++ }
      exit bad > 0
    }' "$table" "$1"
}

# What a peer costs may grow by half from 100 to 1,000 of them; what a GET costs, not at all.
scales() { # NEW
  awk -F'\t' '
    /^#/ || /^operation\t/ { next }
    { n[$1] = $2 }
    function grows(what) {
      ratio = (n[what "_1000"] / 1000) / (n[what "_100"] / 100)
      printf "%-20s a peer costs %.2f times at 1,000 what it does at 100\n", what, ratio
      if (!(ratio > 0) || ratio > 1.5) { print what ": more than 1.5"; bad++ }
    }
    END {
      grows("view"); grows("fanout")
      # Less than 1 %: the buffers lie elsewhere.
      ratio = n["get_1000"] / n["get"]
      printf "%-20s costs %.3f times with 1,000 peers what it does with 1\n", "get", ratio
      if (ratio > 1.01) { print "a GET costs more the more peers there are"; bad++ }
      exit bad > 0
    }' "$1"
}

cargo build --quiet --release -p zerocache-proto --example core_instructions
cargo build --quiet --release -p zerocache-store --example instructions
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
cp target/release/examples/core_instructions "$tools/proto"
cp target/release/examples/instructions "$tools/store"
measure >"$tools/new.tsv"

if [ "$mode" = --write ]; then
  cp "$tools/new.tsv" "$table"
  rewritten >"$tools/page"
  cat "$tools/page" >"$page"
  cat "$table"
  scales "$table"
  exit
fi

failed=0
if [ "$(head -n1 "$table")" = "$(head -n1 "$tools/new.tsv")" ]; then
  compared "$tools/new.tsv" || failed=1
else
  cat "$tools/new.tsv"
  cat >&2 <<EOF2
****************************************************************************************
NOT COMPARED: $table was taken with $(head -n1 "$table" | cut -c3-),
this is $(rustc --version). Nobody has looked whether anything has become slower.
****************************************************************************************
EOF2
fi
scales "$tools/new.tsv" || failed=1
rewritten | diff -u "$page" - || { echo "$page does not say what $table does: --write" >&2; failed=1; }
[ -z "$mode" ] || exit "$failed"
