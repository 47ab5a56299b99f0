// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64 && !otapbridge_custom

package capi

// The library, as a prelinked object. A program that has its own, with its own
// nodes, sets the build tag otapbridge_custom and links that instead.
import _ "github.com/otapbridge/otapbridge/capi/internal/link"
