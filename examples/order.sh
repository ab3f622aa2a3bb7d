#!/usr/bin/env bash
# An order from its place to its refund, with curl and jq. What got no answer, 429 or 503, curl sends again with the same key, and
# waits as long as Retry-After says.
set -euo pipefail
api=${HOLDFAST_ADDRESS:-http://127.0.0.1:3000}/v1
basket=${1:-basket-of-cups}

call() { # METHOD PATH, then curl's own arguments
  curl --silent --show-error --fail-with-body --max-time 20 --retry 5 --retry-connrefused \
    --request "$1" "$api/$2" --header "Authorization: Bearer $HOLDFAST_KEY" "${@:3}"
}
post() { # PATH KEY [BODY]
  call POST "$1" --header "Idempotency-Key: $2" --header 'Content-Type: application/json' --data "${3:-}"
}

sku=example-cup
call PUT "skus/$sku" --header 'Content-Type: application/json' \
  --data '{"name": "Cup", "price": {"amount": 990, "currency": "EUR"}}' >/dev/null
post "skus/$sku/restocks" "$basket/restock" '{"quantity": 10}' >/dev/null
wallet=$(post wallets "$basket/wallet" '{"ownerId": "buyer-7", "currency": "EUR"}' | jq --raw-output .id)
post "wallets/$wallet/deposits" "$basket/deposit" '{"amount": 5000}' >/dev/null

order=$(post orders "$basket/order" \
  '{"buyerId": "buyer-7", "walletId": "'"$wallet"'", "lines": [{"sku": "'"$sku"'", "quantity": 2}]}' | jq --raw-output .id)
post "orders/$order/pay" "$basket/payment" | jq --raw-output '"\(.id) is \(.stage)."'
post "orders/$order/refund" "$basket/refund" '{"reason": "arrived broken", "restock": true}' |
  jq --raw-output '"\(.id) is \(.stage)."'
call GET "orders/$order/events" | jq --raw-output '.items[] | "\(.version) \(.stage)"'
