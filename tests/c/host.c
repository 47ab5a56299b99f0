/* SPDX-License-Identifier: Apache-2.0 */
#define _POSIX_C_SOURCE 200809L
#include "host.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CALLS = 64 };

static unsigned passed, failed;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static outcome outcomes[MAX_CALLS];
static bool done[MAX_CALLS];
static otapb_component *answering;

void check_at(const char *file, int line, bool condition, const char *what)
{
    if (condition) {
        passed++;
        return;
    }
    failed++;
    (void)fprintf(stderr, "%s:%d: failed: %s\n", file, line, what);
}

static bool slice_equals(otapb_slice slice, const char *text)
{
    return slice.len == strlen(text) && (slice.len == 0 || memcmp(slice.data, text, slice.len) == 0);
}

void expect_error_at(const char *file, int line, otapb_error *error, int32_t kind, const char *field)
{
    check_at(file, line, error != NULL, "an error is returned");
    if (error == NULL)
        return;
    check_at(file, line, error->size >= sizeof *error, "the error's size is set");
    check_at(file, line, error->message.len > 0, "the error has a message");
    check_at(file, line, error->grpc_code > 0 && error->http_status >= 400, "the error has its codes");
    if (error->kind != kind || (*field != '\0' && !slice_equals(error->field, field))) {
        (void)fprintf(stderr, "%s:%d: kind %d, field \"%.*s\", message \"%.*s\"\n", file, line, (int)error->kind,
                      (int)error->field.len, (const char *)error->field.data, (int)error->message.len,
                      (const char *)error->message.data);
        check_at(file, line, false, "the error has the expected kind and field");
    } else {
        passed++;
        (void)printf("%s:%d: %.*s\n", file, line, (int)error->message.len, (const char *)error->message.data);
    }
    otapb_error_release(error);
}

void expect_success_at(const char *file, int line, otapb_error *error)
{
    if (error != NULL) {
        (void)fprintf(stderr, "%s:%d: %.*s\n", file, line, (int)error->message.len,
                      (const char *)error->message.data);
    }
    check_at(file, line, error == NULL, "no error is returned");
    otapb_error_release(error);
}

otapb_host_slice text_slice(const char *text)
{
    otapb_host_slice slice;
    slice.address = (uint64_t)(uintptr_t)text;
    slice.len = strlen(text);
    return slice;
}

otapb_runtime_options runtime_options(void)
{
    otapb_runtime_options options;
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.abi_version = OTAPB_ABI_VERSION;
    return options;
}

otapb_component_options component_options(const char *name, const char *config)
{
    otapb_component_options options;
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.kind = OTAPB_COMPONENT_PROCESSOR;
    options.name = text_slice(name);
    options.config = text_slice(config);
    return options;
}

void host_component(otapb_component *component)
{
    (void)pthread_mutex_lock(&lock);
    answering = component;
    (void)pthread_mutex_unlock(&lock);
}

static void keep_error(outcome *result, const otapb_error *error)
{
    size_t len = error->message.len < sizeof result->message - 1 ? error->message.len : sizeof result->message - 1;
    result->failed = true;
    result->kind = error->kind;
    result->grpc_code = error->grpc_code;
    memcpy(result->message, error->message.data, len);
    result->message[len] = '\0';
}

static void record(const otapb_event *event)
{
    outcome *result;
    if (event->call_id >= MAX_CALLS) {
        (void)fprintf(stderr, "event of type %u for an unknown call\n", (unsigned)event->type);
        abort();
    }
    result = &outcomes[event->call_id];
    result->call_id = event->call_id;
    switch (event->type) {
    case OTAPB_EVENT_EMIT:
        result->emissions++;
        break;
    case OTAPB_EVENT_DONE:
        if (done[event->call_id]) {
            (void)fprintf(stderr, "call %u was completed twice\n", (unsigned)event->call_id);
            abort();
        }
        done[event->call_id] = true;
        if (event->error != NULL)
            keep_error(result, event->error);
        if (event->flags & OTAPB_EVENT_FLAG_PAYLOAD_RELEASED)
            result->released++;
        break;
    case OTAPB_EVENT_PAYLOAD_RELEASED:
        result->released++;
        break;
    default:
        break;
    }
}

/* Where nothing but the call waits for the answer, that completes the call. */
static void accept_emission(otapb_component *component, const otapb_event *event)
{
    uint32_t answer = otapb_emission_done(component, event->emission_id, NULL);
    (void)pthread_mutex_lock(&lock);
    if (answer & OTAPB_EMISSION_CALL_DONE)
        done[event->call_id] = true;
    if (answer & OTAPB_EMISSION_PAYLOAD_RELEASED)
        outcomes[event->call_id].released++;
    (void)pthread_cond_broadcast(&changed);
    (void)pthread_mutex_unlock(&lock);
}

void host_on_events(uint64_t host_data, const otapb_event *events, size_t count)
{
    const otapb_event *event = events;
    size_t i;
    (void)host_data;
    for (i = 0; i < count; i++) {
        otapb_component *component;
        (void)pthread_mutex_lock(&lock);
        record(event);
        component = answering;
        /* Released before the waiting thread goes on and counts what is unreleased. */
        otapb_error_release(event->error);
        otapb_buffer_release(event->buffer);
        (void)pthread_cond_broadcast(&changed);
        (void)pthread_mutex_unlock(&lock);
        if (event->type == OTAPB_EVENT_EMIT)
            accept_emission(component, event);
        event = (const otapb_event *)(const void *)((const char *)event + event->size);
    }
}

outcome host_done(uint64_t call_id)
{
    outcome result;
    (void)pthread_mutex_lock(&lock);
    while (!done[call_id])
        (void)pthread_cond_wait(&changed, &lock);
    result = outcomes[call_id];
    (void)pthread_mutex_unlock(&lock);
    return result;
}

outcome host_wait(uint64_t call_id)
{
    outcome result;
    (void)pthread_mutex_lock(&lock);
    while (!done[call_id] || outcomes[call_id].released == 0)
        (void)pthread_cond_wait(&changed, &lock);
    result = outcomes[call_id];
    (void)pthread_mutex_unlock(&lock);
    return result;
}

void expect_idle_at(const char *file, int line, const otapb_runtime *runtime)
{
    otapb_stats stats;
    memset(&stats, 0, sizeof stats);
    stats.size = sizeof stats;
    expect_success_at(file, line, otapb_runtime_stats(runtime, &stats));
    check_at(file, line, stats.calls_in_flight == 0, "no call is in flight");
    check_at(file, line, stats.payloads_unreleased == 0, "every payload is released");
    check_at(file, line, stats.payload_bytes_unreleased == 0, "every payload byte is released");
    check_at(file, line, stats.emissions_in_flight == 0, "no emission is in flight");
    check_at(file, line, stats.buffers_unreleased == 0, "every buffer is released");
    check_at(file, line, stats.errors_unreleased == 0, "every error is released");
    check_at(file, line, stats.contexts_alive == 0, "no context is alive");
}

int host_summary(void)
{
    (void)printf("%u passed, %u failed\n", passed, failed);
    return failed == 0 && passed > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
