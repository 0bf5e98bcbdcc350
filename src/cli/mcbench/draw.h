/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which request is next: of the workload's mix, or of the sets that fill the server beforehand.
 *
 * Pure functions of the workload and of a lane's random numbers: the same seed and lane give the same requests. No clock, no
 * allocation. One lane, one struct bench_draw.
 */
#ifndef LARDER_MCBENCH_DRAW_H
#define LARDER_MCBENCH_DRAW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rand.h"
#include "cli/mcbench/keys.h"
#include "cli/mcbench/wire.h"
#include "cli/mcbench/work.h"

struct bench_draw {
    const struct bench_work *work; /* borrowed as long as this lives */
    struct bench_keys keys;
    struct base_rand rand; /* of verbs and of key counts */
    uint32_t verb_ends[BENCH_VERB_COUNT];
    enum bench_verb only_verb; /* BENCH_VERB_COUNT when there are several */
    enum bench_space space;    /* of the values: BENCH_SPACE_PROBES for the measuring lane */
    bool sets_deleted_key;     /* the next set makes something to delete */
    uint64_t version;          /* of the last set; its upper bits are the lane's */
    /* This lane's part of the keys, for bench_draw_store(). */
    enum bench_space store_space;
    uint64_t store_first, store_end, store_next;
};

/* values: their key space. lane is below work->lanes; at least one share is not 0. */
void bench_draw_init(struct bench_draw *draw, const struct bench_work *work,
                     enum bench_space values, uint32_t lane);

/*
 * The next request of the mix; all fields are written but due_ns and sent_ns. more_numbers: room for keys_per_get_max numbers, lent
 * until the answer is there; unused when that is 1.
 *
 * Where there are deletes, every other set goes to the keys that they delete: else there would soon be nothing left to delete.
 */
void bench_draw_next(struct bench_draw *draw, struct bench_request *request,
                     uint64_t *more_numbers);

/* Is the mix nothing but gets of one key? */
bool bench_draw_is_gets(const struct bench_draw *draw);
/* Then: the keys of the next `count` requests, the same that as many calls of bench_draw_next() give, for less. */
void bench_draw_gets(struct bench_draw *draw, uint32_t count, uint64_t *numbers);

/* A set of one key: what follows a miss. */
void bench_draw_fill(struct bench_draw *draw, enum bench_space space, uint64_t number,
                     struct bench_request *request);

/*
 * The next of the sets that store every key of this lane's part once: the values, and the keys that are deleted and counted when
 * the mix does so. False when there is none left.
 */
bool bench_draw_store(struct bench_draw *draw, struct bench_request *request);
/* How many sets that is. */
uint64_t bench_draw_store_count(const struct bench_draw *draw);

#endif
