/* SPDX-License-Identifier: Apache-2.0 */

/**
 * @file bad_input.c
 *
 * Everything a host can get wrong gets a clear error, and nothing is kept.
 */
#include "host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TAG_CONFIG                                                                                                     \
    "{\"type\": \"urn:otapbridge:processor:context_attributes\","                                                     \
    " \"config\": {\"actions\": [{\"key\": \"tenant\", \"from_context\": \"metadata.x-tenant\"}]}}"

/* One resource without attributes, one scope, one log record with the body "a". */
static const uint8_t LOGS[] = {0x0a, 0x0b, 0x0a, 0x00, 0x12, 0x07, 0x12, 0x05, 0x2a, 0x03, 0x0a, 0x01, 'a'};
static const uint8_t MALFORMED[] = {0x0a, 0x7f, 0x01, 0x02};

static void versions_and_runtime_options(void)
{
    otapb_runtime_options options = runtime_options();
    otapb_runtime *runtime = NULL;

    CHECK(otapb_abi_version() == OTAPB_ABI_VERSION);
    CHECK(strlen(otapb_version()) > 0);

    EXPECT_ERROR(otapb_runtime_create(NULL, host_on_events, NULL, &runtime), OTAPB_ERROR_KIND_CONFIGURATION, "options");
    EXPECT_ERROR(otapb_runtime_create(&options, NULL, NULL, &runtime), OTAPB_ERROR_KIND_CONFIGURATION, "on_events");
    EXPECT_ERROR(otapb_runtime_create(&options, host_on_events, NULL, NULL), OTAPB_ERROR_KIND_CONFIGURATION,
                 "out_runtime");

    options.abi_version = OTAPB_ABI_VERSION + 0x10000;
    EXPECT_ERROR(otapb_runtime_create(&options, host_on_events, NULL, &runtime), OTAPB_ERROR_KIND_CONFIGURATION,
                 "options.abi_version");
    options.abi_version = OTAPB_ABI_VERSION + 1;
    EXPECT_ERROR(otapb_runtime_create(&options, host_on_events, NULL, &runtime), OTAPB_ERROR_KIND_CONFIGURATION,
                 "options.abi_version");
    options.abi_version = 0;
    EXPECT_ERROR(otapb_runtime_create(&options, host_on_events, NULL, &runtime), OTAPB_ERROR_KIND_CONFIGURATION,
                 "options.abi_version");

    options = runtime_options();
    options.size = 4;
    EXPECT_ERROR(otapb_runtime_create(&options, host_on_events, NULL, &runtime), OTAPB_ERROR_KIND_CONFIGURATION,
                 "options.size");
    options = runtime_options();
    options.log_level = 99;
    EXPECT_ERROR(otapb_runtime_create(&options, host_on_events, NULL, &runtime), OTAPB_ERROR_KIND_CONFIGURATION,
                 "options.log_level");
    CHECK(runtime == NULL);
}

static void a_mismatch_names_both_versions(void)
{
    otapb_runtime_options options = runtime_options();
    otapb_runtime *runtime = NULL;
    otapb_error *error;
    char text[512] = "";

    options.abi_version = 0x70003;
    error = otapb_runtime_create(&options, host_on_events, NULL, &runtime);
    CHECK(error != NULL);
    if (error != NULL && error->message.len < sizeof text)
        memcpy(text, error->message.data, error->message.len);
    CHECK(strstr(text, "7.3") != NULL);
    CHECK(strstr(text, "1.0") != NULL);
    otapb_error_release(error);
}

static void expect_refused(otapb_runtime *runtime, const otapb_component_options *options, const char *field)
{
    otapb_component *component = NULL;
    EXPECT_ERROR(otapb_component_validate(options), OTAPB_ERROR_KIND_CONFIGURATION, field);
    EXPECT_ERROR(otapb_component_create(runtime, options, &component), OTAPB_ERROR_KIND_CONFIGURATION, field);
    CHECK(component == NULL);
}

