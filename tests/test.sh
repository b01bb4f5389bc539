#!/bin/bash
# Runs every test and ends with the totals. Arguments go to cargo test.
set -euo pipefail
cd "$(dirname "$0")/.."

log=$(mktemp)
trap 'rm -f "$log"' EXIT
began=$SECONDS
status=0
# No test reads standard input, and no failure hides the others.
${CARGO:-cargo} test --workspace --locked --no-fail-fast "$@" </dev/null 2>&1 | tee "$log" || status=$?

awk -v seconds=$((SECONDS - began)) '
    /^test result: / { binaries++; passed += $4; failed += $6; ignored += $8 }
    END { printf "total: %d passed; %d failed; %d ignored; %d binaries; %d s\n", passed, failed, ignored, binaries, seconds }
' "$log"
exit "$status"
