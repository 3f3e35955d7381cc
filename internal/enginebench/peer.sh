#!/usr/bin/env bash
# Runs `mcpwatch scan` and rsigma in turn on one core over the generated events, with the same rules in each one's form.
# Prints the median of CPU time per event, net of a run over one event, and how many lines each found.
# usage: peer.sh DIR [rounds=3]; SETS names the rule sets.
set -euo pipefail
dir=$1 rounds=${2:-3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

events=$dir/events.jsonl
head -n 1 "$events" >"$work/one.jsonl"
total=$(wc -l <"$events")
pin=()
if command -v taskset >/dev/null; then pin=(taskset -c 0); fi
if ! command -v rsigma >/dev/null; then
	echo 'rsigma is not installed, so mcpwatch runs alone. To install it: cargo install rsigma --version 0.23.0 --features daachorse-index --locked' >&2
fi

mcpwatch() { "${pin[@]}" bin/mcpwatch scan --no-builtin --format flat --rules "$work/$1" -o jsonl - <"$2"; }
rsigma_() { "${pin[@]}" rsigma engine eval --input-format json -r "$dir/sigma-$1" <"$2"; }

# cpu ENGINE SET EVENTS: seconds of user and system time; what was found goes to a file.
cpu() {
	local TIMEFORMAT='%U %S'
	{ time "$1" "$2" "$3" >"$work/found" 2>/dev/null; } 2>&1 | awk '{print $1 + $2}'
}

printf '%-10s %-14s %12s %10s\n' engine rules 'us an event' found
for set in ${SETS:-10 1000 1000-nometh 1000-lit 10000-lit}; do
	go run ./internal/enginebench "$dir/rules-$set.json" "$work/$set"
	for _ in $(seq "$rounds"); do
		for engine in mcpwatch rsigma_; do
			if [ $engine = rsigma_ ] && ! command -v rsigma >/dev/null; then continue; fi
			start=$(cpu $engine "$set" "$work/one.jsonl")
			whole=$(cpu $engine "$set" "$events")
			found=$(wc -l <"$work/found")
			awk -v a="$whole" -v b="$start" -v n="$total" 'BEGIN {printf "%.2f\n", (a - b) / n * 1e6}' >>"$work/$engine.$set"
			echo "$found" >"$work/$engine.$set.found"
		done
	done
	for engine in mcpwatch rsigma_; do
		if [ ! -f "$work/$engine.$set" ]; then continue; fi
		median=$(sort -n "$work/$engine.$set" | awk '{all[NR] = $1} END {print all[int((NR + 1) / 2)]}')
		printf '%-10s %-14s %12s %10s\n' "${engine%_}" "$set" "$median" "$(cat "$work/$engine.$set.found")"
	done
done
