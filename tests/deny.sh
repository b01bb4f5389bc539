#!/bin/bash
# Checks licences, sources, bans and, where their database can be reached, advisories.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! cargo deny --version >/dev/null 2>&1; then
    echo "deny: installing cargo-deny"
    CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/tools cargo install cargo-deny --locked --quiet
fi
cargo deny --locked --log-level error check bans licenses sources
# Advisories come over the network: a machine that cannot reach them says so and goes on, known vulnerabilities fail.
if cargo deny --log-level error fetch db >/dev/null 2>&1; then
    cargo deny --locked --log-level error check --disable-fetch advisories
else
    echo "deny: the database of advisories cannot be reached; advisories are not checked"
fi
