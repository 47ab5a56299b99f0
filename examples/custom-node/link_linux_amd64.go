// SPDX-License-Identifier: Apache-2.0

//go:build cgo && otapbridge_custom

package customnode

// The library, in the place of otapbridge's own, which the tag leaves out.
import _ "example.com/custom-node/link"
