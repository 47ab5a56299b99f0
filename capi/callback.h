// SPDX-License-Identifier: Apache-2.0

#ifndef OTAPBRIDGE_GO_CALLBACK_H
#define OTAPBRIDGE_GO_CALLBACK_H

#include "otapbridge.h"

// Creates a runtime whose callbacks are the Go functions otapbGoEvents and
// otapbGoLog. cgo cannot take the address of an exported Go function itself.
struct otapb_error *otapb_go_runtime_create(const struct otapb_runtime_options *options,
                                            struct otapb_runtime **out_runtime);

#endif
