/* SPDX-License-Identifier: BSD-3-Clause */
/* Sizes of keys and values: see sizes.h for the sources of the distributions. */
#include "cli/mcbench/sizes.h"

#include <math.h>

#include "base/check.h"

enum {
    ETC_KEY_SIZE_MIN = 16,  /* BENCH_KEY_SIZE_MIN: room for the key's number */
    ETC_KEY_SIZE_MAX = 250, /* the protocol's; one key in 10^8 would be longer */
    ETC_VALUE_SIZE_MAX =
        65536,            /* one value in 700,000 would be longer; the mean loses 0.05 bytes */
    ETC_SMALL_COUNT = 15, /* values that the table says, 0..14 bytes */
};

/* How often a value has 0, 1, ... 14 bytes. */
static const double ETC_SMALL_SHARES[ETC_SMALL_COUNT] = {
    .00536, .00047, .17820, .09239, .00018, .02740, .00065, .00606,
    .00023, .00837, .00837, .08989, .00092, .00326, .01980,
};

/* Above 0 and below 1, so that logarithms and powers of it are finite. */
static double unit_of(uint64_t random)
{
    return ((double)(random >> 11) + 0.5) * 0x1p-53;
}

static uint32_t clamp(double size, uint32_t min, uint32_t max)
{
    return size <= min ? min : size >= max ? max : (uint32_t)size;
}

/* Generalized extreme value distribution, by inversion. */
static uint32_t etc_key(uint64_t random)
{
    const double mu = 30.7984;
    const double sigma = 8.20449;
    const double k = 0.078688;

    return clamp(mu + sigma * expm1(-k * log(-log(unit_of(random)))) / k, ETC_KEY_SIZE_MIN,
                 ETC_KEY_SIZE_MAX);
}

/* The table; what it leaves over is generalized Pareto, by inversion. */
static uint32_t etc_value(uint64_t random)
{
    const double location = 15;
    const double sigma = 214.476;
    const double k = 0.348238;
    double share = unit_of(random);
    double left = 1;

    for (uint32_t size = 0; size < ETC_SMALL_COUNT; size++) {
        if (share < ETC_SMALL_SHARES[size]) {
            return size;
        }
        share -= ETC_SMALL_SHARES[size];
        left -= ETC_SMALL_SHARES[size];
    }
    return clamp(location + sigma * expm1(-k * log1p(-share / left)) / k, 0, ETC_VALUE_SIZE_MAX);
}

static uint32_t from_range(const struct bench_sizes *sizes, uint64_t random)
{
    const uint64_t count = (uint64_t)sizes->max - sizes->min + 1;

    return sizes->min + (uint32_t)((random >> 32) * count >> 32);
}

uint32_t bench_sizes_key(const struct bench_sizes *sizes, uint64_t random)
{
    switch (sizes->kind) {
    case BENCH_SIZE_FIXED:
        return sizes->min;
    case BENCH_SIZE_RANGE:
        return from_range(sizes, random);
    case BENCH_SIZE_ETC:
        return etc_key(random);
    }
    NEVER("sizes have a kind");
}

uint32_t bench_sizes_value(const struct bench_sizes *sizes, uint64_t random)
{
    switch (sizes->kind) {
    case BENCH_SIZE_FIXED:
        return sizes->min;
    case BENCH_SIZE_RANGE:
        return from_range(sizes, random);
    case BENCH_SIZE_ETC:
        return etc_value(random);
    }
    NEVER("sizes have a kind");
}

static uint32_t size_max(const struct bench_sizes *sizes, uint32_t etc_max)
{
    switch (sizes->kind) {
    case BENCH_SIZE_FIXED:
        return sizes->min;
    case BENCH_SIZE_RANGE:
        return sizes->max;
    case BENCH_SIZE_ETC:
        return etc_max;
    }
    NEVER("sizes have a kind");
}

uint32_t bench_sizes_key_max(const struct bench_sizes *sizes)
{
    return size_max(sizes, ETC_KEY_SIZE_MAX);
}

uint32_t bench_sizes_value_max(const struct bench_sizes *sizes)
{
    return size_max(sizes, ETC_VALUE_SIZE_MAX);
}
