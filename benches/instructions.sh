#!/bin/sh
# Counts the instructions of three workloads with valgrind's callgrind, for the worker's own build and heap. Without
# link-time optimisation, which takes minutes and changes the counts by little.
#
# Times on a busy machine differ by half from run to run; these counts differ by a few in a million, so a regression of
# one percent shows. The figures to compare with stand in docs/PERFORMANCE.md. They change with the compiler, too.
#
# Usage: benches/instructions.sh [NAME ...]      names of programs in benches/python/compute (default: three)
set -eu
cd "$(dirname "$0")/.."
if ! command -v valgrind >/dev/null; then
    echo "benches/instructions.sh needs valgrind, which executes the program instruction by instruction and counts:" >&2
    echo "it is not installed here (Debian: apt-get install valgrind). Nothing was measured." >&2
    exit 1
fi
target="${DANA_WORKER_TARGET:-$(uname -m)-unknown-linux-musl}"
cargo build --config 'profile.worker.lto="off"' --quiet --locked --profile worker --package dana-worker --example workloads --target "$target"
program="${CARGO_TARGET_DIR:-target}/$target/worker/examples/workloads"
[ $# -gt 0 ] || set -- fib json_like fstring_join
echo "$(rustc --version), $target, $(valgrind --version)"
log="$(mktemp)"
trap 'rm -f "$log"' EXIT
for name in "$@"; do
    if ! valgrind --tool=callgrind --callgrind-out-file=/dev/null --log-file="$log" \
        "$program" "benches/python/compute/$name.na" >/dev/null; then
        cat "$log" >&2
        exit 1
    fi
    printf '%-16s%14s instructions\n' "$name" "$(sed -n 's/.*Collected : //p' "$log")"
done
