// SPDX-License-Identifier: Apache-2.0

package errormapping

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otapbridge/otapbridge/capi"
	"github.com/otapbridge/otapbridge/cbridge/internal/errormapping/errortest"
)

// FuzzErrorStructOfTheLibrary: Go takes whatever a library writes into an error, also one
// that knows kinds and codes that this package does not.
func FuzzErrorStructOfTheLibrary(f *testing.F) {
	errortest.Seed(f)
	f.Fuzz(func(t *testing.T, kind, code, httpStatus int32, flags uint32, delay int64, message, field string, details []byte) {
		native := &capi.Error{
			Kind: capi.ErrorKind(kind), GRPCCode: code, HTTPStatus: httpStatus, Flags: capi.ErrorFlags(flags),
			RetryAfter: time.Duration(delay), Message: message, Field: field, StatusDetails: details,
		}
		native.Next = &capi.Error{Kind: capi.ErrorKind(kind), Message: message}
		own := fromNative(native, nil)
		errortest.RequireKnown(t, own, &capi.HostError{
			Flags: capi.ErrorFlagGRPCCode | capi.ErrorFlagHTTPStatus, GRPCCode: code, HTTPStatus: httpStatus,
		}, New(own.Kind(), "", "").HTTPStatusCode())
		for _, err := range []error{own, Classified(own), FromLibrary(native)} {
			require.NotPanics(t, func() { _ = err.Error() })
			classified := FromError(err)
			require.NotNil(t, classified)
			host := ToHost(classified, 1)
			require.GreaterOrEqual(t, host.GRPCCode, int32(1))
			require.LessOrEqual(t, host.GRPCCode, int32(16))
			require.GreaterOrEqual(t, host.HTTPStatus, int32(400))
			require.LessOrEqual(t, host.HTTPStatus, int32(599))
			require.NotNil(t, classified.GRPCStatus())
		}
	})
}
