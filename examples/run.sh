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

# send SIGNAL TENANT [ARGUMENT...]
send() {
  local signal=$1 tenant=$2 output
  shift 2
  case $signal in
    metrics) set -- "$@" --otlp-metric-name checkout ;;
    logs) set -- --body checkout "$@" ;;
  esac
  output=$("$telemetrygen" "$signal" "--$signal" 1 --rate 0 --otlp-insecure \
    --otlp-header "x-tenant=\"$tenant\"" \
    --telemetry-attributes 'http.route="/checkout"' \
    "$@" 2>&1) || {
    printf '%s\n' "$output" >&2
    return 1
  }
}

# Each request waits for its batch, so that requests are joined only if they are sent at the same time.
for signal in traces metrics logs; do
  step "Sending $signal of the tenants acme and globex at the same time, each over gRPC and over HTTP"
  senders=()
  for tenant in acme globex; do
    send "$signal" "$tenant" --otlp-endpoint 127.0.0.1:4317 &
    senders+=($!)
    send "$signal" "$tenant" --otlp-endpoint 127.0.0.1:4318 --otlp-http &
    senders+=($!)
  done
  for sender in "${senders[@]}"; do
    wait "$sender" || fail "telemetrygen could not send $signal"
  done
done

step "Sending a log of severity DEBUG, which the filter drops"
send logs acme --body noise --severity-text Debug --severity-number 5 --otlp-endpoint 127.0.0.1:4317 ||
  fail "telemetrygen could not send a log of severity DEBUG"

step "Stopping the collector"
kill -TERM "$pid"
wait "$follower"
status=0
wait "$pid" || status=$?
pid=
((status == 0)) || fail "the collector ended with status $status"

step "What came out of Rust"
echo "Dropped by filter: logs below INFO. Its log at the end says how many:"
grep 'dropped by the filter' "$log" || fail "the log does not say what the filter dropped"
echo "Added by attributes, from the request's context: tenant, client.address."
echo "Joined by batch: requests of one tenant."
# The first batch of each signal.
awk -F '\t' '
  /^(Traces|Metrics|Logs)\t/ {shown = !seen[$1]++; if (shown) printf "\n%s %s\n", $1, $2; next}
  shown && /^(Resource(Spans|Metrics|Log)|Span|Metric|LogRecord) #|^Body:|^ +Name +:|^ +-> / && !/-> (Description|Unit):/
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
# Each tenant sent each signal twice; a trace has two spans.
count '-> tenant: Str\(acme\)' 6
count '-> tenant: Str\(globex\)' 6
count '-> client.address: Str\(127\.0\.0\.1\)' 12
count '-> http.route: Str\(/checkout\)' 16
count 'Body: Str\(noise\)' 0
# Batches, and those with more than one tenant.
read -r batches mixed < <(awk '
  /^(Traces|Metrics|Logs)\t/ {batches++; tenant = ""}
  /-> tenant: / {if (tenant != "" && tenant != $NF) mixed++; tenant = $NF}
  END {print batches + 0, mixed + 0}
' "$telemetry")
((mixed == 0)) || fail "$mixed batches have several tenants"
((batches < 12)) || fail "no requests were joined"
printf '\nOK: 12 requests came out in %d batches, each of one tenant, with what their contexts carried.\n' "$batches"
