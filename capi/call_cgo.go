// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package capi

// #include "otapbridge.h"
import "C"

import (
	"runtime"
	"unsafe"
)

// Submit is otapb_submit. context is a request context block, copied during the
// call, or nil. payload must be pinned by a [Pin] until its release is reported.
// On success nothing is allocated.
func (c *Component) Submit(callID uint64, signal Signal, context, payload []byte) error {
	if !c.lease.Acquire() {
		return ErrDestroyed
	}
	defer c.lease.Release()
	// SAFETY: both slices stay alive and unmoved during the call as arguments
	// of cgo; the payload also afterwards, by the caller's Pin.
	return takeError(C.otapb_submit(c.pointer, C.uint64_t(callID), C.uint32_t(signal),
		(*C.uint8_t)(unsafe.SliceData(context)), C.size_t(len(context)),
		(*C.uint8_t)(unsafe.SliceData(payload)), C.size_t(len(payload))))
}

// SubmitReference is otapb_submit_reference, for a component that TakesReferences.
func (c *Component) SubmitReference(callID uint64, signal Signal, context []byte, items, bytes int) error {
	if !c.lease.Acquire() {
		return ErrDestroyed
	}
	defer c.lease.Release()
	// SAFETY: the slice stays alive and unmoved during the call as an argument of cgo.
	return takeError(C.otapb_submit_reference(c.pointer, C.uint64_t(callID), C.uint32_t(signal),
		(*C.uint8_t)(unsafe.SliceData(context)), C.size_t(len(context)), C.size_t(items), C.size_t(bytes)))
}

// Cancel is otapb_cancel. It reports whether the call was in flight and not
// cancelled before.
func (c *Component) Cancel(callID uint64, reason CancelReason, cause string) bool {
	if !c.lease.Acquire() {
		return false
	}
	defer c.lease.Release()
	// SAFETY: the string stays alive and unmoved during the call as an argument of cgo.
	return bool(C.otapb_cancel(c.pointer, C.uint64_t(callID), C.uint32_t(reason),
		(*C.uint8_t)(unsafe.StringData(cause)), C.size_t(len(cause))))
}

// EmissionDone is otapb_emission_done; err is nil if the data was accepted. If the
// answer ended the emission's call, it says so, and no event will.
func (c *Component) EmissionDone(emissionID uint64, err *HostError) EmissionAnswer {
	if !c.lease.Acquire() {
		return 0
	}
	defer c.lease.Release()
	if err == nil {
		return EmissionAnswer(C.otapb_emission_done(c.pointer, C.uint64_t(emissionID), nil))
	}
	return emissionFailed(c.pointer, emissionID, err)
}

func emissionFailed(component *C.otapb_component, emissionID uint64, err *HostError) EmissionAnswer {
	var pinner runtime.Pinner
	defer pinner.Unpin()
	// SAFETY: hostSlice pins what StringData and SliceData point to, and looks at
	// neither when the length is 0. The pins end after the call below.
	native := C.otapb_host_error{
		size:           C.uint32_t(unsafe.Sizeof(C.otapb_host_error{})),
		kind:           C.int32_t(err.Kind),
		grpc_code:      C.int32_t(err.GRPCCode),
		http_status:    C.int32_t(err.HTTPStatus),
		flags:          C.uint32_t(err.Flags),
		retry_after_ns: C.uint64_t(nanoseconds(err.RetryAfter)),
		host_error_id:  C.uint64_t(err.HostErrorID),
		message:        hostSlice(unsafe.StringData(err.Message), len(err.Message), &pinner),
		field:          hostSlice(unsafe.StringData(err.Field), len(err.Field), &pinner),
		status_details: hostSlice(unsafe.SliceData(err.StatusDetails), len(err.StatusDetails), &pinner),
	}
	return EmissionAnswer(C.otapb_emission_done(component, C.uint64_t(emissionID), &native))
}
