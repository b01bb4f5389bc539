#!/bin/bash
# Endurance for MINUTES: first simulation, kills, endurance and a crowd (the program `soak`), then random processes, the store's and
# the agent's kills, and the main job again and again. Each part prints its seed and its figures.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
minutes=${MINUTES:-10}
seed=${SEED:-$RANDOM$RANDOM}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# Runs a command whose words are of interest only when it fails, and counts.
try() {
    local name=$1 began=$SECONDS
    shift
    if ! "$@" >"$log" 2>&1 </dev/null; then
        tail -n 60 "$log"
        echo "soak: $name FAILED, round $round, seed $seed"
        exit 1
    fi
    echo "round $round: $name, $((SECONDS - began)) s, $(grep -c '^test .* ok$' "$log" || true) tests"
}

echo "== $minutes minutes, seed $seed"
"$target/release/soak" --minutes "$((minutes / 2))" --seed "$seed" --crowd "${CROWD:-1000000}"

cargo test --release --locked --quiet --no-run -p botswain-engine -p botswain-store -p botswain-agent
end=$((SECONDS + (minutes + 1) / 2 * 60))
round=0
while [ "$SECONDS" -lt "$end" ] || [ "$round" = 0 ]; do
    round=$((round + 1))
    try "random processes from seed $seed" env BOTSWAIN_SEED="$seed" BOTSWAIN_CASES="${CASES:-20000}" \
        cargo test --release --locked -p botswain-engine --lib -- properties
    try "kills of the store" cargo test --release --locked -p botswain-store --test sqlite
    try "kills of the agent" cargo test --release --locked -p botswain-agent --test crash
    try "the main job" "$target/release/demo" --customers 3 --folder "$target/soak"
    seed=$((seed + 1000000))
done
echo "soak: no failure in $round rounds"
