#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Starts the collector with collector.yaml, sends it logs of two tenants with
# telemetrygen, and shows what the nodes let through, mask and refuse.
# Usually called by `make custom-node`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

collector=${OTAPCOL_CUSTOM:-../../bin/otapcol-custom}
telemetrygen=${TELEMETRYGEN:-telemetrygen}
work=$(mktemp -d)
pid=

finish() {
  if [[ -n $pid ]]; then kill -TERM "$pid" 2>/dev/null || true; fi
  rm -rf "$work"
}
trap finish EXIT

fail() {
  echo "FAILED: $*" >&2
  cat "$work"/*.txt >&2
  exit 1
}

step() { printf '\n==> %s\n' "$*"; }

step "Starting $collector with collector.yaml (OTLP on 127.0.0.1:4317)"
exec {lines}< <(exec "$collector" --config collector.yaml 2>&1 >"$work/out.txt")
pid=$!
ready=
while [[ -z $ready ]] && IFS= read -r -t 30 -u "$lines" line; do
  printf '%s\n' "$line" >>"$work/log.txt"
  [[ $line != *"Everything is ready"* ]] || ready=yes
done
[[ -n $ready ]] || fail "the collector did not start; is another program using its port?"
cat <&"$lines" >>"$work/log.txt" &
follower=$!

# send BODY [ARGUMENT...]: one log, sent once.
send() {
  local body=$1
  shift
  "$telemetrygen" logs --logs 1 --rate 0 --body "$body" --timeout 2s \
    --telemetry-attributes 'user.email="alice@example.com"' --otlp-insecure --otlp-endpoint 127.0.0.1:4317 "$@" >"$work/client.txt" 2>&1
}

# refused TEXT: what the client was told.
refused() {
  grep -oE 'code = [^"]*' "$work/client.txt" | tail -1
  grep -q "$1" "$work/client.txt" || fail "the client was not told: $1"
}

step "acme sends a log, and so does globex: both have a turn"
send "first of acme" --otlp-header 'x-tenant="acme"' || fail "acme was refused"
send "first of globex" --otlp-header 'x-tenant="globex"' || fail "globex was refused"

step "acme sends another one: refused until its next turn"
! send "second of acme" --otlp-header 'x-tenant="acme"' || fail "acme was not refused"
refused 'tenant acme is over its quota'

step "Somebody sends a log without x-tenant"
! send "of nobody" || fail "nobody was not refused"
refused 'the request names no tenant: send x-tenant'

step "Stopping the collector"
kill -TERM "$pid"
wait "$follower"
status=0
wait "$pid" || status=$?
pid=
((status == 0)) || fail "the collector ended with status $status"

step "What came out of Rust"
shown='^Body:|-> (tenant|user\.email):'
grep -E -- "$shown" "$work/out.txt" || true
[[ $(grep -E -- "$shown" "$work/out.txt" | sort | tr -d '\n') == \
  *'tenant: Str(acme)'*'tenant: Str(globex)'*'Str(***@example.com)'*'Str(***@example.com)'*'Str(first of acme)'*'Str(first of globex)' ]] ||
  fail "that is not the first log of each tenant, with its address masked"
! grep -q alice "$work/out.txt" || fail "an address was not masked"
printf '\nOK: two logs came out, with their addresses masked, and two were refused.\n'
