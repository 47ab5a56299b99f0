// SPDX-License-Identifier: Apache-2.0

//go:build cgo

// Package link adds the library to a Go build: the linker takes the .syso beside
// this file. It is a package of its own because a .syso breaks builds without cgo.
package link
