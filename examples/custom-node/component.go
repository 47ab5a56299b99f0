// SPDX-License-Identifier: Apache-2.0

// Package customnode is otapbridge's collector component with the node library of
// this folder: a builder manifest names it in the place of otapbridge's own.
package customnode

import "github.com/otapbridge/otapbridge/cbridge/otapprocessor"

// NewFactory makes the factory of the `otap` processor.
var NewFactory = otapprocessor.NewFactory
