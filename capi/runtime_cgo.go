// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package capi

// #include "callback.h"
import "C"

import (
	"time"
	"unsafe"

	"github.com/otapbridge/otapbridge/internal/lease"
)

// Available reports whether this build contains the library.
const Available = true

// ABIVersion is the library's ABI version, to compare with HeaderABIVersion.
func ABIVersion() uint32 { return uint32(C.otapb_abi_version()) }

// Version is the library's release, such as "0.1.0".
func Version() string { return C.GoString(C.otapb_version()) }

// Runtime is a library instance. The zero value stands for NULL: every call is
// refused as the library refuses NULL.
type Runtime struct {
	lease   lease.Lease
	pointer *C.otapb_runtime
	id      uint64
}

// NewRuntime is otapb_runtime_create. logs may be nil.
func NewRuntime(options RuntimeOptions, logs LogHandler) (*Runtime, error) {
	if options.ABIVersion == 0 {
		options.ABIVersion = HeaderABIVersion
	}
	if logs == nil {
		options.LogLevel = LogLevelOff
	}
	r := &Runtime{id: logHandlers.add(logs)}
	native := C.otapb_runtime_options{
		size:        C.uint32_t(unsafe.Sizeof(C.otapb_runtime_options{})),
		abi_version: C.uint32_t(options.ABIVersion),
		host_data:   C.uint64_t(r.id),
		log_level:   C.uint32_t(options.LogLevel),
	}
	if err := takeError(C.otapb_go_runtime_create(&native, &r.pointer)); err != nil {
		logHandlers.remove(r.id)
		return nil, err
	}
	return r, nil
}

// Shutdown is otapb_runtime_shutdown. It blocks.
func (r *Runtime) Shutdown(timeout time.Duration) error {
	if !r.lease.Acquire() {
		return ErrDestroyed
	}
	defer r.lease.Release()
	return takeError(C.otapb_runtime_shutdown(r.pointer, C.uint64_t(nanoseconds(timeout))))
}

// Destroy is otapb_runtime_destroy, after calls under way have returned. Its
// components must have been destroyed before. A second call does nothing.
func (r *Runtime) Destroy() {
	if drained := r.lease.Close(); drained != nil {
		<-drained
		C.otapb_runtime_destroy(r.pointer)
		logHandlers.remove(r.id)
	}
}

// Stats is otapb_runtime_stats.
func (r *Runtime) Stats() (Stats, error) {
	if !r.lease.Acquire() {
		return Stats{}, ErrDestroyed
	}
	defer r.lease.Release()
	native := C.otapb_stats{size: C.uint32_t(unsafe.Sizeof(C.otapb_stats{}))}
	if err := takeError(C.otapb_runtime_stats(r.pointer, &native)); err != nil {
		return Stats{}, err
	}
	return Stats{
		Components:             uint32(native.components),
		CallsInFlight:          uint64(native.calls_in_flight),
		PayloadsUnreleased:     uint64(native.payloads_unreleased),
		PayloadBytesUnreleased: uint64(native.payload_bytes_unreleased),
		EmissionsInFlight:      uint64(native.emissions_in_flight),
		BuffersUnreleased:      uint64(native.buffers_unreleased),
		ErrorsUnreleased:       uint64(native.errors_unreleased),
		ContextsAlive:          uint64(native.contexts_alive),
		Pipelines:              uint64(native.pipelines),
		CallsTotal:             uint64(native.calls_total),
		LateCompletionsTotal:   uint64(native.late_completions_total),
		PanicsTotal:            uint64(native.panics_total),
		RestartsTotal:          uint64(native.restarts_total),
		ErrorsCarried:          uint64(native.errors_carried),
	}, nil
}
