// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package cbridge

import (
	"context"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
	"google.golang.org/grpc/codes"

	"github.com/otapbridge/otapbridge/capi"
)

const mark = "\u27e6otapbridge-error:1-1\u27e7"

func seedErrors(f *testing.F) {
	f.Helper()
	for _, number := range []int32{math.MinInt32, -1, 0, 1, 3, 7, 16, 17, 99, 100, 429, 599, 600, math.MaxInt32} {
		for _, text := range []string{"", "text", "\xff\x00", mark, strings.Repeat("x", 5_000)} {
			for flags := range uint32(16) {
				f.Add(number, number, number, flags, int64(number)*int64(time.Second), text, text, []byte(text))
			}
		}
	}
}

// FuzzErrorStructAcrossTheBoundary: Rust reads whatever a host writes into an error,
// and what it makes of it is sound for the host.
func FuzzErrorStructAcrossTheBoundary(f *testing.F) {
	seedErrors(f)
	c := startTopology(f, topologies["return"], func(context.Context, plog.Logs) error { return nil })
	f.Fuzz(func(t *testing.T, kind, code, httpStatus int32, flags uint32, delay int64, message, field string, details []byte) {
		given := capi.HostError{
			Kind: ErrorKind(kind), GRPCCode: code, HTTPStatus: httpStatus, Flags: capi.ErrorFlags(flags),
			RetryAfter: time.Duration(delay), Message: message, Field: field, StatusDetails: details,
		}
		err := answerTo(t, c, &given)
		requireSane(t, FromError(err))
		var own *ProcessingError
		require.ErrorAs(t, err, &own)
		requireSane(t, own)
		requireKnown(t, own, &given)
		said := given.Flags&capi.ErrorFlagPermanent != 0
		require.Equal(t, said || isPermanentKind(given.Kind), own.IsPermanent())
		require.True(t, c.NoHostErrors())
	})
}

// isPermanentKind is whether errors of the kind are permanent without being said to be.
func isPermanentKind(kind ErrorKind) bool {
	return kind == KindPermanent || kind == KindCancelled || kind == KindConfiguration
}

// requireKnown checks codes that were given, and that what is none of a failure becomes
// Unknown and the kind's default.
func requireKnown(t *testing.T, own *ProcessingError, given *capi.HostError) {
	t.Helper()
	if given.Flags&capi.ErrorFlagGRPCCode != 0 {
		expected := codes.Unknown
		if given.GRPCCode >= 1 && given.GRPCCode <= 16 {
			expected = codes.Code(given.GRPCCode)
		}
		require.Equal(t, expected, own.GRPCStatus().Code())
	}
	if given.Flags&capi.ErrorFlagHTTPStatus != 0 {
		_, expected := kindDefaults(own.Kind())
		if isErrorStatus(int(given.HTTPStatus)) {
			expected = int(given.HTTPStatus)
		} else if own.HTTPStatusCode() == http.StatusInternalServerError {
			// The library's own substitute, which is one of a failure too.
			return
		}
		require.Equal(t, expected, own.HTTPStatusCode())
	}
}

// FuzzErrorStructOfTheLibrary: Go takes whatever a library writes into an error, also one
// that knows kinds and codes that this package does not.
func FuzzErrorStructOfTheLibrary(f *testing.F) {
	seedErrors(f)
	f.Fuzz(func(t *testing.T, kind, code, httpStatus int32, flags uint32, delay int64, message, field string, details []byte) {
		native := &capi.Error{
			Kind: ErrorKind(kind), GRPCCode: code, HTTPStatus: httpStatus, Flags: capi.ErrorFlags(flags),
			RetryAfter: time.Duration(delay), Message: message, Field: field, StatusDetails: details,
		}
		native.Next = &capi.Error{Kind: ErrorKind(kind), Message: message}
		own := fromNative(native, nil)
		requireKnown(t, own, &capi.HostError{
			Flags: capi.ErrorFlagGRPCCode | capi.ErrorFlagHTTPStatus, GRPCCode: code, HTTPStatus: httpStatus,
		})
		for _, err := range []error{own, own.classified(), toError(native)} {
			require.NotPanics(t, func() { _ = err.Error() })
			classified := FromError(err)
			require.NotNil(t, classified)
			host := classified.toHost(1)
			require.GreaterOrEqual(t, host.GRPCCode, int32(1))
			require.LessOrEqual(t, host.GRPCCode, int32(16))
			require.GreaterOrEqual(t, host.HTTPStatus, int32(400))
			require.LessOrEqual(t, host.HTTPStatus, int32(599))
			require.NotNil(t, classified.GRPCStatus())
		}
	})
}
