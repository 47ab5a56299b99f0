/* SPDX-License-Identifier: Apache-2.0 */

/**
 * @file otapbridge_example.c
 *
 * Runs two otap-dataflow nodes in a C program: hands one OTLP request with a
 * request context to a pipeline and prints what comes out.
 */
#define _POSIX_C_SOURCE 200809L

#include <inttypes.h>
#include <otapbridge.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "otlp.h"

#define SECOND UINT64_C(1000000000)

static const char CONFIG[] =
    "{"
    "  \"nodes\": {"
    "    \"mark\": {"
    "      \"type\": \"processor:attribute\","
    "      \"config\": {"
    "        \"apply_to\": [\"resource\"],"
    "        \"actions\": [{\"action\": \"upsert\", \"key\": \"deployment.environment.name\", \"value\": \"example\"}]"
    "      }"
    "    },"
    "    \"tag\": {"
    "      \"type\": \"urn:otapbridge:processor:context_attributes\","
    "      \"config\": {"
    "        \"actions\": ["
    "          {\"key\": \"tenant\", \"from_context\": \"metadata.x-tenant\"},"
    "          {\"key\": \"client\", \"from_context\": \"client.address\"}"
    "        ]"
    "      }"
    "    }"
    "  },"
    "  \"connections\": [{\"from\": \"mark\", \"to\": \"tag\"}]"
    "}";

/* What the callback hands to the main thread. A callback only records. */
typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    otapb_buffer *buffer;
    otapb_slice payload;
    uint64_t emission_id;
    otapb_error *error;
    bool emitted;
    bool done;
} mailbox;

static uint64_t address_of(const void *pointer)
{
    return (uint64_t)(uintptr_t)pointer;
}

static otapb_host_slice slice_of(const char *text)
{
    otapb_host_slice slice;
    slice.address = address_of(text);
    slice.len = strlen(text);
    return slice;
}

static void on_events(uint64_t host_data, const otapb_event *events, size_t count)
{
    mailbox *box = (mailbox *)(uintptr_t)host_data;
    const otapb_event *event = events;
    size_t i;

    (void)pthread_mutex_lock(&box->lock);
    for (i = 0; i < count; i++) {
        switch (event->type) {
        case OTAPB_EVENT_EMIT:
            box->buffer = event->buffer;
            box->payload = event->payload;
            box->emission_id = event->emission_id;
            box->emitted = true;
            break;
        case OTAPB_EVENT_DONE:
            box->error = event->error;
            box->done = true;
            break;
        default:
            otapb_error_release(event->error);
            otapb_buffer_release(event->buffer);
        }
        /* A newer library may have larger events: `size` is the distance. */
        event = (const otapb_event *)(const void *)((const char *)event + event->size);
    }
    (void)pthread_cond_signal(&box->changed);
    (void)pthread_mutex_unlock(&box->lock);
}

static void wait_for(mailbox *box, const bool *happened)
{
    (void)pthread_mutex_lock(&box->lock);
    while (!*happened && !box->done)
        (void)pthread_cond_wait(&box->changed, &box->lock);
    (void)pthread_mutex_unlock(&box->lock);
}

/* Prints and frees an error and those chained to it. Returns false if there is one. */
static bool succeeded(const char *what, otapb_error *error)
{
    const otapb_error *e;
    for (e = error; e != NULL; e = e->next) {
        (void)fprintf(stderr, "%s: %.*s (gRPC code %" PRId32 ")\n", what, (int)e->message.len,
                      (const char *)e->message.data, e->grpc_code);
    }
    otapb_error_release(error);
    return error == NULL;
}

static uint32_t put_text(uint8_t *block, uint32_t *end, const char *text)
{
    uint32_t len = (uint32_t)strlen(text);
    memcpy(block + *end, text, len);
    *end += len;
    return len;
}

