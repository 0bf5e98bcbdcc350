/* SPDX-License-Identifier: BSD-3-Clause */
/* The standard workloads: see workload.h; the table is workloads.def. */
#include "cli/mcbench/workload.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "cli/mcbench/keys.h"

enum {
    CONNECTIONS = 50,
    KEY_COUNT = 10000,
    KEY_SIZE = 32,       /* bytes */
    VALUE_SIZE = 100,    /* bytes */
    ITEM_OVERHEAD = 100, /* bytes of a server for each item, amply */
    MEMORY_LEAST_MB = 1024,
    SAMPLE_COUNT = 10000, /* keys whose sizes are looked at */
};

struct row {
    const char *name, *group, *title;
    bool is_quick, unix_socket;
    uint32_t server_threads, rate_percent;
    struct bench_work work;
};

#define WORK(...) .work = {__VA_ARGS__}
#define SETS                                                                                       \
    {                                                                                              \
        [BENCH_SET] = 1                                                                            \
    }
#define MIXED                                                                                      \
    {                                                                                              \
        [BENCH_GET] = 90, [BENCH_SET] = 10                                                         \
    }
#define ETC_SHARES                                                                                 \
    {                                                                                              \
        [BENCH_GET] = 30, [BENCH_SET] = 1                                                          \
    }
#define ALL_VERBS                                                                                  \
    {                                                                                              \
        [BENCH_GET] = 40, [BENCH_SET] = 20, [BENCH_DELETE] = 20, [BENCH_INCR] = 20                 \
    }
#define ZIPF         .order = BENCH_ZIPF, .skew = 0.99
#define VALUES(size) .value_sizes = {BENCH_SIZE_FIXED, size, size}
#define ETC_SIZES    .key_sizes = {.kind = BENCH_SIZE_ETC}, .value_sizes = {.kind = BENCH_SIZE_ETC}
#define BENCH_WORKLOAD(row_name, row_group, row_title, ...)                                        \
    {.name = row_name, .group = row_group, .title = row_title, __VA_ARGS__},
static const struct row ROWS[] = {
#include "cli/mcbench/workloads.def"
};
#undef BENCH_WORKLOAD

enum { ROW_COUNT = sizeof(ROWS) / sizeof(ROWS[0]) };

size_t bench_workload_count(void)
{
    return ROW_COUNT;
}

static void set_default(uint32_t *field, uint32_t value)
{
    if (*field == 0) {
        *field = value;
    }
}

static void set_default_sizes(struct bench_sizes *sizes, uint32_t size)
{
    if (sizes->kind == BENCH_SIZE_FIXED && sizes->max == 0) {
        sizes->min = size;
        sizes->max = size;
    }
}

/* What is 0 in the table is as in the plainest workload. */
static void complete(struct bench_work *work)
{
    uint32_t shares = 0;

    for (size_t i = 0; i < BENCH_VERB_COUNT; i++) {
        shares += work->shares[i];
    }
    work->shares[BENCH_GET] = shares == 0 ? 1 : work->shares[BENCH_GET];
    set_default(&work->keys_per_get, 1);
    set_default(&work->keys_per_get_max, work->keys_per_get);
    set_default(&work->connections, CONNECTIONS);
    set_default(&work->pipeline, 1);
    set_default(&work->lanes, 1);
    work->key_count = work->key_count == 0 ? KEY_COUNT : work->key_count;
    set_default_sizes(&work->key_sizes, KEY_SIZE);
    set_default_sizes(&work->value_sizes, VALUE_SIZE);
}

void bench_workload_get(size_t index, struct bench_workload *ret_workload)
{
    const struct row *row = &ROWS[index];

    CHECK(index < ROW_COUNT);
    *ret_workload = (struct bench_workload){.group = row->group,
                                            .is_quick = row->is_quick,
                                            .unix_socket = row->unix_socket,
                                            .server_threads = row->server_threads,
                                            .rate_percent = row->rate_percent,
                                            .work = row->work};
    (void)snprintf(ret_workload->name, sizeof(ret_workload->name), "%s", row->name);
    (void)snprintf(ret_workload->title, sizeof(ret_workload->title), "%s", row->title);
    set_default(&ret_workload->server_threads, 1);
    complete(&ret_workload->work);
    if (row->rate_percent > 0) {
        ret_workload->work.arrival = BENCH_POISSON;
        (void)snprintf(ret_workload->title, sizeof(ret_workload->title),
                       "GET from a schedule, at %u %% of the closed loop's rate",
                       row->rate_percent);
    }
}

bool bench_workload_has_group(const char *group)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (strcmp(ROWS[i].group, group) == 0) {
            return true;
        }
    }
    return false;
}

static bool same_sizes(const struct bench_sizes *a, const struct bench_sizes *b)
{
    return a->kind == b->kind && a->min == b->min && a->max == b->max;
}

/* Keys that are deleted or counted are stored beside the others. */
static bool has_own_keys(const struct bench_work *work)
{
    return work->shares[BENCH_DELETE] > 0 || work->shares[BENCH_INCR] > 0;
}

bool bench_workload_shares(const struct bench_workload *a, const struct bench_workload *b)
{
    return a->unix_socket == b->unix_socket && a->server_threads == b->server_threads &&
           a->work.key_count == b->work.key_count &&
           same_sizes(&a->work.key_sizes, &b->work.key_sizes) &&
           same_sizes(&a->work.value_sizes, &b->work.value_sizes) &&
           a->work.ttl_min_s == b->work.ttl_min_s && a->work.ttl_max_s == b->work.ttl_max_s &&
           !has_own_keys(&a->work) && !has_own_keys(&b->work);
}

uint64_t bench_workload_memory_mb(const struct bench_work *work)
{
    const uint64_t spaces =
        1u + (work->shares[BENCH_DELETE] > 0 ? 1u : 0u) + (work->shares[BENCH_INCR] > 0 ? 1u : 0u);
    const uint64_t step = work->key_count / SAMPLE_COUNT + 1;
    char key[BENCH_KEY_SIZE_MAX + 64];
    double bytes = 0;
    uint64_t count = 0;
    double needed_mb;

    for (uint64_t number = 0; number < work->key_count; number += step) {
        bytes += bench_keys_write(work, BENCH_SPACE_VALUES, number, key) +
                 bench_keys_value_size(work, number) + ITEM_OVERHEAD;
        count++;
    }
    /* Twice as much, for what the servers lose between items of different sizes. */
    needed_mb = bytes / (double)count * (double)(work->key_count * spaces) * 2 / (1 << 20);
    return needed_mb < MEMORY_LEAST_MB ? MEMORY_LEAST_MB : (uint64_t)needed_mb + 1;
}

bool bench_workload_fits_empty(const struct bench_workload *workload)
{
    return workload->work.value_sizes.kind == BENCH_SIZE_FIXED && workload->server_threads == 1 &&
           workload->work.protocol != BENCH_BINARY;
}
