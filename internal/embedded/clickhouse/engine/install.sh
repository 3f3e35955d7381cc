#!/bin/sh
# Installs ClickHouse's engine (libchdb) for mcpwatch's embedded store into the user's cache.
#
#   install.sh           install; quick and silent when the library is there with the right size
#   install.sh --check   also compare the checksum of a library that is there; reinstall a damaged one
#
# npm fetches the package by the registry the user has configured. The lock file pins the version and its checksum
# and names no address. The library appears under its final name only when it is complete and verified.
set -eu

version=26.7.3-stable.1
size=566330096
sha256=36ad4e999882821ef13cf2d0f52c93f48e6ee1b4498b35a201c23ce4b8d15bf5

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
engines=${XDG_CACHE_HOME:-$HOME/.cache}/mcpwatch/engine
target=$engines/$version
library=node_modules/@chdb/lib-linux-x64-gnu/libchdb.so

fail() {
	echo "install.sh: $*" >&2
	exit 1
}

size_ok() { [ "$(wc -c <"$1" | tr -d ' ')" = "$size" ]; }
sum_ok() { [ "$(sha256sum "$1" | cut -d' ' -f1)" = "$sha256" ]; }

check=no
case ${1-} in
'') ;;
--check) check=yes ;;
*) fail "unknown argument $1 (the only one is --check)" ;;
esac

case $engines in
/*) ;;
*) fail "XDG_CACHE_HOME must be an absolute path, not $XDG_CACHE_HOME" ;;
esac
[ "$(uname -s)/$(uname -m)" = Linux/x86_64 ] ||
	fail "the embedded ClickHouse needs Linux on x86-64; elsewhere give mcpwatch a ClickHouse server with --clickhouse URL"

if [ -f "$target/$library" ]; then
	if size_ok "$target/$library" && { [ $check = no ] || sum_ok "$target/$library"; }; then
		exit 0
	fi
	echo "install.sh: $target/$library is damaged: installing it again" >&2
fi

command -v npm >/dev/null 2>&1 ||
	fail "npm is missing: install Node.js with npm, or give mcpwatch a ClickHouse server with --clickhouse URL"
command -v sha256sum >/dev/null 2>&1 || fail "sha256sum is missing: install coreutils"

mkdir -p "$engines"
fresh=$(mktemp -d "$engines/.install.XXXXXX")
trap 'rm -rf "$fresh"' EXIT
trap 'exit 1' HUP INT TERM

cp "$here/package.json" "$here/package-lock.json" "$fresh/"
# npm's chatter goes to standard error, where it explains a failure and spoils no pipe.
(cd "$fresh" && npm ci --ignore-scripts --no-audit --no-fund --omit=optional --loglevel=error) >&2 ||
	fail "npm could not install @chdb/lib-linux-x64-gnu $version"
rm -f "$fresh/node_modules/@chdb/lib-linux-x64-gnu/chdb_node.node"
[ -f "$fresh/$library" ] || fail "the package holds no $library"
{ size_ok "$fresh/$library" && sum_ok "$fresh/$library"; } ||
	fail "the installed library is not the pinned one; nothing was changed"

# A directory can't be renamed over another one, so a damaged one steps aside first. Whoever has the old file open
# or loaded keeps it. If another install won the race, its verified result stands.
if [ -e "$target" ]; then
	mv "$target" "$fresh/old"
fi
mkdir "$fresh/new"
mv "$fresh/package.json" "$fresh/package-lock.json" "$fresh/node_modules" "$fresh/new/"
chmod 755 "$fresh/new"
mv -T "$fresh/new" "$target" 2>/dev/null || [ -f "$target/$library" ] || fail "could not move the library to $target"
echo "installed ClickHouse's engine $version in $target"
