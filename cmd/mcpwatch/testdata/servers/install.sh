#!/usr/bin/env bash
# Installs the real MCP servers that the end-to-end tests talk to, and prints the folder they lie in.
#
# The folder is named after the lock file, so that clones share it and a new lock file never meets old servers. It
# appears by one rename: where it exists it is whole, and of two runs at the same time one wins and both may use it.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
say() { printf 'servers: %s\n' "$*" >&2; }

sum=$(sha256sum "$here/package-lock.json")
root=${XDG_CACHE_HOME:-$HOME/.cache}/mcpwatch/servers
want=$root/${sum%% *}

if [[ ! -d $want ]]; then
	mend='install Node.js 20 or newer with npm'
	for tool in node npm; do
		command -v "$tool" >/dev/null || {
			say "$tool is missing: $mend"
			exit 1
		}
	done
	version=$(node --version)
	version=${version#v}
	((${version%%.*} >= 20)) || {
		say "node is $version, too old: $mend"
		exit 1
	}
	mkdir -p "$root"
	new=$(mktemp -d "$root/.new.XXXXXXXX")
	trap 'rm -rf "$new"' EXIT
	chmod 755 "$new"
	cp "$here/package.json" "$here/package-lock.json" "$new/"
	say "installing into $want"
	# --ignore-scripts: nothing that a package brings may run at install time.
	(cd "$new" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
	mv -T "$new" "$want" 2>/dev/null || [[ -d $want ]] || {
		say "cannot rename $new to $want"
		exit 1
	}
fi
printf '%s\n' "$want"
