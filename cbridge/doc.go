// SPDX-License-Identifier: Apache-2.0

// Package cbridge runs otap-dataflow pipelines inside a Go OpenTelemetry
// Collector. A [Component] is one pipeline, or several that are alike: what is given to its Consume
// methods passes through the nodes of one, and what comes out is forwarded to the next consumer by
// the caller's own goroutine, with the caller's own context.
//
// Deadline, cancellation, client information, span context and baggage of the
// caller's context are there in Rust at once; errors come back as [ProcessingError],
// or as the very error value that the next consumer returned.
package cbridge
