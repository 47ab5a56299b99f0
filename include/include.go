// SPDX-License-Identifier: Apache-2.0

// Package include contains the C header otapbridge.h. It contains no Go code:
// package capi imports it so that `go mod vendor`, which copies only folders
// with an imported Go package, keeps the header.
package include
