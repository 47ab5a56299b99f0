// SPDX-License-Identifier: Apache-2.0

//go:generate go tool -modfile=../../internal/tools/mdatagen/go.mod mdatagen metadata.yaml

// Package otapreceiver is a collector receiver whose traces, metrics and logs come
// from a receiver of the Rust otap-dataflow engine, inside the collector's process.
package otapreceiver
