// SPDX-License-Identifier: Apache-2.0

//go:generate go tool -modfile=../../internal/tools/mdatagen/go.mod mdatagen metadata.yaml

// Package otapprocessor is a collector processor that passes traces, metrics and
// logs through nodes of the Rust otap-dataflow engine, inside the collector's process.
package otapprocessor
