// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64 && !otapbridge_custom

// Package link adds the library to a Go build: the linker takes the .syso beside
// this file, which `make` produces, as it is. It is a package of its own, imported
// only where the library is wanted, because a .syso in a package that also builds
// without cgo breaks that build.
package link
