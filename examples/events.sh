#!/usr/bin/env bash
# Prints every event of the shop from the beginning with curl and jq, and ends when there are no more: `events.sh [cursor]`.
set -euo pipefail
api=${HOLDFAST_ADDRESS:-http://127.0.0.1:3000}/v1
cursor=${1:-}

while :; do
  page=$(curl --silent --show-error --fail-with-body --max-time 20 --retry 5 --retry-connrefused \
    --header "Authorization: Bearer $HOLDFAST_KEY" --get "$api/events" ${cursor:+--data-urlencode "after=$cursor"})
  jq --raw-output '.items[] | "\(.sequence) \(.type) \(.data.orderId)"' <<<"$page"
  # Whoever keeps this goes on after it: nothing is missed.
  cursor=$(jq --raw-output .nextCursor <<<"$page")
  [ "$(jq .hasMore <<<"$page")" = true ] || break
done
