// SPDX-License-Identifier: Apache-2.0

// Package capi is the raw Go form of the C ABI in include/otapbridge.h: one Go
// function for each C function, plain Go types in and out, and no policy.
// Package cbridge is the one to use from Go.
//
// The contract at the top of the header applies here too. In short:
//
//   - A payload given to [Component.Submit] stays pinned (see [Pin]) until its
//     release is reported by an event, also when the call was cancelled.
//   - An event's [Buffer] and [OwnedError] belong to the [EventHandler] from the
//     callback on, and each is released once. Views (Payload, Context, Port,
//     Origins) end with the buffer.
//   - An [EventHandler] only records what happened. It may call Submit, Cancel,
//     EmissionDone and the release functions, and nothing else.
//
// A component or runtime that was destroyed refuses every later call with
// [ErrDestroyed]; destroying waits for calls that are under way.
//
// The package needs cgo on linux/amd64. Elsewhere it compiles with the same
// API, [Available] is false, and whatever would need the library returns
// [ErrUnavailable].
package capi

// `go mod vendor` copies only folders of imported packages: this keeps the header.
import _ "github.com/otapbridge/otapbridge/include"
