#!/bin/bash
# Endurance: random campaigns, crashes and the main job again and again, for MINUTES. Each round prints its seed.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
end=$((SECONDS + ${MINUTES:-10} * 60))
round=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# Runs a command whose words are of interest only when it fails, and counts.
try() {
    local name=$1 began=$SECONDS
    shift
    if ! "$@" >"$log" 2>&1 </dev/null; then
        tail -n 60 "$log"
        echo "soak: $name FAILED in round $round"
        exit 1
    fi
    echo "round $round: $name, $((SECONDS - began)) s: $(grep -c '^test .* ok$' "$log" || true) tests"
}

cargo test --release --locked --quiet --no-run -p botswain-engine -p botswain-store -p botswain-agent -p botswain-tests
while [ "$SECONDS" -lt "$end" ]; do
    round=$((round + 1))
    seed=${SEED:-$RANDOM$RANDOM}
    echo "round $round: seed $seed"
    try "random processes" env BOTSWAIN_SEED="$seed" BOTSWAIN_CASES=20000 \
        cargo test --release --locked -p botswain-engine --lib -- properties
    try "simulation" env BOTSWAIN_SEEDS="$seed..$((seed + 500))" \
        cargo test --release --locked -p botswain-tests --test simulation
    try "kills of the store" cargo test --release --locked -p botswain-store --test sqlite
    try "kills of the agent" cargo test --release --locked -p botswain-agent --test crash
    try "the main job" "$target/release/demo" --customers 3 --folder "$target/soak"
done
echo "soak: $round rounds in ${MINUTES:-10} minutes, no failure"
