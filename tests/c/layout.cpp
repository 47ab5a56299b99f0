/* SPDX-License-Identifier: Apache-2.0 */
#include <cstddef>

#define ASSERT(condition, what) static_assert(condition, what)
#include "../../capi/layout.h"
