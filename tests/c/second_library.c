/* SPDX-License-Identifier: Apache-2.0 */

/**
 * @file second_library.c
 *
 * Two Rust static libraries in one program.
 */
#include "host.h"

int second_library_answer(void);

int main(void)
{
    otapb_runtime_options options = runtime_options();
    otapb_runtime *runtime = NULL;

    EXPECT_SUCCESS(otapb_runtime_create(&options, host_on_events, NULL, &runtime));
    CHECK(second_library_answer() == 42);
    otapb_runtime_destroy(runtime);
    return host_summary();
}
