#!/bin/sh
# Makes a cluster of the six servers, three masters with a replica each, unless it is one already.
set -eu

REDISCLI_AUTH=$(cat /run/secrets/redis_password)
export REDISCLI_AUTH

servers=
for n in 1 2 3 4 5 6; do
  # The cluster's bus wants addresses; names are what servers announce.
  servers="$servers $(getent hosts "redis-$n" | cut -d' ' -f1):6379"
done

if redis-cli -h redis-1 cluster info | grep -q '^cluster_slots_assigned:16384'; then
  echo "Redis: the cluster is there."
else
  # shellcheck disable=SC2086
  redis-cli --cluster create $servers --cluster-replicas 1 --cluster-yes
fi
