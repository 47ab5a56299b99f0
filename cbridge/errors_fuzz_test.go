// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package cbridge

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otapbridge/otapbridge/capi"
	"github.com/otapbridge/otapbridge/cbridge/internal/errormapping"
	"github.com/otapbridge/otapbridge/cbridge/internal/errormapping/errortest"
)

// FuzzErrorStructAcrossTheBoundary: Rust reads whatever a host writes into an error,
// and what it makes of it is sound for the host.
func FuzzErrorStructAcrossTheBoundary(f *testing.F) {
	errortest.Seed(f)
	c := startTopology(f, topologies["return"], func(context.Context, plog.Logs) error { return nil })
	f.Fuzz(func(t *testing.T, kind, code, httpStatus int32, flags uint32, delay int64, message, field string, details []byte) {
		given := capi.HostError{
			Kind: ErrorKind(kind), GRPCCode: code, HTTPStatus: httpStatus, Flags: capi.ErrorFlags(flags),
			RetryAfter: time.Duration(delay), Message: message, Field: field, StatusDetails: details,
		}
		err := answerTo(t, c, &given)
		errortest.RequireSane(t, FromError(err))
		var own *ProcessingError
		require.ErrorAs(t, err, &own)
		errortest.RequireSane(t, own)
		errortest.RequireKnown(t, own, &given, errormapping.New(own.Kind(), "", "").HTTPStatusCode())
		said := given.Flags&capi.ErrorFlagPermanent != 0
		require.Equal(t, said || isPermanentKind(given.Kind), own.IsPermanent())
		require.True(t, c.NoHostErrors())
	})
}

// isPermanentKind is whether errors of the kind are permanent without being said to be.
func isPermanentKind(kind ErrorKind) bool {
	return kind == KindPermanent || kind == KindCancelled || kind == KindConfiguration
}
