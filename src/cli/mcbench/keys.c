/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Keys: which one is next, and what it is like. Its text is in key_text.h.
 */
#include "cli/mcbench/keys.h"

#include <assert.h>
#include <math.h>

#include "base/check.h"
#include "cli/mcbench/key_text.h"
#include "cli/mcbench/sizes.h"

static_assert(BENCH_KEY_NAME_SIZE + BENCH_KEY_NUMBER_SIZE == BENCH_KEY_SIZE_MIN,
              "the shortest key is whole");

const char BENCH_KEY_NAMES[][BENCH_KEY_NAME_SIZE] = {
    [BENCH_SPACE_VALUES] = "bench:v:",
    [BENCH_SPACE_DELETED] = "bench:d:",
    [BENCH_SPACE_COUNTERS] = "bench:c:",
    [BENCH_SPACE_PROBES] = "bench:p:",
};

/* clang-format off */
const char BENCH_KEY_FILLING[BENCH_KEY_SIZE_MAX - BENCH_KEY_SIZE_MIN] =
    ".............................................................................."
    ".............................................................................."
    "..............................................................................";
/* clang-format on */

/* ---- numbers from numbers ---- */

/* splitmix64's last step: every bit of the result hangs on every bit of `word`. */
static uint64_t mix(uint64_t word)
{
    word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9ull;
    word = (word ^ word >> 27) * 0x94d049bb133111ebull;
    return word ^ word >> 31;
}