/* What is said of a configuration comes as errors do, and nothing is said of none. */
static void warnings_and_secrets(void)
{
    otapb_component_options options = component_options(
        "test", "{\"type\": \"processor:attribute\", \"config\": {\"actions\": [{\"action\": \"hash\", "
                "\"key\": \"k\", \"salt\": 5}]}, \"expanded\": [{\"at\": [\"actions\", 0, \"salt\"], \"text\": \"05\"}]}");

    options.signal = OTAPB_SIGNAL_LOGS;
    EXPECT_SUCCESS(otapb_component_validate(&options));
    EXPECT_ERROR(otapb_component_warnings(&options), OTAPB_ERROR_KIND_CONFIGURATION, "test");
    EXPECT_ERROR(otapb_component_secrets(&options), OTAPB_ERROR_KIND_CONFIGURATION, "config::actions::0::salt");

    options = component_options("test", TAG_CONFIG);
    EXPECT_SUCCESS(otapb_component_warnings(&options));
    EXPECT_SUCCESS(otapb_component_secrets(&options));
    options = component_options("test", "{\"type\": ");
    EXPECT_SUCCESS(otapb_component_warnings(&options));
    /* Of what cannot be read, every text may be one. */
    EXPECT_ERROR(otapb_component_secrets(&options), OTAPB_ERROR_KIND_CONFIGURATION, "");
    CHECK(!otapb_component_joins_references(&options));
    CHECK(!otapb_component_joins_references(NULL));
    EXPECT_SUCCESS(otapb_component_warnings(NULL));
    EXPECT_SUCCESS(otapb_component_secrets(NULL));
}

static void component_options_and_configuration(otapb_runtime *runtime)
{
    otapb_component_options options = component_options("test", TAG_CONFIG);
    otapb_component *component = NULL;

    expect_refused(runtime, NULL, "options");
    EXPECT_ERROR(otapb_component_create(NULL, &options, &component), OTAPB_ERROR_KIND_CONFIGURATION, "runtime");
    EXPECT_ERROR(otapb_component_create(runtime, &options, NULL), OTAPB_ERROR_KIND_CONFIGURATION, "out_component");
    EXPECT_SUCCESS(otapb_component_validate(&options));

    options.size = 4;
    expect_refused(runtime, &options, "options.size");
    options = component_options("test", TAG_CONFIG);
    options.kind = 77;
    expect_refused(runtime, &options, "options.kind");
    options = component_options("test", TAG_CONFIG);
    options.signal = 4;
    expect_refused(runtime, &options, "options.signal");
    options = component_options("test\xff", TAG_CONFIG);
    expect_refused(runtime, &options, "options.name");

    options = component_options("test", "{\"type\": ");
    expect_refused(runtime, &options, "");
    options = component_options("test", "\xff\xfe");
    expect_refused(runtime, &options, "");
    options = component_options("test", "");
    expect_refused(runtime, &options, "");
    options = component_options("test", "[]");
    expect_refused(runtime, &options, "");
    options = component_options("test", "{}");
    expect_refused(runtime, &options, "");
    options = component_options("test", "{\"type\": \"processor:no_such_node\", \"config\": {}}");
    expect_refused(runtime, &options, "test::type");
    options = component_options("test", "{\"type\": \"processor:attribute\", \"config\": {\"actions\": [], \"acts\": 1}}");
    expect_refused(runtime, &options, "test::config::acts");
}

static void submit_arguments(otapb_component *component)
{
    const size_t len = sizeof LOGS;
    EXPECT_ERROR(otapb_submit(NULL, 1, OTAPB_SIGNAL_LOGS, NULL, 0, LOGS, len), OTAPB_ERROR_KIND_CONFIGURATION,
                 "component");
    EXPECT_ERROR(otapb_submit(component, 0, OTAPB_SIGNAL_LOGS, NULL, 0, LOGS, len), OTAPB_ERROR_KIND_CONFIGURATION,
                 "call_id");
    EXPECT_ERROR(otapb_submit(component, 1, 0, NULL, 0, LOGS, len), OTAPB_ERROR_KIND_CONFIGURATION, "signal");
    EXPECT_ERROR(otapb_submit(component, 1, 4, NULL, 0, LOGS, len), OTAPB_ERROR_KIND_CONFIGURATION, "signal");
    EXPECT_ERROR(otapb_submit(component, 1, OTAPB_SIGNAL_LOGS, NULL, 0, NULL, len), OTAPB_ERROR_KIND_CONFIGURATION,
                 "payload");
    EXPECT_ERROR(otapb_submit(component, 1, OTAPB_SIGNAL_LOGS, NULL, 0, LOGS, 0), OTAPB_ERROR_KIND_CONFIGURATION,
                 "payload");
    EXPECT_ERROR(otapb_submit(component, 1, OTAPB_SIGNAL_LOGS, NULL, 8, LOGS, len), OTAPB_ERROR_KIND_CONFIGURATION,
                 "context");
}

typedef struct {
    otapb_context head;
    otapb_context_entry entry;
    char bytes[16];
} small_context;

