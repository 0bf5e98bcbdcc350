/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sizes of keys and values, as the workload distributes them.
 *
 * A size is a function of a random number, so that whoever hashes a key to such a number gets the same size for it every time.
 * ETC is Facebook's pool of that name (Atikoglu et al., SIGMETRICS 2012) with the parameters that mutilate made common: key sizes
 * of a generalized extreme value distribution; value sizes of 0 to 14 bytes from a table, the others generalized Pareto.
 * Pure; any thread.
 */
#ifndef LARDER_MCBENCH_SIZES_H
#define LARDER_MCBENCH_SIZES_H

#include <stdint.h>

#include "cli/mcbench/work.h"

/* `random` is any 64 bits, each number as likely. */
uint32_t bench_sizes_key(const struct bench_sizes *sizes, uint64_t random);
uint32_t bench_sizes_value(const struct bench_sizes *sizes, uint64_t random);

/* The smallest and the largest that these can give. */
uint32_t bench_sizes_key_max(const struct bench_sizes *sizes);
uint32_t bench_sizes_value_max(const struct bench_sizes *sizes);

#endif
