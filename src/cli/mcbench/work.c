/* SPDX-License-Identifier: BSD-3-Clause */
/* Which workloads can be done: the rules are in work_rules.def. */
#include "cli/mcbench/work.h"

#include <stdio.h>

#include "base/limits.h"
#include "cli/mcbench/keys.h"
#include "cli/mcbench/sizes.h"
#include "cli/mcbench/wire.h"

static uint64_t share_sum(const struct bench_work *work)
{
    uint64_t sum = 0;

    for (uint32_t verb = 0; verb < BENCH_VERB_COUNT; verb++) {
        sum += work->shares[verb];
    }
    return sum;
}

static bool is_kind(const struct bench_sizes *sizes)
{
    return sizes->kind <= BENCH_SIZE_ETC;
}

static bool is_ascending(const struct bench_sizes *sizes)
{
    return sizes->kind != BENCH_SIZE_RANGE || sizes->min <= sizes->max;
}

static uint32_t smallest(const struct bench_sizes *sizes, uint32_t etc_min)
{
    return sizes->kind == BENCH_SIZE_ETC ? etc_min : sizes->min;
}

bool bench_work_check(const struct bench_work *work, char error[static BENCH_WORK_ERROR_MAX])
{
#define BENCH_WORK_RULE(holds, words)                                                              \
    if (!(holds)) {                                                                                \
        (void)snprintf(error, BENCH_WORK_ERROR_MAX, "%s", words);                                  \
        return false;                                                                              \
    }
#include "cli/mcbench/work_rules.def"
#undef BENCH_WORK_RULE
    return true;
}
