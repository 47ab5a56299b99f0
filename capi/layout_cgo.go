// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

package capi

// The layout of the header's structs is checked where cgo compiles this, and by the Rust crate.

// #include <stddef.h>
// #define ASSERT(condition, what) _Static_assert(condition, what)
// #include "layout.h"
import "C"
