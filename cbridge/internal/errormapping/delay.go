// SPDX-License-Identifier: Apache-2.0

package errormapping

import (
	"reflect"
	"slices"
	"strings"
	"time"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"
)

// ThrottlePackage is where exporterhelper.NewThrottleRetry has its type, which is
// private. A variable for tests: the package is not among this module's.
var ThrottlePackage = "go.opentelemetry.io/collector/exporter/exporterhelper"

// setThrottleDelay takes the delay of a throttle in the error's tree if nothing else
// gave one. What is permanent is not sent again, so it needs none.
func (e *ProcessingError) setThrottleDelay(err error) {
	if !e.permanent && !e.hasRetryAfter {
		e.retryAfter, e.hasRetryAfter = throttleDelay(err)
	}
}

// throttleDelay is the delay of the outermost throttle that err is or wraps. It ends
// where errors are joined: each part has its own.
func throttleDelay(err error) (time.Duration, bool) {
	for ; err != nil && !isPermanentWrapper(err); err = inside(err) {
		if delay, ok := delayOfThrottle(err); ok {
			return delay, true
		}
	}
	return 0, false
}

// delayOfThrottle reads the delay from the text "Throttle (3s), error: …" of an error of
// exporterhelper's. Other texts may stem from anywhere, such as a peer.
func delayOfThrottle(err error) (time.Duration, bool) {
	path := reflect.TypeOf(err).PkgPath()
	if path != ThrottlePackage && !strings.HasPrefix(path, ThrottlePackage+"/") {
		return 0, false
	}
	rest, found := strings.CutPrefix(err.Error(), "Throttle (")
	if !found {
		return 0, false
	}
	delay, _, found := strings.Cut(rest, "), error:")
	if !found {
		return 0, false
	}
	parsed, failed := time.ParseDuration(delay)
	if failed != nil || parsed < 0 {
		return 0, false
	}
	return parsed, true
}

// raiseDelay makes the error's delay at least this long. A RetryInfo in its details that says
// less is removed.
func (e *ProcessingError) raiseDelay(delay time.Duration) {
	if e.hasRetryAfter && e.retryAfter >= delay {
		return
	}
	e.retryAfter, e.hasRetryAfter = delay, true
	var given spb.Status
	if proto.Unmarshal(e.details, &given) != nil || !hasRetryInfo(&given) {
		return
	}
	if given.Details = slices.DeleteFunc(given.Details, isRetryInfo); len(given.Details) == 0 {
		e.details = nil
		return
	}
	e.details, _ = proto.Marshal(&given)
}
