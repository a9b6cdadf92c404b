#!/bin/sh
# Buys something in a running shop and waits for the notification: product, customer, order, stream, secret.
# Usage: scripts/smoke.sh [URL]     (or PENSTOCK_URL=… scripts/smoke.sh)
# Exits 0 when all of it works; otherwise 1, and says which step failed and what the shop answered.
set -eu

url=${1:-${PENSTOCK_URL:-}}
if [ -z "$url" ]; then
  echo "usage: $0 URL   (or set PENSTOCK_URL)" >&2
  exit 2
fi
url=${url%/}
patience=30 # seconds for the notification to come through the stream
mark="smoke-$(date +%s)-$$"
body=$(mktemp)
user='' product=''

clean_up() {
  # The order and its notification stay, as they would for a customer; nobody can buy what is left of them.
  [ -z "$product" ] || curl -s -m 15 -o /dev/null -X DELETE "$url/catalog/$product" || :
  [ -z "$user" ] || curl -s -m 15 -o /dev/null -X DELETE "$url/users/$user" || :
  rm -f "$body"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# call STEP STATUS METHOD PATH [JSON [HEADER]]: the answer is left in $body, and must have that status
call() {
  step=$1 want=$2 method=$3 path=$4 json=${5:-} header=${6:-X-Smoke: $mark}
  set -- -s -S -m 15 -o "$body" -w '%{http_code}' -X "$method" -H "$header"
  [ -z "$json" ] || set -- "$@" -H 'Content-Type: application/json' --data "$json"
  got=$(curl "$@" "$url$path") || fail "$step: no answer from $url$path"
  [ "$got" = "$want" ] || fail "$step: $method $path answered $got instead of $want: $(cat "$body")"
}

fail() {
  echo "smoke test failed: $1" >&2
  exit 1
}

# The first "id" of the last answer.
id() {
  sed -n 's/^[^{]*{[^}]*"id": *"\([^"]*\)".*/\1/p' "$body" | head -n 1
}

for service in users orders catalog notifications; do
  call "health of $service" 200 GET "/$service/health?deep=1"
done

call 'create a product' 201 POST /catalog "{\"name\":\"$mark\",\"price_cents\":1250,\"stock\":2}"
product=$(id)
call 'create a customer' 201 POST /users "{\"name\":\"$mark\",\"email\":\"$mark@example.com\"}"
user=$(id)
call 'find the customer by e-mail' 200 GET "/users?email=$mark@example.com"
grep -q "$user" "$body" || fail "find the customer by e-mail: $user is not in $(cat "$body")"

wish="{\"user_id\":\"$user\",\"lines\":[{\"product_id\":\"$product\",\"quantity\":2}]}"
call 'place an order' 201 POST /orders "$wish" "Idempotency-Key: $mark"
order=$(id)
call 'place the same order again' 200 POST /orders "$wish" "Idempotency-Key: $mark"
[ "$(id)" = "$order" ] || fail "place the same order again: it became another one, $(cat "$body")"
call 'order more than there is' 409 POST /orders "$wish"
call 'list the orders' 200 GET "/orders?user=$user"
grep -q "$order" "$body" || fail "list the orders: $order is not in $(cat "$body")"

waited=0
while :; do
  call 'read the notifications' 200 GET "/notifications?user=$user"
  if grep -q "$order" "$body"; then
    break
  fi
  [ "$waited" -lt "$patience" ] || fail "the notification of order $order did not come within $patience s"
  sleep 1
  waited=$((waited + 1))
done

echo "the shop at $url works: order $order was placed and announced" >&2
