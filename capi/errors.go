// SPDX-License-Identifier: Apache-2.0

package capi

import (
	"errors"
	"strings"
	"time"
)

// ErrUnavailable is matched by every error that a build without the library returns.
var ErrUnavailable = errors.New("otapbridge is not available in this build")

// ErrDestroyed is returned for a component or runtime that was destroyed.
var ErrDestroyed = errors.New("otapbridge: used after it was destroyed")

// ErrorKind is OTAPB_ERROR_KIND_*.
type ErrorKind int32

// The kinds of error.
const (
	ErrorKindPermanent         ErrorKind = 1
	ErrorKindRetryable         ErrorKind = 2
	ErrorKindCancelled         ErrorKind = 3
	ErrorKindTimeout           ErrorKind = 4
	ErrorKindResourceExhausted ErrorKind = 5
	ErrorKindConfiguration     ErrorKind = 6
)

// String is the kind's name as the configuration of nodes writes it.
func (k ErrorKind) String() string {
	switch k {
	case ErrorKindPermanent:
		return "permanent"
	case ErrorKindRetryable:
		return "retryable"
	case ErrorKindCancelled:
		return "cancelled"
	case ErrorKindTimeout:
		return "timeout"
	case ErrorKindResourceExhausted:
		return "resource_exhausted"
	case ErrorKindConfiguration:
		return "configuration"
	}
	return "unknown"
}

// ErrorFlags is OTAPB_ERROR_FLAG_*.
type ErrorFlags uint32

// The flags of an error.
const (
	ErrorFlagRetryAfter ErrorFlags = 1
	ErrorFlagPermanent  ErrorFlags = 2
	ErrorFlagGRPCCode   ErrorFlags = 4
	ErrorFlagHTTPStatus ErrorFlags = 8
	// ErrorFlagPart: only a part of the call's data was refused, and the rest was not given to the host.
	ErrorFlagPart ErrorFlags = 16
)

// Error is a copy of an otapb_error; it has nothing of the library.
type Error struct {
	Kind       ErrorKind
	GRPCCode   int32
	HTTPStatus int32
	Flags      ErrorFlags
	// RetryAfter counts with ErrorFlagRetryAfter.
	RetryAfter time.Duration
	// HostErrorID is the id of the host's error that this one stems from, or 0.
	HostErrorID uint64
	Message     string
	// Field is the argument or the setting's path that is at fault, or empty.
	Field string
	// StatusDetails is a serialised google.rpc.Status, or empty.
	StatusDetails []byte
	// Next is the next error when several were found at once.
	Next *Error
}

// Error is the text of this error and of those chained to it, one a line.
func (e *Error) Error() string {
	var text strings.Builder
	for ; e != nil; e = e.Next {
		if text.Len() > 0 {
			text.WriteByte('\n')
		}
		if e.Field != "" {
			text.WriteString(e.Field)
			text.WriteString(": ")
		}
		text.WriteString(e.Message)
	}
	return text.String()
}

// HostError is an error that the host gives to the library; see otapb_host_error.
type HostError struct {
	Kind          ErrorKind
	GRPCCode      int32
	HTTPStatus    int32
	Flags         ErrorFlags
	RetryAfter    time.Duration
	HostErrorID   uint64
	Message       string
	Field         string
	StatusDetails []byte
}
