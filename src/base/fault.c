/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Failure points: see fault.h. One small table for the whole process under one lock; points are
 * named all over the program and cannot be handed a table. Not linked into builds without points.
 */
#include "base/fault.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/num.h"

struct point {
    char name[BASE_FAULT_NAME_SIZE_MAX + 1];
    uint64_t fail_at; /* the pass that fails; 0: none */
    uint64_t pass_count;
};

/* All under table_lock, but for table_once. */
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t table_once = PTHREAD_ONCE_INIT;
static struct point points[BASE_FAULT_POINTS_MAX];
static uint32_t point_count;

/* Finds the point, or adds it. The caller holds table_lock. */
static struct point *point_of(struct base_slice name)
{
    struct point *point;

    for (uint32_t i = 0; i < point_count; i++) {
        const struct base_slice known = {points[i].name, strlen(points[i].name)};

        if (base_slice_equal(known, name)) {
            return &points[i];
        }
    }
    CHECK(point_count < BASE_FAULT_POINTS_MAX);
    CHECK(name.size > 0 && name.size <= BASE_FAULT_NAME_SIZE_MAX);
    point = &points[point_count++];
    memcpy(point->name, name.data, name.size);
    return point;
}

/* Aborts on a broken list: a test that asks for a failure must not go on without it. */
static void read_environment(void)
{
    const char *list = getenv("LARDER_FAULTS");

    while (list != NULL && *list != '\0') {
        const size_t size = strcspn(list, ",");
        const char *colon = memchr(list, ':', size);
        uint64_t n;

        CHECK(colon != NULL);
        CHECK(base_num_parse_u64((struct base_slice){colon + 1, size - (size_t)(colon + 1 - list)},
                                 &n));
        point_of((struct base_slice){list, (size_t)(colon - list)})->fail_at = n;
        list += size + (list[size] == ',' ? 1 : 0);
    }
}

static struct point *lock_point(const char *name)
{
    CHECK(pthread_once(&table_once, read_environment) == 0);
    CHECK(pthread_mutex_lock(&table_lock) == 0);
    return point_of((struct base_slice){name, strlen(name)});
}

static void unlock_points(void)
{
    CHECK(pthread_mutex_unlock(&table_lock) == 0);
}

void base_fault_set(const char *name, uint64_t n)
{
    struct point *point = lock_point(name);

    point->fail_at = n;
    point->pass_count = 0;
    unlock_points();
}

uint64_t base_fault_pass_count(const char *name)
{
    const uint64_t count = lock_point(name)->pass_count;

    unlock_points();
    return count;
}

bool base_fault_pass(const char *name)
{
    struct point *point = lock_point(name);
    const bool fails = ++point->pass_count == point->fail_at;

    unlock_points();
    return fails;
}
