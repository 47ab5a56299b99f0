// SPDX-License-Identifier: Apache-2.0

//go:build !cgo || !linux || !amd64 || otapbridge_custom

// Package link adds nothing in this build: there is no library for it, or the
// build tag otapbridge_custom says that the program brings its own.
package link
