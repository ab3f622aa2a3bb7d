#!/bin/sh
# Makes sure that the namespace exists, knows the search attributes and is usable. The `temporal` command reads TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE.
set -eu

try_for_a_minute() {
  attempt=0
  until "$@" >/tmp/answer 2>&1; do
    attempt=$((attempt + 1))
    if [ "$attempt" -ge 30 ]; then
      cat /tmp/answer >&2
      exit 1
    fi
    sleep 2
  done
}

ensure_namespace() {
  temporal operator namespace describe || temporal operator namespace create --retention "$RETENTION"
}

try_for_a_minute temporal operator cluster health
try_for_a_minute ensure_namespace
# Those that exist with the same type stay as they are.
try_for_a_minute temporal operator search-attribute create \
  --name HoldfastShop --type Keyword \
  --name HoldfastBuyer --type Keyword \
  --name HoldfastStage --type Keyword \
  --name HoldfastDeadline --type Datetime \
  --name HoldfastAttention --type Keyword \
  --name HoldfastFailingStep --type Keyword
# The server's parts learn of a new namespace some seconds after its creation.
try_for_a_minute temporal task-queue describe --task-queue orders
echo "Namespace $TEMPORAL_NAMESPACE is ready."
