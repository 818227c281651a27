#!/usr/bin/env bash
# Installs what is missing of the servers that the tests use: NATS, MariaDB and Redis.
set -euo pipefail

have() { PATH="$PATH:/usr/sbin:/usr/local/sbin" command -v "$1" >/dev/null; }

missing=()
have nats-server || missing+=(nats-server)
{ have mariadbd && have mariadb-install-db; } || missing+=(mariadb-server)
have redis-server || missing+=(redis-server)
if [ ${#missing[@]} -eq 0 ]; then
  echo "nats-server, mariadb-server and redis-server are installed."
  exit 0
fi

if ! have apt-get; then
  echo "There is no apt-get here: install ${missing[*]} by other means, so that nats-server, mariadbd," \
    "mariadb-install-db and redis-server are on the PATH (with Homebrew: brew install nats-server mariadb redis)." >&2
  exit 1
fi
root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! have sudo; then
    echo "Installing ${missing[*]} needs root: run this script as root, or install sudo." >&2
    exit 1
  fi
  root=(sudo)
fi

# Debian starts a server when it installs it. The tests start their own: this file forbids it for the time being.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap '"${root[@]}" rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' | "${root[@]}" tee "$policy" >/dev/null
  "${root[@]}" chmod 755 "$policy"
fi

echo "Installing ${missing[*]}."
"${root[@]}" apt-get update
"${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"
