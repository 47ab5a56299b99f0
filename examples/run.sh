#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Starts bin/otapcol with quickstart.yaml, sends it traces, metrics and logs with
# telemetrygen, shows what came out, and checks it. Usually called by `make run`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

collector=${OTAPCOL:-bin/otapcol}
telemetrygen=${TELEMETRYGEN:-telemetrygen}
work=$(mktemp -d)
telemetry=$work/telemetry.txt
log=$work/log.txt
pid=

finish() {
  if [[ -n $pid ]]; then kill -TERM "$pid" 2>/dev/null || true; fi
  rm -rf "$work"
}
trap finish EXIT

fail() {
  echo "FAILED: $*" >&2
  [[ ! -s $log ]] || { echo "--- the collector's log:" >&2; cat "$log" >&2; }
  exit 1
}

step() { printf '\n==> %s\n' "$*"; }

step "Starting $collector with examples/quickstart.yaml (OTLP on 127.0.0.1:4317 and :4318)"
exec {lines}< <(exec "$collector" --config examples/quickstart.yaml 2>&1 >"$telemetry")
pid=$!
ready=
while [[ -z $ready ]] && IFS= read -r -t 30 -u "$lines" line; do
  printf '%s\n' "$line" >>"$log"
  [[ $line != *"Everything is ready"* ]] || ready=yes
done
[[ -n $ready ]] || fail "the collector did not start; is another program using its ports?"
cat <&"$lines" >>"$log" &
follower=$!

# send SIGNAL NAME HTTP_ROUTE [ARGUMENT...]
send() {
  local signal=$1 name=$2 route=$3
  shift 3
  case $signal in
    metrics) set -- "$@" --otlp-metric-name "$name" ;;
    logs) set -- "$@" --body "$name" ;;
  esac
  "$telemetrygen" "$signal" "--$signal" 1 --rate 0 --otlp-insecure \
    --otlp-header 'x-tenant="acme"' \
    --telemetry-attributes "http.route=\"$route\"" \
    --telemetry-attributes 'user.email="jane@example.com"' \
    --telemetry-attributes 'db.password="hunter2"' \
    "$@" >"$work/telemetrygen.txt" 2>&1 || {
    cat "$work/telemetrygen.txt" >&2
    fail "telemetrygen could not send $signal"
  }
}

for signal in traces metrics logs; do
  step "Sending $signal with x-tenant: acme, over gRPC and over HTTP, and a health check's, which the filter drops"
  send "$signal" checkout /checkout --otlp-endpoint 127.0.0.1:4317
  send "$signal" checkout /checkout --otlp-endpoint 127.0.0.1:4318 --otlp-http
  send "$signal" healthz /healthz --otlp-endpoint 127.0.0.1:4317
done

step "Stopping the collector"
kill -TERM "$pid"
wait "$follower"
status=0
wait "$pid" || status=$?
pid=
((status == 0)) || fail "the collector ended with status $status"

step "What came out of Rust"
echo "Added by context_attributes: tenant, client.address. Changed by attribute:"
echo "user.email (hashed), db.password (deleted). Dropped by filter: healthz."
# The first request of each signal.
awk '
  /^Resource(Spans|Metrics|Log) #0/ {shown = !seen[$1]++}
  shown && !/^ *(SeverityNumber|Flags|Dropped|Status|ObservedTimestamp|Trace ID *:? *$|Span ID *:? *$)/
' "$telemetry"

# count PATTERN WANTED: how often a line with the pattern came out.
count() {
  local found
  found=$(grep -cE -- "$1" "$telemetry" || true)
  ((found == $2)) || {
    cat "$telemetry" >&2
    fail "found $found times, not $2: $1"
  }
}
# Each signal came twice; a trace has two spans.
count '-> tenant: Str\(acme\)' 6
count '-> client.address: Str\(127\.0\.0\.1\)' 6
count '-> user.email: Str\([0-9a-f]{64}\)' 8
count '-> http.route: Str\(/checkout\)' 8
count 'hunter2|jane@example.com' 0
count 'healthz' 0
printf '\nOK: 2 traces, 2 metrics and 2 logs came out as Rust changed them; 3 health checks did not.\n'
