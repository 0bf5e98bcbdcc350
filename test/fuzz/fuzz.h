/* SPDX-License-Identifier: BSD-3-Clause */
/* What every target needs: the entry point, and questions about slices. */
#ifndef LARDER_TEST_FUZZ_H
#define LARDER_TEST_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/limits.h"
#include "base/slice.h"

/* NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline struct base_slice fuzz_slice(const uint8_t *data, size_t size)
{
    return (struct base_slice){(const char *)data, size};
}

/* All of `inner` lies in `outer`; an empty slice may lie anywhere. */
static inline bool fuzz_is_inside(struct base_slice inner, struct base_slice outer)
{
    return inner.size == 0 || (inner.data >= outer.data && inner.size <= outer.size &&
                               (size_t)(inner.data - outer.data) <= outer.size - inner.size);
}

#endif
