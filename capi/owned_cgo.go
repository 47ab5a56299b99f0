// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package capi

// #include "otapbridge.h"
import "C"

import (
	"math"
	"time"
	"unsafe"
)

// Buffer owns the memory that an event's views point into. The zero value owns
// nothing. It must not be copied once it was released or is about to be.
type Buffer struct{ pointer *C.otapb_buffer }

// Unreleased reports whether there is something to release.
func (b *Buffer) Unreleased() bool { return b.pointer != nil }

// Release frees the buffer; its views must not be read afterwards. Releasing the
// same variable twice is fine.
func (b *Buffer) Release() {
	if b.pointer != nil {
		C.otapb_buffer_release(b.pointer)
		b.pointer = nil
	}
}

// OwnedError owns an error of the library. The zero value owns nothing. It must
// not be copied once it was taken or released, or is about to be.
type OwnedError struct{ pointer *C.otapb_error }

// Unreleased reports whether there is an error.
func (e *OwnedError) Unreleased() bool { return e.pointer != nil }

// HostErrorID is the host's error that this one stems from, or 0. Ask before Take or
// Release: the library may forget the id with the error.
func (e *OwnedError) HostErrorID() uint64 {
	if e.pointer == nil {
		return 0
	}
	return uint64(e.pointer.host_error_id)
}

// Release frees the error unread.
func (e *OwnedError) Release() {
	if e.pointer != nil {
		C.otapb_error_release(e.pointer)
		e.pointer = nil
	}
}

// Take copies the error and frees the original; nil if there is none.
func (e *OwnedError) Take() *Error {
	if e.pointer == nil {
		return nil
	}
	copied := copyError(e.pointer)
	e.Release()
	return copied
}

// takeError is for C functions that return an error: nil stays a nil interface.
func takeError(pointer *C.otapb_error) error {
	if pointer == nil {
		return nil
	}
	owned := OwnedError{pointer}
	return owned.Take()
}

func copyError(pointer *C.otapb_error) *Error {
	var first *Error
	for link := &first; pointer != nil; pointer = pointer.next {
		*link = &Error{
			Kind:          ErrorKind(pointer.kind),
			GRPCCode:      int32(pointer.grpc_code),
			HTTPStatus:    int32(pointer.http_status),
			Flags:         ErrorFlags(pointer.flags),
			RetryAfter:    time.Duration(min(uint64(pointer.retry_after_ns), math.MaxInt64)),
			HostErrorID:   uint64(pointer.host_error_id),
			Message:       string(view(&pointer.message)),
			Field:         string(view(&pointer.field)),
			StatusDetails: append([]byte(nil), view(&pointer.status_details)...),
		}
		link = &(*link).Next
	}
	return first
}

// view shows the library's bytes as a Go slice without copying them. An empty slice
// has no address.
func view(slice *C.otapb_slice) []byte {
	if slice.len == 0 {
		return nil
	}
	// SAFETY: the library gives len readable bytes at data, which live as long
	// as the error, buffer or callback they came with.
	return unsafe.Slice((*byte)(slice.data), int(slice.len))
}