/* x-tenant=acme */
static small_context good_context(void)
{
    small_context context;
    memset(&context, 0, sizeof context);
    context.head.size = sizeof context.head;
    context.head.entry_count = 1;
    context.head.entry_offset = offsetof(small_context, entry);
    context.head.total_size = sizeof context;
    context.entry.kind = OTAPB_CONTEXT_ENTRY_METADATA;
    context.entry.key_offset = offsetof(small_context, bytes);
    context.entry.key_len = 8;
    context.entry.value_offset = offsetof(small_context, bytes) + 8;
    context.entry.value_len = 4;
    memcpy(context.bytes, "x-tenantacme", 12);
    return context;
}

static otapb_error *submit_with(otapb_component *component, uint64_t call_id, const void *context, size_t len)
{
    return otapb_submit(component, call_id, OTAPB_SIGNAL_LOGS, (const uint8_t *)context, len, LOGS, sizeof LOGS);
}

static void malformed_contexts(otapb_component *component)
{
    const int32_t kind = OTAPB_ERROR_KIND_CONFIGURATION;
    small_context context = good_context();
    outcome result;

    EXPECT_SUCCESS(submit_with(component, 2, &context, sizeof context));
    result = host_wait(2);
    CHECK(!result.failed && result.emissions == 1 && result.released == 1);

    EXPECT_ERROR(submit_with(component, 3, &context, 12), kind, "");
    EXPECT_ERROR(submit_with(component, 3, &context, sizeof context - 1), kind, "");
    context.head.size = 3;
    EXPECT_ERROR(submit_with(component, 3, &context, sizeof context), kind, "");
    context = good_context();
    context.head.total_size = 1u << 30;
    EXPECT_ERROR(submit_with(component, 3, &context, sizeof context), kind, "");
    context = good_context();
    context.head.entry_count = UINT32_MAX;
    EXPECT_ERROR(submit_with(component, 3, &context, sizeof context), kind, "");
    context = good_context();
    context.head.entry_offset = UINT32_MAX - 3;
    EXPECT_ERROR(submit_with(component, 3, &context, sizeof context), kind, "");
    context = good_context();
    context.head.entry_offset += 1;
    EXPECT_ERROR(submit_with(component, 3, &context, sizeof context), kind, "");
    context = good_context();
    context.entry.key_offset = UINT32_MAX;
    EXPECT_ERROR(submit_with(component, 3, &context, sizeof context), kind, "");
    context = good_context();
    context.entry.value_len = UINT32_MAX;
    EXPECT_ERROR(submit_with(component, 3, &context, sizeof context), kind, "");

    /* The deadline is past: nothing crosses, and it is no argument's fault. */
    context = good_context();
    context.head.flags = OTAPB_CONTEXT_FLAG_DEADLINE;
    context.head.deadline_remaining_ns = -1;
    EXPECT_ERROR(submit_with(component, 3, &context, sizeof context), OTAPB_ERROR_KIND_TIMEOUT, "");

    /* An entry of a later version is skipped, and values need not be text. */
    context = good_context();
    context.entry.kind = 4711;
    EXPECT_SUCCESS(submit_with(component, 4, &context, sizeof context));
    CHECK(!host_wait(4).failed);
    context = good_context();
    memcpy(context.bytes + 8, "\xff\xfe\x00\x80", 4);
    EXPECT_SUCCESS(submit_with(component, 5, &context, sizeof context));
    CHECK(!host_wait(5).failed);
}

static void ten_thousand_entries(otapb_component *component)
{
    const uint32_t count = 10000;
    const size_t bytes = sizeof(otapb_context) + count * sizeof(otapb_context_entry) + 12;
    uint8_t *block = (uint8_t *)calloc(1, bytes);
    otapb_context head;
    otapb_context_entry entry;
    uint32_t i;

    if (block == NULL)
        abort();
    memset(&head, 0, sizeof head);
    head.size = sizeof head;
    head.entry_count = count;
    head.entry_offset = sizeof head;
    head.total_size = (uint32_t)bytes;
    memcpy(block, &head, sizeof head);
    entry.kind = OTAPB_CONTEXT_ENTRY_METADATA;
    entry.key_offset = (uint32_t)(bytes - 12);
    entry.key_len = 8;
    entry.value_offset = (uint32_t)(bytes - 4);
    entry.value_len = 4;
    for (i = 0; i < count; i++)
        memcpy(block + sizeof head + i * sizeof entry, &entry, sizeof entry);
    memcpy(block + bytes - 12, "x-tenantacme", 12);

    EXPECT_SUCCESS(submit_with(component, 6, block, bytes));
    free(block);
    CHECK(!host_wait(6).failed);
}

