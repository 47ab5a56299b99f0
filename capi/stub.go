// SPDX-License-Identifier: Apache-2.0

//go:build !cgo || !linux || !amd64

package capi

import (
	"fmt"
	"runtime"
	"time"
)

// Available reports whether this build contains the library.
const Available = false

func unavailable() error {
	if runtime.GOOS == "linux" && runtime.GOARCH == "amd64" {
		return fmt.Errorf("%w: it needs cgo; set dist::cgo_enabled: true in the collector builder's manifest, or build with CGO_ENABLED=1", ErrUnavailable)
	}
	return fmt.Errorf("%w: there is no library for %s/%s; build for linux/amd64", ErrUnavailable, runtime.GOOS, runtime.GOARCH)
}

// ABIVersion is 0: there is no library.
func ABIVersion() uint32 { return 0 }

// Version is empty: there is no library.
func Version() string { return "" }

// Runtime cannot be created in this build.
type Runtime struct{}

// NewRuntime returns an error that matches ErrUnavailable.
func NewRuntime(RuntimeOptions, LogHandler) (*Runtime, error) { return nil, unavailable() }

// Shutdown returns an error that matches ErrUnavailable.
func (*Runtime) Shutdown(time.Duration) error { return unavailable() }

// Destroy does nothing.
func (*Runtime) Destroy() {}

// Stats returns an error that matches ErrUnavailable.
func (*Runtime) Stats() (Stats, error) { return Stats{}, unavailable() }

// Component cannot be created in this build.
type Component struct{}

// ValidateComponent returns an error that matches ErrUnavailable.
func ValidateComponent(ComponentOptions) error { return unavailable() }

// ComponentWarnings is nil: there is no library.
func ComponentWarnings(ComponentOptions) *Error { return nil }

// ComponentSecrets returns an error that matches ErrUnavailable.
func ComponentSecrets(ComponentOptions) ([]string, error) { return nil, unavailable() }

// ComponentJoinsReferences is false: there is no library.
func ComponentJoinsReferences(ComponentOptions) bool { return false }

// NewComponent returns an error that matches ErrUnavailable.
func (*Runtime) NewComponent(ComponentOptions, EventHandler) (*Component, error) {
	return nil, unavailable()
}

// ID is 0.
func (*Component) ID() uint64 { return 0 }

// Start returns an error that matches ErrUnavailable.
func (*Component) Start(time.Duration) error { return unavailable() }

// Shutdown returns an error that matches ErrUnavailable.
func (*Component) Shutdown(time.Duration) error { return unavailable() }

// Destroy does nothing.
func (*Component) Destroy() {}

// Submit returns an error that matches ErrUnavailable.
func (*Component) Submit(uint64, Signal, []byte, []byte) error { return unavailable() }

// TakesReferences is false.
func (*Component) TakesReferences() bool { return false }

// SubmitReference returns an error that matches ErrUnavailable.
func (*Component) SubmitReference(uint64, Signal, []byte, int, int) error { return unavailable() }

// Cancel reports false: nothing is in flight.
func (*Component) Cancel(uint64, CancelReason, string) bool { return false }

// EmissionDone reports nothing: nothing is in flight.
func (*Component) EmissionDone(uint64, *HostError) EmissionAnswer { return 0 }

// Buffer owns nothing in this build.
type Buffer struct{}

// Unreleased reports false.
func (*Buffer) Unreleased() bool { return false }

// Release does nothing.
func (*Buffer) Release() {}

// OwnedError owns nothing in this build.
type OwnedError struct{}

// Unreleased reports false.
func (*OwnedError) Unreleased() bool { return false }

// HostErrorID is 0.
func (*OwnedError) HostErrorID() uint64 { return 0 }

// Release does nothing.
func (*OwnedError) Release() {}

// Take returns nil.
func (*OwnedError) Take() *Error { return nil }
