/* SPDX-License-Identifier: Apache-2.0 */

/**
 * @file blocked.c
 *
 * Calls are completed at their deadline although a node blocks its pipeline's thread.
 */
#define _POSIX_C_SOURCE 200809L
#include "host.h"

#include <string.h>
#include <time.h>

/** One log record without content. */
static const uint8_t LOGS[] = {0x0a, 4, 0x12, 2, 0x12, 0};

enum { CALLS = 4, BLOCKED_SECONDS = 10 };

static double seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(void)
{
    otapb_runtime_options options = runtime_options();
    otapb_component_options pipeline =
        component_options("blocked", "{\"type\": \"urn:otapbridge:processor:fault\", \"config\": {\"block\": \"10s\"}}");
    otapb_context context;
    otapb_runtime *runtime = NULL;
    otapb_component *component = NULL;
    double started;
    uint64_t call;

    memset(&context, 0, sizeof context);
    context.size = sizeof context;
    context.entry_offset = sizeof context;
    context.total_size = sizeof context;
    context.flags = OTAPB_CONTEXT_FLAG_DEADLINE;
    context.deadline_remaining_ns = (int64_t)(SECOND / 10);
    EXPECT_SUCCESS(otapb_runtime_create(&options, host_on_events, NULL, &runtime));
    if (runtime == NULL)
        return host_summary();
    pipeline.cancel_grace_ns = SECOND / 20;
    EXPECT_SUCCESS(otapb_component_create(runtime, &pipeline, &component));
    EXPECT_SUCCESS(otapb_component_start(component, 10 * SECOND));
    host_component(component);

    started = seconds();
    for (call = 1; call <= CALLS; call++)
        EXPECT_SUCCESS(otapb_submit(component, call, OTAPB_SIGNAL_LOGS, (const uint8_t *)&context, sizeof context, LOGS,
                                    sizeof LOGS));
    for (call = 1; call <= CALLS; call++) {
        outcome result = host_done(call);
        CHECK(result.failed && result.kind == OTAPB_ERROR_KIND_TIMEOUT);
        CHECK(result.emissions == 0);
    }
    /* Long before the node lets go, also on a busy machine. */
    CHECK(seconds() - started < BLOCKED_SECONDS / 2);

    EXPECT_SUCCESS(otapb_component_shutdown(component, 0));
    EXPECT_IDLE(runtime);
    otapb_component_destroy(component);
    EXPECT_SUCCESS(otapb_runtime_shutdown(runtime, 5 * SECOND));
    otapb_runtime_destroy(runtime);
    return host_summary();
}