/* The node has an attribute to write, and so it reads the payload. */
static void malformed_payload(otapb_component *component)
{
    const small_context context = good_context();
    outcome result;
    EXPECT_SUCCESS(otapb_submit(component, 7, OTAPB_SIGNAL_LOGS, (const uint8_t *)&context, sizeof context, MALFORMED,
                                sizeof MALFORMED));
    result = host_wait(7);
    CHECK(result.failed);
    CHECK(result.emissions == 0 && result.released == 1);
    CHECK(result.grpc_code == 3);
    (void)printf("malformed payload: %s\n", result.message);
}

static void done_for_nothing(otapb_runtime *runtime, otapb_component *component)
{
    otapb_stats before, after;
    memset(&before, 0, sizeof before);
    before.size = sizeof before;
    after = before;

    EXPECT_SUCCESS(otapb_runtime_stats(runtime, &before));
    CHECK(otapb_emission_done(component, 123456, NULL) == 0);
    CHECK(!otapb_cancel(component, 123456, OTAPB_CANCEL_REASON_CANCELLED, NULL, 0));
    EXPECT_SUCCESS(otapb_runtime_stats(runtime, &after));
    CHECK(after.late_completions_total == before.late_completions_total + 1);

    CHECK(!otapb_emission_done(NULL, 1, NULL));
    CHECK(!otapb_cancel(NULL, 1, OTAPB_CANCEL_REASON_CANCELLED, NULL, 0));
    otapb_buffer_release(NULL);
    otapb_error_release(NULL);
    otapb_component_destroy(NULL);
    otapb_runtime_destroy(NULL);

    EXPECT_ERROR(otapb_runtime_stats(NULL, &after), OTAPB_ERROR_KIND_CONFIGURATION, "runtime");
    EXPECT_ERROR(otapb_runtime_stats(runtime, NULL), OTAPB_ERROR_KIND_CONFIGURATION, "out_stats");
    after.size = 0;
    EXPECT_ERROR(otapb_runtime_stats(runtime, &after), OTAPB_ERROR_KIND_CONFIGURATION, "out_stats.size");

    /* Only what the size covers is written. */
    memset(&after, 0x55, sizeof after);
    after.size = offsetof(otapb_stats, payloads_unreleased);
    EXPECT_SUCCESS(otapb_runtime_stats(runtime, &after));
    CHECK(after.components == 1 && after.payloads_unreleased == UINT64_C(0x5555555555555555));
}

int main(void)
{
    otapb_runtime_options options = runtime_options();
    otapb_component_options tag = component_options("test", TAG_CONFIG);
    otapb_runtime *runtime = NULL;
    otapb_component *component = NULL;

    versions_and_runtime_options();
    a_mismatch_names_both_versions();

    EXPECT_SUCCESS(otapb_runtime_create(&options, host_on_events, NULL, &runtime));
    if (runtime == NULL)
        return host_summary();
    component_options_and_configuration(runtime);
    warnings_and_secrets();

    EXPECT_ERROR(otapb_component_start(NULL, SECOND), OTAPB_ERROR_KIND_CONFIGURATION, "component");
    EXPECT_ERROR(otapb_component_shutdown(NULL, SECOND), OTAPB_ERROR_KIND_CONFIGURATION, "component");
    EXPECT_ERROR(otapb_runtime_shutdown(NULL, SECOND), OTAPB_ERROR_KIND_CONFIGURATION, "runtime");

    EXPECT_SUCCESS(otapb_component_create(runtime, &tag, &component));
    if (component == NULL)
        return host_summary();
    EXPECT_ERROR(submit_with(component, 1, NULL, 0), OTAPB_ERROR_KIND_RETRYABLE, "");
    EXPECT_SUCCESS(otapb_component_start(component, 10 * SECOND));
    host_component(component);

    submit_arguments(component);
    malformed_contexts(component);
    ten_thousand_entries(component);
    malformed_payload(component);
    done_for_nothing(runtime, component);
    EXPECT_IDLE(runtime);

    EXPECT_SUCCESS(otapb_component_shutdown(component, 5 * SECOND));
    EXPECT_SUCCESS(otapb_component_shutdown(component, 5 * SECOND));
    EXPECT_ERROR(submit_with(component, 8, NULL, 0), OTAPB_ERROR_KIND_RETRYABLE, "");
    otapb_component_destroy(component);
    EXPECT_IDLE(runtime);
    EXPECT_SUCCESS(otapb_runtime_shutdown(runtime, 5 * SECOND));
    otapb_runtime_destroy(runtime);
    return host_summary();
}
