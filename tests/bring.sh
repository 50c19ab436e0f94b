#!/bin/sh
# What the tests need besides Python: a browser, a PostgreSQL server and an OPC UA peer that nobody here wrote. Installs them where it may (root on Debian),
# says in one line what is missing otherwise; with CI=true a missing part fails.
set -u
missing=""
server=$(ls /usr/lib/postgresql/*/bin/postgres /usr/local/bin/postgres 2>/dev/null | tail -n 1)
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
wanted=""
[ -n "$browser" ] || wanted="$wanted chromium"
[ -n "$server" ] || wanted="$wanted postgresql"
if [ -n "$wanted" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $wanted; } >&2 2>/dev/null
fi
[ -n "$(command -v chromium || command -v chromium-browser || command -v google-chrome)" ] || missing="$missing browser tests (no chromium)"
[ -n "$(ls /usr/lib/postgresql/*/bin/postgres /usr/local/bin/postgres 2>/dev/null)" ] || missing="$missing PostgreSQL tests (no server)"
peers=$(dirname "$0")/connectors/peers
if command -v npm >/dev/null 2>&1; then
  [ -d "$peers/node_modules" ] || npm install --prefix "$peers" --silent --no-audit --no-fund >/dev/null 2>&1
fi
[ -d "$peers/node_modules" ] || missing="$missing the node-opcua peer (no npm)"
if [ -n "$missing" ]; then
  echo "cannot run:$missing" >&2
  [ "${CI:-}" = true ] && exit 1
fi
exit 0
