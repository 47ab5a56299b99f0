// SPDX-License-Identifier: Apache-2.0

//go:build cgo && linux && amd64

#include "callback.h"

#include "_cgo_export.h"

// cgo's prototypes of exported functions have no const.

static void on_events(uint64_t host_data, const struct otapb_event *events, size_t count) {
    otapbGoEvents(host_data, (struct otapb_event *)events, count);
}

static void on_log(uint64_t host_data, const struct otapb_log_record *record) {
    otapbGoLog(host_data, (struct otapb_log_record *)record);
}

struct otapb_error *otapb_go_runtime_create(const struct otapb_runtime_options *options,
                                            struct otapb_runtime **out_runtime) {
    return otapb_runtime_create(options, on_events, on_log, out_runtime);
}
