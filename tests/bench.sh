#!/bin/bash
# Load, footprint and the speed of the parts, on this machine. Needs release programs: `make bench` builds them.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
load=$target/release/load

echo "== machine: $(nproc) processors, $(uname -srm), $(date -u +%F)"
echo "== the bar: 3,000 instances/s of 3 tasks, p99 at most 300 ms"
$load

# Doubles in steps of a quarter until the bar breaks, then says the last rate that held.
echo "== the highest rate of instances with 8 tasks whose p99 is at most 500 ms"
held=0
rate=${RATE_FIRST:-500}
while :; do
    text=$($load --tasks 8 --rate "$rate" --seconds 20 2>&1) || { echo "$rate/s: not all instances ended"; break; }
    p99=$(sed -n 's/^latency .*p99 \([0-9]*\) ms.*/\1/p' <<<"$text")
    echo "$rate/s: p99 $p99 ms$(grep -o 'verdict .*' <<<"$text" | sed 's/verdict  */, /' || true)"
    [ "$p99" -le 500 ] || break
    held=$rate
    rate=$((rate * 5 / 4))
done
echo "holds $held instances/s, $((held * 8)) tasks/s"

echo "== footprint"
"$target/release/footprint"

echo "== store: the commit"
cargo bench --locked --quiet -p botswain-store
echo "== FEEL"
cargo run --release --locked --quiet -p botswain-feel --example speed
