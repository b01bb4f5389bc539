#!/bin/bash
# Runs every fuzz target for SECONDS_EACH; inputs that were found stay in the target's corpus.
set -euo pipefail
cd "$(dirname "$0")/.."
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
seconds=${SECONDS_EACH:-60}

if ! cargo fuzz --version >/dev/null 2>&1; then
    echo "fuzz: installing cargo-fuzz"
    CARGO_TARGET_DIR=$target/tools cargo install cargo-fuzz --locked --quiet
fi
# Sanitizers are switched on by unstable flags. The pinned compiler takes them when told so, and no second one is needed.
export RUSTC_BOOTSTRAP=1
for folder in */fuzz */*/fuzz; do
    [ -f "$folder/Cargo.toml" ] || continue
    for file in "$folder"/fuzz_targets/*.rs; do
        name=$(basename "$file" .rs)
        echo "== $folder $name"
        mkdir -p "$folder/corpus/$name"
        seeds=()
        [ -d "$folder/seeds/$name" ] && seeds=("$folder/seeds/$name")
        CARGO_TARGET_DIR=$target/fuzz cargo fuzz run --fuzz-dir "$folder" "$name" "$folder/corpus/$name" "${seeds[@]}" -- \
            -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -verbosity=0 -print_funcs=0 -print_final_stats=1
    done
done
