// SPDX-License-Identifier: Apache-2.0

// Package comparison measures otapbridge's nodes against processors of opentelemetry-collector-contrib
// and against the engine's nodes: `make bench-comparison`. It is a module of its own, so that what it
// compares with is no dependency of otapbridge.
package comparison
