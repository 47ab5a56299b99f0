/* SPDX-License-Identifier: Apache-2.0 */

/**
 * @file signals.c
 *
 * Starting a pipeline leaves every signal's action and the mask as they were.
 */
#define _POSIX_C_SOURCE 200809L
#include "host.h"

#include <signal.h>
#include <string.h>

enum { SIGNALS = 64 };

static void read_actions(struct sigaction *actions)
{
    int number;
    memset(actions, 0, sizeof *actions * (SIGNALS + 1));
    for (number = 1; number <= SIGNALS; number++)
        (void)sigaction(number, NULL, &actions[number]);
}

static bool unchanged(const struct sigaction *before)
{
    struct sigaction after[SIGNALS + 1];
    int number;
    read_actions(after);
    for (number = 1; number <= SIGNALS; number++) {
        if (before[number].sa_handler != after[number].sa_handler || before[number].sa_flags != after[number].sa_flags)
            return false;
    }
    return true;
}

int main(void)
{
    struct sigaction before[SIGNALS + 1];
    sigset_t mask_before, mask_after;
    otapb_runtime_options options = runtime_options();
    otapb_component_options pipeline =
        component_options("signals", "{\"type\": \"processor:attribute\", \"config\": {\"actions\": []}}");
    otapb_runtime *runtime = NULL;
    otapb_component *component = NULL;

    /* A handler without SA_ONSTACK, installed by a library, would crash a Go host. */
    memset(&mask_before, 0, sizeof mask_before);
    memset(&mask_after, 0, sizeof mask_after);
    read_actions(before);
    (void)sigprocmask(SIG_BLOCK, NULL, &mask_before);

    EXPECT_SUCCESS(otapb_runtime_create(&options, host_on_events, NULL, &runtime));
    CHECK(unchanged(before));
    if (runtime == NULL)
        return host_summary();
    EXPECT_SUCCESS(otapb_component_create(runtime, &pipeline, &component));
    EXPECT_SUCCESS(otapb_component_start(component, 10 * SECOND));
    CHECK(unchanged(before));
    EXPECT_SUCCESS(otapb_component_shutdown(component, 5 * SECOND));
    otapb_component_destroy(component);
    EXPECT_SUCCESS(otapb_runtime_shutdown(runtime, 5 * SECOND));
    otapb_runtime_destroy(runtime);
    CHECK(unchanged(before));

    (void)sigprocmask(SIG_BLOCK, NULL, &mask_after);
    CHECK(memcmp(&mask_before, &mask_after, sizeof mask_before) == 0);
    return host_summary();
}
