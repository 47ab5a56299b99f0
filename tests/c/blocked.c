/* SPDX-License-Identifier: Apache-2.0 */

/**
 * @file blocked.c
 *
 * Calls are completed at their deadline although a node blocks its pipeline's thread.
 *
 * That this is long before the node lets go is certain. How late they are after the grace is measured
 * against a sleep until its end: on a busy machine that wakes late, too. What is left of noise only ever
 * adds time, and not to each round: what the library itself took too long would be in all rounds, and
 * so in the median of them.
 */
#define _POSIX_C_SOURCE 200809L
#include "host.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/** One log record without content. */
static const uint8_t LOGS[] = {0x0a, 4, 0x12, 2, 0x12, 0};

enum { CALLS = 4, ROUNDS = 9, BLOCKED_SECONDS = 10 };

static const double DEADLINE = 0.1, GRACE = 0.1;

static double seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void sleep_until(double when)
{
    struct timespec until;
    until.tv_sec = (time_t)when;
    until.tv_nsec = (long)((when - (double)until.tv_sec) * 1e9);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0)
        continue;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/** Submits calls with a deadline, and says how much later than the grace the last of them is done. */
static double complete_blocked(otapb_component *component, uint64_t first)
{
    otapb_context context;
    double over;
    uint64_t call;

    memset(&context, 0, sizeof context);
    context.size = sizeof context;
    context.entry_offset = sizeof context;
    context.total_size = sizeof context;
    context.flags = OTAPB_CONTEXT_FLAG_DEADLINE;
    context.deadline_remaining_ns = (int64_t)(DEADLINE * (double)SECOND);
    for (call = first; call < first + CALLS; call++)
        EXPECT_SUCCESS(otapb_submit(component, call, OTAPB_SIGNAL_LOGS, (const uint8_t *)&context, sizeof context, LOGS,
                                    sizeof LOGS));
    sleep_until(seconds() + DEADLINE + GRACE);
    over = seconds();
    for (call = first; call < first + CALLS; call++) {
        outcome result = host_done(call);
        CHECK(result.failed && result.kind == OTAPB_ERROR_KIND_TIMEOUT);
        CHECK(result.emissions == 0);
    }
    return seconds() - over;
}

int main(void)
{
    otapb_runtime_options options = runtime_options();
    otapb_component_options pipeline =
        component_options("blocked", "{\"type\": \"urn:otapbridge:processor:fault\", \"config\": {\"block\": \"10s\"}}");
    otapb_runtime *runtime = NULL;
    otapb_component *component = NULL;
    double started, late[ROUNDS];
    uint64_t round;

    EXPECT_SUCCESS(otapb_runtime_create(&options, host_on_events, NULL, &runtime));
    if (runtime == NULL)
        return host_summary();
    pipeline.cancel_grace_ns = (uint64_t)(GRACE * (double)SECOND);
    EXPECT_SUCCESS(otapb_component_create(runtime, &pipeline, &component));
    EXPECT_SUCCESS(otapb_component_start(component, 10 * SECOND));
    host_component(component);

    started = seconds();
    for (round = 0; round < ROUNDS; round++)
        late[round] = complete_blocked(component, 1 + round * CALLS);
    CHECK(seconds() - started < BLOCKED_SECONDS / 2);
    qsort(late, ROUNDS, sizeof *late, compare);
    /* A grace that were waited for twice would be seen. */
    CHECK(late[ROUNDS / 2] < GRACE / 2);

    EXPECT_SUCCESS(otapb_component_shutdown(component, 0));
    EXPECT_IDLE(runtime);
    otapb_component_destroy(component);
    EXPECT_SUCCESS(otapb_runtime_shutdown(runtime, 5 * SECOND));
    otapb_runtime_destroy(runtime);
    return host_summary();
}
