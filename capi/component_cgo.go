// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package capi

// #cgo CFLAGS: -I${SRCDIR}/../include
// #cgo LDFLAGS: -lm
// #include "otapbridge.h"
import "C"

import (
	"runtime"
	"time"
	"unsafe"

	"github.com/otapbridge/otapbridge/internal/lease"
)

// Component is one hosted pipeline, or several that are alike (shards). The zero value stands
// for NULL: every call is refused as the library refuses NULL.
type Component struct {
	lease   lease.Lease
	pointer *C.otapb_component
	id      uint64
}

// ValidateComponent is otapb_component_validate. The error is an *[Error], with
// one link of its chain for each finding.
func ValidateComponent(options ComponentOptions) error {
	var pinner runtime.Pinner
	defer pinner.Unpin()
	native := componentOptions(&options, &pinner)
	return takeError(C.otapb_component_validate(&native))
}

// ComponentWarnings is otapb_component_warnings: one link of the chain for each; nil if
// there is none.
func ComponentWarnings(options ComponentOptions) *Error {
	var pinner runtime.Pinner
	defer pinner.Unpin()
	native := componentOptions(&options, &pinner)
	warnings := OwnedError{C.otapb_component_warnings(&native)}
	return warnings.Take()
}

// ComponentSecrets is otapb_component_secrets: the settings that are secrets, by their places.
func ComponentSecrets(options ComponentOptions) ([]string, error) {
	var pinner runtime.Pinner
	defer pinner.Unpin()
	native := componentOptions(&options, &pinner)
	secrets := OwnedError{C.otapb_component_secrets(&native)}
	var places []string
	for secret := secrets.Take(); secret != nil; secret = secret.Next {
		places = append(places, secret.Field)
	}
	return places, nil
}

// ComponentJoinsReferences is otapb_component_joins_references: a component of these options
// may put out data of several calls that went in by SubmitReference.
func ComponentJoinsReferences(options ComponentOptions) bool {
	var pinner runtime.Pinner
	defer pinner.Unpin()
	native := componentOptions(&options, &pinner)
	return bool(C.otapb_component_joins_references(&native))
}

// NewComponent is otapb_component_create. The handler receives the component's
// events from Start on.
func (r *Runtime) NewComponent(options ComponentOptions, handler EventHandler) (*Component, error) {
	if !r.lease.Acquire() {
		return nil, ErrDestroyed
	}
	defer r.lease.Release()
	var pinner runtime.Pinner
	defer pinner.Unpin()
	native := componentOptions(&options, &pinner)
	c := &Component{id: sinks.add(newEventSink(handler))}
	native.host_data = C.uint64_t(c.id)
	if err := takeError(C.otapb_component_create(r.pointer, &native, &c.pointer)); err != nil {
		sinks.remove(c.id)
		return nil, err
	}
	return c, nil
}

// ID is what the component's log records carry.
func (c *Component) ID() uint64 { return c.id }

// TakesReferences is otapb_component_takes_references: calls go in by SubmitReference
// and not by Submit.
func (c *Component) TakesReferences() bool {
	if !c.lease.Acquire() {
		return false
	}
	defer c.lease.Release()
	return bool(C.otapb_component_takes_references(c.pointer))
}

// Start is otapb_component_start. It blocks.
func (c *Component) Start(timeout time.Duration) error {
	if !c.lease.Acquire() {
		return ErrDestroyed
	}
	defer c.lease.Release()
	return takeError(C.otapb_component_start(c.pointer, C.uint64_t(nanoseconds(timeout))))
}

// Shutdown is otapb_component_shutdown. It blocks. Submit, Cancel and
// EmissionDone work meanwhile, so that work in flight can finish.
func (c *Component) Shutdown(timeout time.Duration) error {
	if !c.lease.Acquire() {
		return ErrDestroyed
	}
	defer c.lease.Release()
	return takeError(C.otapb_component_shutdown(c.pointer, C.uint64_t(nanoseconds(timeout))))
}

// Destroy is otapb_component_destroy, after calls under way have returned. A
// second call does nothing.
func (c *Component) Destroy() {
	if drained := c.lease.Close(); drained != nil {
		<-drained
		C.otapb_component_destroy(c.pointer)
		sinks.remove(c.id)
	}
}

// componentOptions lets the C struct point to the options' text, which the
// pinner pins until the C call has returned.
func componentOptions(options *ComponentOptions, pinner *runtime.Pinner) C.otapb_component_options {
	// SAFETY: hostSlice pins what StringData and SliceData point to, and looks at
	// neither when the length is 0. The caller's pins end after the C call.
	var flags C.uint32_t
	if options.References {
		flags = C.OTAPB_COMPONENT_FLAG_REFERENCES
	}
	return C.otapb_component_options{
		size:   C.uint32_t(unsafe.Sizeof(C.otapb_component_options{})),
		kind:   C.uint32_t(options.Kind),
		name:   hostSlice(unsafe.StringData(options.Name), len(options.Name), pinner),
		config: hostSlice(unsafe.SliceData(options.Configuration), len(options.Configuration), pinner),
		signal: C.uint32_t(options.Signal),
		flags:  flags,

		cancel_grace_ns: C.uint64_t(nanoseconds(options.CancelGrace)),
	}
}

// hostSlice lends bytes to the library for a call. The address crosses as an
// integer, which keeps nothing alive: the pinner does.
func hostSlice(data *byte, length int, pinner *runtime.Pinner) C.otapb_host_slice {
	if length == 0 {
		return C.otapb_host_slice{}
	}
	pinner.Pin(data)
	return C.otapb_host_slice{
		// SAFETY: data is pinned until after the call that reads it.
		address: C.uint64_t(uintptr(unsafe.Pointer(data))),
		len:     C.uint64_t(length),
	}
}
