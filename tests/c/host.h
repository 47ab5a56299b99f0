/* SPDX-License-Identifier: Apache-2.0 */

/**
 * @file host.h
 *
 * What the C tests share: checks that count failures, a runtime whose events
 * are collected, and requests.
 */
#ifndef HOST_H
#define HOST_H

#include <otapbridge.h>

#define SECOND UINT64_C(1000000000)

/** What became of the last call. Written by the callback, read after host_wait. */
typedef struct {
    uint64_t call_id;
    int32_t kind;
    int32_t grpc_code;
    uint64_t emissions;
    uint64_t released;
    bool failed;
    char message[256];
} outcome;

/** Records a check that failed; the program goes on. */
void check_at(const char *file, int line, bool condition, const char *what);
#define CHECK(condition) check_at(__FILE__, __LINE__, (condition), #condition)

/**
 * Checks that an error has this kind, a message and this field ("" for any),
 * and frees it.
 */
void expect_error_at(const char *file, int line, otapb_error *error, int32_t kind, const char *field);
#define EXPECT_ERROR(error, kind, field) expect_error_at(__FILE__, __LINE__, (error), (kind), (field))

/** Checks that there is no error; prints and frees one that is there. */
void expect_success_at(const char *file, int line, otapb_error *error);
#define EXPECT_SUCCESS(error) expect_success_at(__FILE__, __LINE__, (error))

/** Text as the library takes it. */
otapb_host_slice text_slice(const char *text);

/** Options with everything set that has to be. */
otapb_runtime_options runtime_options(void);
otapb_component_options component_options(const char *name, const char *config);

/** The callback of runtime_options: answers emissions and keeps outcomes. */
void host_on_events(uint64_t host_data, const otapb_event *events, size_t count);

/** Sets the component that the callback answers emissions of. */
void host_component(otapb_component *component);

/** Waits until `call_id` is done. */
outcome host_done(uint64_t call_id);

/** Waits until `call_id` is done and its payload released. */
outcome host_wait(uint64_t call_id);

/** Checks that nothing is in flight or unreleased any more. */
void expect_idle_at(const char *file, int line, const otapb_runtime *runtime);
#define EXPECT_IDLE(runtime) expect_idle_at(__FILE__, __LINE__, (runtime))

/** Prints "N passed, N failed"; the program's exit status. */
int host_summary(void);

#endif
