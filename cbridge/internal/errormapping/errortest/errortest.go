// SPDX-License-Identifier: Apache-2.0

// Package errortest has errors for tests, as the consumers of a collector make them and worse.
package errortest

import (
	"fmt"
	"math"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/otapbridge/otapbridge/capi"
)

// Hostile is an error whose methods all panic.
type Hostile struct{}

func (Hostile) Error() string { panic("Error") }

// Is panics.
func (Hostile) Is(error) bool { panic("Is") }

// As panics.
func (Hostile) As(any) bool { panic("As") }

// GRPCStatus panics.
func (Hostile) GRPCStatus() *status.Status { panic("GRPCStatus") }

// EmptyText is an error that says nothing.
type EmptyText struct{}

func (EmptyText) Error() string { return "" }

// WrapsItself never ends for whoever follows Unwrap.
type WrapsItself struct{}

func (WrapsItself) Error() string { return "wraps itself" }

// Unwrap returns the error itself.
func (e WrapsItself) Unwrap() error { return e }

// WithDelay is a gRPC error with a RetryInfo.
func WithDelay(t testing.TB, code codes.Code, delay time.Duration) error {
	t.Helper()
	st, err := status.New(code, "busy").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(delay)})
	require.NoError(t, err)
	return st.Err()
}

// throttleRetry is what exporterhelper has for its NewThrottleRetry, which tests of the
// collector run with.
type throttleRetry struct {
	delay time.Duration
	err   error
}

func (e throttleRetry) Error() string { return fmt.Sprintf("Throttle (%s), error: %v", e.delay, e.err) }
func (e throttleRetry) Unwrap() error { return e.err }

// Throttle is the error of a throttle, if errormapping.ThrottlePackage is this package.
func Throttle(err error, delay time.Duration) error { return throttleRetry{delay, err} }

// ThrottlePackage is where Throttle has its type.
var ThrottlePackage = reflect.TypeFor[throttleRetry]().PkgPath()

// Seed gives a fuzz test of an error struct what its fields may contain.
func Seed(f *testing.F) {
	f.Helper()
	const mark = "\u27e6otapbridge-error:1-1\u27e7"
	for _, number := range []int32{math.MinInt32, -1, 0, 1, 3, 7, 16, 17, 99, 100, 429, 599, 600, math.MaxInt32} {
		for _, text := range []string{"", "text", "\xff\x00", mark, strings.Repeat("x", 5_000)} {
			for flags := range uint32(16) {
				f.Add(number, number, number, flags, int64(number)*int64(time.Second), text, text, []byte(text))
			}
		}
	}
}

// Mapped is what errormapping makes of errors, which it could not test with this package if
// this package imported it.
type Mapped interface {
	error
	Kind() capi.ErrorKind
	Field() string
	Message() string
	HTTPStatusCode() int
	RetryAfter() (time.Duration, bool)
	GRPCStatus() *status.Status
}

// RequireKnown checks codes that were given, and that what is none of a failure becomes
// Unknown and the kind's default.
func RequireKnown(t testing.TB, result Mapped, given *capi.HostError, defaultStatus int) {
	t.Helper()
	if given.Flags&capi.ErrorFlagGRPCCode != 0 {
		expected := codes.Unknown
		if given.GRPCCode >= 1 && given.GRPCCode <= 16 {
			expected = codes.Code(given.GRPCCode)
		}
		require.Equal(t, expected, result.GRPCStatus().Code())
	}
	if given.Flags&capi.ErrorFlagHTTPStatus != 0 {
		expected := defaultStatus
		if given.HTTPStatus >= 400 && given.HTTPStatus <= 599 {
			expected = int(given.HTTPStatus)
		} else if result.HTTPStatusCode() == http.StatusInternalServerError {
			// The library's own substitute, which is one of a failure too.
			return
		}
		require.Equal(t, expected, result.HTTPStatusCode())
	}
}

// RequireSane checks what is true of every error that crosses.
func RequireSane(t testing.TB, result Mapped) {
	t.Helper()
	require.NotNil(t, result)
	require.NotEmpty(t, result.Error()+result.Field())
	require.NotEqual(t, "unknown", result.Kind().String())
	require.True(t, utf8.ValidString(result.Message()))
	code := result.GRPCStatus().Code()
	require.True(t, code >= codes.Canceled && code <= codes.Unauthenticated, "%d", code)
	require.True(t, result.HTTPStatusCode() >= 100 && result.HTTPStatusCode() <= 599, "%d", result.HTTPStatusCode())
	delay, has := result.RetryAfter()
	require.GreaterOrEqual(t, delay, time.Duration(0))
	require.True(t, has || delay == 0)
}
