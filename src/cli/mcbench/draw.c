/* SPDX-License-Identifier: BSD-3-Clause */
/* Which request is next: see draw.h. */
#include "cli/mcbench/draw.h"

#include "base/check.h"

enum { VERSION_LANE_SHIFT = 48 }; /* 2^48 sets per lane */

/* The verbs are drawn from numbers of their own, so that they do not depend on how the keys are drawn. */
static const uint64_t verb_salt = 0x76657262732e2e2eull;

static void init_verbs(struct bench_draw *draw)
{
    uint32_t sum = 0;
    uint32_t verb_count = 0;

    for (uint32_t verb = 0; verb < BENCH_VERB_COUNT; verb++) {
        if (draw->work->shares[verb] > 0) {
            verb_count++;
            draw->only_verb = (enum bench_verb)verb;
        }
        sum += draw->work->shares[verb];
        draw->verb_ends[verb] = sum;
    }
    CHECK(verb_count > 0);
    if (verb_count > 1) {
        draw->only_verb = BENCH_VERB_COUNT;
    }
}

void bench_draw_init(struct bench_draw *draw, const struct bench_work *work,
                     enum bench_space values, uint32_t lane)
{
    *draw = (struct bench_draw){
        .work = work, .space = values, .version = (uint64_t)lane << VERSION_LANE_SHIFT};
    bench_keys_init(&draw->keys, work, lane);
    base_rand_init(&draw->rand, (work->seed ^ verb_salt) + lane);
    init_verbs(draw);
    draw->store_space = BENCH_SPACE_VALUES;
    draw->store_first = work->key_count * lane / work->lanes;
    draw->store_end = work->key_count * (lane + 1) / work->lanes;
    draw->store_next = draw->store_first;
}

static enum bench_verb draw_verb(struct bench_draw *draw)
{
    uint32_t verb = 0;
    uint64_t at;

    if (draw->only_verb != BENCH_VERB_COUNT) {
        return draw->only_verb;
    }
    at = base_rand_below(&draw->rand, draw->verb_ends[BENCH_VERB_COUNT - 1]);
    while (draw->verb_ends[verb] <= at) {
        verb++;
    }
    return (enum bench_verb)verb;
}

static uint16_t draw_key_count(struct bench_draw *draw)
{
    const struct bench_work *work = draw->work;

    if (work->keys_per_get_max == work->keys_per_get) {
        return (uint16_t)work->keys_per_get;
    }
    return (
        uint16_t)(work->keys_per_get +
                  base_rand_below(&draw->rand, work->keys_per_get_max - work->keys_per_get + 1));
}

static enum bench_space draw_set_space(struct bench_draw *draw)
{
    if (draw->work->shares[BENCH_DELETE] == 0) {
        return draw->space;
    }
    draw->sets_deleted_key = !draw->sets_deleted_key;
    return draw->sets_deleted_key ? BENCH_SPACE_DELETED : draw->space;
}

/* One key of its space; the caller writes what is otherwise. Field by field: the times are the lane's. */
static inline void write_single(struct bench_request *request, enum bench_verb verb,
                                enum bench_space space, uint64_t number)
{
    request->verb = verb;
    request->space = space;
    request->quiet = false;
    request->key_count = 1;
    request->answered_count = 0;
    request->ttl_s = 0;
    request->version = 0;
    request->letters = 0;
    request->numbers[0] = number;
    request->more_numbers = NULL;
}

static void write_set(struct bench_draw *draw, struct bench_request *request,
                      enum bench_space space, uint64_t number)
{
    write_single(request, BENCH_SET, space, number);
    request->ttl_s = bench_keys_ttl_s(&draw->keys);
    request->version = ++draw->version;
}

static void draw_get(struct bench_draw *draw, struct bench_request *request, uint64_t *more_numbers)
{
    const uint16_t key_count = draw_key_count(draw);

    write_single(request, BENCH_GET, draw->space, bench_keys_next(&draw->keys));
    if (key_count > 1) {
        request->key_count = key_count;
        request->more_numbers = more_numbers;
        more_numbers[0] = request->numbers[0];
        for (uint16_t i = 1; i < key_count; i++) {
            more_numbers[i] = bench_keys_next(&draw->keys);
        }
    }
}

void bench_draw_next(struct bench_draw *draw, struct bench_request *request, uint64_t *more_numbers)
{
    switch (draw_verb(draw)) {
    case BENCH_GET:
        draw_get(draw, request, more_numbers);
        break;
    case BENCH_SET:
        write_set(draw, request, draw_set_space(draw), bench_keys_next(&draw->keys));
        request->quiet = draw->work->noreply;
        break;
    case BENCH_DELETE:
        write_single(request, BENCH_DELETE, BENCH_SPACE_DELETED, bench_keys_next(&draw->keys));
        break;
    case BENCH_INCR:
        write_single(request, BENCH_INCR, BENCH_SPACE_COUNTERS, bench_keys_next(&draw->keys));
        break;
    case BENCH_VERB_COUNT:
    default:
        NEVER("a verb is one of them");
    }
}

bool bench_draw_is_gets(const struct bench_draw *draw)
{
    return draw->only_verb == BENCH_GET && draw->work->keys_per_get_max <= 1;
}

void bench_draw_gets(struct bench_draw *draw, uint32_t count, uint64_t *numbers)
{
    bench_keys_draw(&draw->keys, count, numbers);
}

void bench_draw_fill(struct bench_draw *draw, enum bench_space space, uint64_t number,
                     struct bench_request *request)
{
    write_set(draw, request, space, number);
}

static bool is_stored(const struct bench_work *work, enum bench_space space)
{
    return space == BENCH_SPACE_VALUES ||
           (space == BENCH_SPACE_DELETED && work->shares[BENCH_DELETE] > 0) ||
           (space == BENCH_SPACE_COUNTERS && work->shares[BENCH_INCR] > 0);
}

bool bench_draw_store(struct bench_draw *draw, struct bench_request *request)
{
    while (draw->store_next == draw->store_end || !is_stored(draw->work, draw->store_space)) {
        if (draw->store_space == BENCH_SPACE_COUNTERS) {
            return false;
        }
        draw->store_space++;
        draw->store_next = draw->store_first;
    }
    write_set(draw, request,
              draw->store_space == BENCH_SPACE_VALUES ? draw->space : draw->store_space,
              draw->store_next++);
    return true;
}

uint64_t bench_draw_store_count(const struct bench_draw *draw)
{
    uint64_t count = 0;

    for (enum bench_space space = BENCH_SPACE_VALUES; space <= BENCH_SPACE_COUNTERS; space++) {
        count += is_stored(draw->work, space) ? draw->store_end - draw->store_first : 0;
    }
    return count;
}