static void put_entry(uint8_t *block, uint32_t *end, size_t index, uint32_t kind, const char *key, const char *value)
{
    otapb_context_entry entry;
    entry.kind = kind;
    entry.key_offset = *end;
    entry.key_len = put_text(block, end, key);
    entry.value_offset = *end;
    entry.value_len = put_text(block, end, value);
    memcpy(block + sizeof(otapb_context) + index * sizeof entry, &entry, sizeof entry);
}

/* A request context: metadata x-tenant=acme, the peer's address, ten seconds left. */
static size_t write_context(uint8_t *block)
{
    otapb_context head;
    uint32_t end = sizeof(otapb_context) + 2 * sizeof(otapb_context_entry);

    put_entry(block, &end, 0, OTAPB_CONTEXT_ENTRY_METADATA, "x-tenant", "acme");
    put_entry(block, &end, 1, OTAPB_CONTEXT_ENTRY_ADDRESS, "tcp", "192.0.2.1:4317");

    memset(&head, 0, sizeof head);
    head.size = sizeof head;
    head.flags = OTAPB_CONTEXT_FLAG_DEADLINE;
    head.deadline_remaining_ns = (int64_t)(10 * SECOND);
    head.entry_count = 2;
    head.entry_offset = sizeof head;
    head.total_size = end;
    memcpy(block, &head, sizeof head);
    return end;
}

/* Sends one request through a started component and prints what comes out. */
static bool run(otapb_component *component, mailbox *box)
{
    uint8_t context[256], payload[256];
    size_t context_len = write_context(context);
    size_t payload_len = otlp_write_log(payload, sizeof payload, "c-example", "hello from C");
    bool printed = false;

    if (!succeeded("submit", otapb_submit(component, 1, OTAPB_SIGNAL_LOGS, context, context_len, payload, payload_len)))
        return false;

    wait_for(box, &box->emitted);
    if (box->emitted) {
        printf("out of the pipeline:\n");
        printed = otlp_print_logs(stdout, box->payload.data, box->payload.len) == 0;
        otapb_buffer_release(box->buffer);
        /* The answer may end the request at once, or on its way back through the nodes. */
        if (otapb_emission_done(component, box->emission_id, NULL) & OTAPB_EMISSION_CALL_DONE)
            return printed;
    }
    wait_for(box, &box->done);
    return succeeded("request", box->error) && printed;
}

int main(void)
{
    mailbox box;
    otapb_runtime_options runtime_options;
    otapb_component_options component_options;
    otapb_runtime *runtime = NULL;
    otapb_component *component = NULL;
    bool ok;

    memset(&box, 0, sizeof box);
    (void)pthread_mutex_init(&box.lock, NULL);
    (void)pthread_cond_init(&box.changed, NULL);

    memset(&runtime_options, 0, sizeof runtime_options);
    runtime_options.size = sizeof runtime_options;
    runtime_options.abi_version = OTAPB_ABI_VERSION;
    runtime_options.host_data = address_of(&box);

    memset(&component_options, 0, sizeof component_options);
    component_options.size = sizeof component_options;
    component_options.kind = OTAPB_COMPONENT_PROCESSOR;
    component_options.name = slice_of("example");
    component_options.config = slice_of(CONFIG);

    printf("otapbridge %s\n", otapb_version());
    ok = succeeded("create runtime", otapb_runtime_create(&runtime_options, on_events, NULL, &runtime))
        && succeeded("create component", otapb_component_create(runtime, &component_options, &component))
        && succeeded("start", otapb_component_start(component, 10 * SECOND)) && run(component, &box);

    if (component != NULL)
        ok = succeeded("stop component", otapb_component_shutdown(component, 5 * SECOND)) && ok;
    otapb_component_destroy(component);
    if (runtime != NULL)
        ok = succeeded("stop runtime", otapb_runtime_shutdown(runtime, 5 * SECOND)) && ok;
    otapb_runtime_destroy(runtime);
    (void)pthread_cond_destroy(&box.changed);
    (void)pthread_mutex_destroy(&box.lock);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
