/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Parts of a workload as people write them.
 *
 * Pure; any thread. All return false, and change nothing, when the text says no such thing.
 */
#ifndef LARDER_MCBENCH_WORDS_H
#define LARDER_MCBENCH_WORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "cli/mcbench/run.h"
#include "cli/mcbench/work.h"

/* "get:90,set:10"; get, set, delete, incr, each at most once; the numbers are parts of their sum, at most 10^6 each. */
BASE_MUST_USE bool bench_words_mix(const char *text, uint32_t ret_shares[static BENCH_VERB_COUNT]);

/* "100", "1-1000" (each size as likely), or "etc" (Facebook's pool of that name); min..max bytes. */
BASE_MUST_USE bool bench_words_sizes(const char *text, uint32_t min, uint32_t max,
                                     struct bench_sizes *ret_sizes);

/* "2" or "2-500", within min..max. */
BASE_MUST_USE bool bench_words_range(const char *text, uint32_t min, uint32_t max,
                                     uint32_t *ret_low, uint32_t *ret_high);

/*
 * "uniform", "sequential", "zipf:0.99" (0.5 to 2), or "hot:100:0.9": 90 % of the requests go to 100 keys. Writes order, skew,
 * hot_keys, hot_share.
 */
BASE_MUST_USE bool bench_words_order(const char *text, struct bench_work *work);

/* "0,2-5": numbers of CPUs, 0..1023, at most BENCH_CPUS_MAX of them. Writes cpus and cpu_count. */
BASE_MUST_USE bool bench_words_cpus(const char *text, struct bench_plan *plan);

#endif
