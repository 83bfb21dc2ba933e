#!/usr/bin/env bash
# The table of docs/scale.md: `zerocache simulate` for clusters of different sizes.
#   benches/scale.sh --check   compares the columns of 10 and 100 nodes (SIZES=10,100,1000 for more)
#   benches/scale.sh --write   writes the columns of SIZES (10,100)
set -euo pipefail
cd "$(dirname "$0")/.."

page=docs/scale.md
run() { cargo run --quiet --release -- simulate --nodes "$1"; }
committed() { sed -n '/^<!-- table -->$/,/^<!-- \/table -->$/p' "$page" | sed '1d;$d'; }

case ${1-} in
--check)
  sizes=${SIZES:-10,100}
  columns=$(($(tr -cd , <<<"$sizes" | wc -c) + 3))
  diff -u <(committed | cut -d'|' -f"1-$columns") <(run "$sizes" | cut -d'|' -f"1-$columns")
  echo "docs/scale.md tells the truth about clusters of $sizes nodes"
  ;;
--write)
  table=$(run "${SIZES:-10,100}")
  { sed '/^<!-- table -->$/q' "$page"; echo "$table"; sed -n '/^<!-- \/table -->$/,$p' "$page"; } >"$page.new"
  mv "$page.new" "$page"
  ;;
*)
  sed -n '2,4s/^# *//p' "$0" >&2
  exit 2
  ;;
esac
