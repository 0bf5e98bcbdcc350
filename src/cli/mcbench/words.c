/* SPDX-License-Identifier: BSD-3-Clause */
/* A workload in words: see words.h. */
#include "cli/mcbench/words.h"

#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/slice.h"

enum {
    SHARE_MAX = 1000000, /* parts of one verb */
    CPU_MAX = 1023,      /* of a cpu_set_t */
    REAL_MAX = 32,       /* bytes of a fraction, its NUL included */
};

static const double skew_min = 0.5;
static const double skew_max = 2;

static const struct base_slice VERBS[BENCH_VERB_COUNT] = {
    {"get", 3}, {"set", 3}, {"delete", 6}, {"incr", 4}};

/* Takes what stands before the next `separator`, or everything. False when nothing is left. */
static bool take(struct base_slice *text, char separator, struct base_slice *ret_part)
{
    const char *end;

    if (text->data == NULL) {
        return false;
    }
    end = text->size == 0 ? NULL : memchr(text->data, separator, text->size);
    if (end == NULL) {
        *ret_part = *text;
        text->data = NULL;
    } else {
        *ret_part = (struct base_slice){text->data, (size_t)(end - text->data)};
        text->size -= ret_part->size + 1;
        text->data = end + 1;
    }
    return true;
}

static struct base_slice slice_of(const char *text)
{
    return (struct base_slice){text, strlen(text)};
}

/* A fraction, wholly. */
static bool parse_real(struct base_slice text, double *ret)
{
    char copy[REAL_MAX];
    char *end;

    if (text.size == 0 || text.size >= sizeof(copy)) {
        return false;
    }
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    *ret = strtod(copy, &end);
    return *end == '\0';
}

static bool parse_range(struct base_slice text, uint32_t min, uint32_t max, uint32_t *ret_low,
                        uint32_t *ret_high)
{
    struct base_slice low, high;
    uint32_t from, to;

    if (!take(&text, '-', &low) || !base_num_parse_u32(low, &from)) {
        return false;
    }
    to = from;
    if ((take(&text, '-', &high) && !base_num_parse_u32(high, &to)) || text.data != NULL) {
        return false;
    }
    if (from < min || to > max || from > to) {
        return false;
    }
    *ret_low = from;
    *ret_high = to;
    return true;
}

bool bench_words_range(const char *text, uint32_t min, uint32_t max, uint32_t *ret_low,
                       uint32_t *ret_high)
{
    return parse_range(slice_of(text), min, max, ret_low, ret_high);
}

bool bench_words_mix(const char *text, uint32_t ret_shares[static BENCH_VERB_COUNT])
{
    struct base_slice rest = slice_of(text);
    uint32_t shares[BENCH_VERB_COUNT] = {0};
    struct base_slice part;

    while (take(&rest, ',', &part)) {
        struct base_slice name;
        uint32_t verb = 0;

        (void)take(&part, ':', &name);
        while (verb < BENCH_VERB_COUNT && !base_slice_equal(name, VERBS[verb])) {
            verb++;
        }
        if (verb == BENCH_VERB_COUNT || shares[verb] != 0 || part.data == NULL ||
            !base_num_parse_u32(part, &shares[verb]) || shares[verb] == 0 ||
            shares[verb] > SHARE_MAX) {
            return false;
        }
    }
    memcpy(ret_shares, shares, sizeof(shares));
    return true;
}

bool bench_words_sizes(const char *text, uint32_t min, uint32_t max, struct bench_sizes *ret_sizes)
{
    uint32_t low, high;

    if (strcmp(text, "etc") == 0) {
        *ret_sizes = (struct bench_sizes){.kind = BENCH_SIZE_ETC, .min = min, .max = max};
        return true;
    }
    if (!bench_words_range(text, min, max, &low, &high)) {
        return false;
    }
    *ret_sizes = (struct bench_sizes){
        .kind = low == high ? BENCH_SIZE_FIXED : BENCH_SIZE_RANGE, .min = low, .max = high};
    return true;
}

static bool parse_hot(struct base_slice rest, struct bench_work *work)
{
    struct base_slice keys, share;
    uint32_t hot_keys;
    double hot_share;

    if (!take(&rest, ':', &keys) || !take(&rest, ':', &share) || rest.data != NULL ||
        !base_num_parse_u32(keys, &hot_keys) || hot_keys == 0 || !parse_real(share, &hot_share) ||
        !(hot_share >= 0 && hot_share <= 1)) {
        return false;
    }
    work->order = BENCH_HOT;
    work->hot_keys = hot_keys;
    work->hot_share = hot_share;
    return true;
}

bool bench_words_order(const char *text, struct bench_work *work)
{
    struct base_slice rest = slice_of(text);
    struct base_slice name;
    double skew;

    (void)take(&rest, ':', &name);
    if (base_slice_equal(name, BASE_SLICE("hot"))) {
        return parse_hot(rest, work);
    }
    if (base_slice_equal(name, BASE_SLICE("zipf"))) {
        if (rest.data == NULL || !parse_real(rest, &skew) ||
            !(skew >= skew_min && skew <= skew_max)) {
            return false;
        }
        work->order = BENCH_ZIPF;
        work->skew = skew;
        return true;
    }
    if (strcmp(text, "uniform") != 0 && strcmp(text, "sequential") != 0) {
        return false;
    }
    work->order = text[0] == 'u' ? BENCH_UNIFORM : BENCH_SEQUENTIAL;
    return true;
}

bool bench_words_cpus(const char *text, struct bench_plan *plan)
{
    struct base_slice rest = slice_of(text);
    int cpus[BENCH_CPUS_MAX] = {0};
    uint32_t count = 0;
    struct base_slice part;

    while (take(&rest, ',', &part)) {
        uint32_t low, high;

        if (!parse_range(part, 0, CPU_MAX, &low, &high) || high - low >= BENCH_CPUS_MAX - count) {
            return false;
        }
        for (uint32_t cpu = low; cpu <= high; cpu++) {
            cpus[count++] = (int)cpu;
        }
    }
    memcpy(plan->cpus, cpus, count * sizeof(cpus[0]));
    plan->cpu_count = count;
    return true;
}
