#!/usr/bin/env bash
# Checks licences, bans and sources of all dependencies, and known advisories against them.
# ADVISORY_DB names a checkout of https://github.com/RustSec/advisory-db; it is never downloaded.
# What can't be checked here says so in a line that begins with "skip:", and is no failure.
set -euo pipefail
cd "$(dirname "$0")/.."

deny=${CARGO_DENY:-cargo-deny}
if ! command -v "$deny" >/dev/null; then
    echo "skip: cargo-deny is not installed (cargo install --locked cargo-deny)"
    exit 0
fi

# cargo-deny reads the crates of every platform, also those that no build here has needed yet.
if ! cargo fetch --locked --quiet; then
    echo "skip: dependencies (cargo fetch --locked doesn't work here)"
    exit 0
fi

# Showing the tree of every duplicate would hide what matters.
options=(--hide-inclusion-graph --allow duplicate)
"$deny" --offline check "${options[@]}" bans licenses sources

if [[ -z ${ADVISORY_DB:-} ]]; then
    echo "skip: advisories (set ADVISORY_DB to a checkout of https://github.com/RustSec/advisory-db)"
    exit 0
fi
if [[ ! -d $ADVISORY_DB/crates ]]; then
    echo "ADVISORY_DB=$ADVISORY_DB has no folder crates; it isn't an advisory database" >&2
    exit 1
fi

# cargo-deny looks for a database under a name made from its URL, wants to write a lock beside it,
# and reads its age from .git/FETCH_HEAD: so it gets a folder of ours that points at the given one.
databases=$PWD/target/advisory-dbs
database=$databases/advisory-db-3157b0e258782691
rm -rf "$databases"
mkdir -p "$database/.git"
ln -s "$(cd "$ADVISORY_DB" && pwd)/crates" "$database/crates"
if [[ -e $ADVISORY_DB/.git/FETCH_HEAD ]]; then
    touch -r "$ADVISORY_DB/.git/FETCH_HEAD" "$database/.git/FETCH_HEAD"
else
    touch -r "$ADVISORY_DB" "$database/.git/FETCH_HEAD"
fi
STAGEDOOR_ADVISORY_DBS=$databases "$deny" --offline check advisories
