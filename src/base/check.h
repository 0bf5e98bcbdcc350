/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Invariants. CHECK stays on in release: a cache that is wrong is worse than one that is down.
 * Never on anything that came from outside the process; that gets an error.
 */
#ifndef LARDER_BASE_CHECK_H
#define LARDER_BASE_CHECK_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

/* Prints the broken rule and aborts. */
BASE_NORETURN BASE_COLD void base_check_failed(const char *rule, const char *file, int line,
                                               const char *function);

#define CHECK(rule)                                                                                \
    do {                                                                                           \
        if (BASE_UNLIKELY(!(rule))) {                                                              \
            base_check_failed(#rule, __FILE__, __LINE__, __func__);                                \
        }                                                                                          \
    } while (0)

/* Here the program cannot be. */
#define NEVER(why) base_check_failed("never: " why, __FILE__, __LINE__, __func__)

/* Long-lived structures start with `uint32_t magic`. */
#define CHECK_OBJ(object, object_magic) CHECK((object) != NULL && (object)->magic == (object_magic))

#endif
