/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>

#define ASSERT(condition, what) _Static_assert(condition, what)
#include "../../capi/layout.h"