static uint64_t greatest_divisor(uint64_t a, uint64_t b)
{
    while (b != 0) {
        const uint64_t rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

/* A step that visits all of `count` numbers before it comes back: the golden section of them, or the next that has no factor in
 * common with count. */
static uint64_t scatter_of(uint64_t count)
{
    uint64_t step = (uint64_t)((double)count * 0.6180339887498949) + 1;

    while (greatest_divisor(step, count) != 1) {
        step++;
    }
    return step;
}

/* Ranks to key numbers, one to one. Both factors are below 2^32. */
static uint64_t scatter(const struct bench_keys *keys, uint64_t rank)
{
    return rank * keys->scatter % keys->work->key_count;
}

/* 0 <= unit < 1 */
static double draw_unit(struct base_rand *rand)
{
    return (double)(base_rand_u64(rand) >> 11) * 0x1p-53;
}

/* ---- Zipf: rank k, from 1, with the weight k^-skew ---- */

/* expm1(x) / x, also at 0. */
static double expm1_ratio(double x)
{
    return fabs(x) > 1e-8 ? expm1(x) / x : 1 + x / 2;
}

/* log1p(x) / x, also at 0. */
static double log1p_ratio(double x)
{
    return fabs(x) > 1e-8 ? log1p(x) / x : 1 - x / 2;
}

/* The integral of x^-skew from 1 to x. Written so that skew 1 needs no case of its own. */
static double zipf_integral(double exponent, double x)
{
    const double log_x = log(x);

    return expm1_ratio(exponent * log_x) * log_x;
}

static double zipf_inverse(double exponent, double area)
{
    /* Rounding may not take it below -1, where there is no logarithm. */
    const double scaled = fmax(area * exponent, -1);

    return exp(log1p_ratio(scaled) * area);
}

static double zipf_weight(double exponent, double x)
{
    return exp((exponent - 1) * log(x));
}

static void zipf_init(struct bench_keys *keys)
{
    const double exponent = 1 - keys->work->skew;

    keys->zipf.exponent = exponent;
    keys->zipf.at_first = zipf_integral(exponent, 1.5) - 1;
    keys->zipf.at_last = zipf_integral(exponent, (double)keys->work->key_count + 0.5);
    keys->zipf.sure_below =
        2 - zipf_inverse(exponent, zipf_integral(exponent, 2.5) - zipf_weight(exponent, 2));
}

/*
 * A point under the density, from its area; its rank is the next whole number. Where the column of that rank reaches beyond the
 * density, the point is thrown away. One draw in most cases, for any number of keys.
 */
static uint64_t zipf_rank(struct bench_keys *keys)
{
    const double exponent = keys->zipf.exponent;
    const double at_last = keys->zipf.at_last;

    for (;;) {
        const double area = at_last + draw_unit(&keys->rand) * (keys->zipf.at_first - at_last);
        const double x = zipf_inverse(exponent, area);
        const double rank = fmin(fmax(floor(x + 0.5), 1), (double)keys->work->key_count);

        if (rank - x <= keys->zipf.sure_below ||
            area >= zipf_integral(exponent, rank + 0.5) - zipf_weight(exponent, rank)) {
            return (uint64_t)rank - 1;
        }
    }
}

/* ---- which key ---- */

void bench_keys_init(struct bench_keys *keys, const struct bench_work *work, uint32_t lane)
{
    CHECK(lane < work->lanes && work->key_count > 0 && work->key_count <= UINT32_MAX);
    *keys = (struct bench_keys){.work = work};
    base_rand_init(&keys->rand, mix(work->seed) + lane);
    keys->scatter = scatter_of(work->key_count);
    switch (work->order) {
    case BENCH_UNIFORM:
        break;
    case BENCH_ZIPF:
        zipf_init(keys);
        break;
    case BENCH_HOT:
        CHECK(work->hot_keys > 0 && work->hot_keys <= work->key_count);
        break;
    case BENCH_SEQUENTIAL:
        CHECK(work->key_count >= work->lanes);
        keys->first = work->key_count * lane / work->lanes;
        keys->count = work->key_count * (lane + 1) / work->lanes - keys->first;
        break;
    }
}

static uint64_t next_hot(struct bench_keys *keys)
{
    const uint64_t hot_count = keys->work->hot_keys;
    const uint64_t cold_count = keys->work->key_count - hot_count;

    if (cold_count == 0 || draw_unit(&keys->rand) < keys->work->hot_share) {
        return scatter(keys, base_rand_below(&keys->rand, hot_count));
    }
    return scatter(keys, hot_count + base_rand_below(&keys->rand, cold_count));
}

static uint64_t next_in_sequence(struct bench_keys *keys)
{
    const uint64_t number = keys->first + keys->next;

    keys->next = keys->next + 1 == keys->count ? 0 : keys->next + 1;
    return number;
}

/* 32 random bits: every random number is good for two keys, the upper half first. */
static uint32_t take_half(struct bench_keys *keys)
{
    uint64_t word;

    keys->has_half = !keys->has_half;
    if (!keys->has_half) {
        return keys->half;
    }
    word = base_rand_u64(&keys->rand);
    keys->half = (uint32_t)word;
    return (uint32_t)(word >> 32);
}

/* The upper half of a product, where base_rand_below() masks and draws again. Of 2^32 numbers each key gets as many as the others,
 * or one less. */
static inline uint64_t below(uint64_t key_count, uint32_t random)
{
    return random * key_count >> 32;
}

/* The generator's words stay in registers meanwhile. */
static void draw_uniform(struct bench_keys *keys, uint32_t count, uint64_t *numbers)
{
    const uint64_t key_count = keys->work->key_count;
    struct base_rand rand;
    uint32_t i = 0;

    if (count > 0 && keys->has_half) {
        numbers[i++] = below(key_count, take_half(keys));
    }
    rand = keys->rand;
    for (; i + 2 <= count; i += 2) {
        const uint64_t word = base_rand_u64(&rand);

        numbers[i] = below(key_count, (uint32_t)(word >> 32));
        numbers[i + 1] = below(key_count, (uint32_t)word);
    }
    keys->rand = rand;
    if (i < count) {
        numbers[i] = below(key_count, take_half(keys));
    }
}

void bench_keys_draw(struct bench_keys *keys, uint32_t count, uint64_t *numbers)
{
    if (keys->work->order == BENCH_UNIFORM) {
        draw_uniform(keys, count, numbers);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        numbers[i] = bench_keys_next(keys);
    }
}

uint64_t bench_keys_next(struct bench_keys *keys)
{
    switch (keys->work->order) {
    case BENCH_UNIFORM:
        return below(keys->work->key_count, take_half(keys));
    case BENCH_ZIPF:
        return scatter(keys, zipf_rank(keys));
    case BENCH_HOT:
        return next_hot(keys);
    case BENCH_SEQUENTIAL:
        return next_in_sequence(keys);
    }
    NEVER("keys have an order");
}

/* ---- what a key is like ---- */

uint32_t bench_key_text_size(const struct bench_work *work, uint64_t number)
{
    return bench_sizes_key(&work->key_sizes, mix(number));
}

uint32_t bench_keys_write(const struct bench_work *work, enum bench_space space, uint64_t number,
                          char *out)
{
    return (uint32_t)(bench_key_put(work, space, number, out) - out);
}

uint32_t bench_keys_value_size(const struct bench_work *work, uint64_t number)
{
    return work->value_sizes.kind == BENCH_SIZE_FIXED
               ? work->value_sizes.min
               : bench_sizes_value(&work->value_sizes, mix(~number));
}

uint32_t bench_keys_value_size_max(const struct bench_work *work)
{
    return bench_sizes_value_max(&work->value_sizes);
}

uint32_t bench_keys_ttl_s(struct bench_keys *keys)
{
    const uint32_t min = keys->work->ttl_min_s;
    const uint32_t max = keys->work->ttl_max_s;

    return min == max ? min : min + (uint32_t)base_rand_below(&keys->rand, (uint64_t)max - min + 1);
}
