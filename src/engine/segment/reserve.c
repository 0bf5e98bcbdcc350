/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Room that is filled in place: reserve, then commit or abandon.
 *
 * The item lies where it will stay, with its key and all optional fields, but no entry points to
 * it. Small ones pin their segment: reclaim passes it by. What is reserved in too many segments is
 * refused, so that slow senders cannot hold the cache: LARDER_BUSY, and the host buffers.
 *
 * A put() of a very large value goes the same way, for the sake of the others: while a worker copied
 * 128 MiB in its epoch, nothing could be reclaimed. A room is its writer's alone, so he leaves.
 */
#include <stdlib.h>

#include "base/check.h"
#include "engine/segment/segment_priv.h"
#include "engine/segment/store.h"

enum {
    ROOM_LAYOUT = ITEM_HAS_CAS | ITEM_HAS_EXPIRY | ITEM_HAS_CLIENT_FLAGS,
};

static void rooms_add(struct larder_thread *thread, struct segment_room *room)
{
    CHECK(pthread_mutex_lock(&thread->rooms_lock) == 0);
    room->previous = NULL;
    room->next = thread->rooms;
    if (thread->rooms != NULL) {
        thread->rooms->previous = room;
    }
    thread->rooms = room;
    CHECK(pthread_mutex_unlock(&thread->rooms_lock) == 0);
}

/* Out of the list, freed. */
static void rooms_remove(struct larder_thread *thread, struct segment_room *room)
{
    CHECK(pthread_mutex_lock(&thread->rooms_lock) == 0);
    if (room->previous != NULL) {
        room->previous->next = room->next;
    } else {
        CHECK(thread->rooms == room);
        thread->rooms = room->next;
    }
    if (room->next != NULL) {
        room->next->previous = room->previous;
    }
    CHECK(pthread_mutex_unlock(&thread->rooms_lock) == 0);
    free(room);
}

static uint32_t large_number(const struct segment_room *room)
{
    return (uint32_t)(room->where & SLOT_PLACE_MASK);
}

/* Storage for a room's item. */
static enum larder_result room_storage(struct larder_thread *thread, struct segment_room *room)
{
    struct larder_engine *engine = thread->engine;
    struct segment_log *log = &engine->log;
    enum larder_result result;
    uint32_t number;

    if (room->size > engine->item_small_max) {
        /* Reserved objects cannot be evicted, so they may not be most of the cache. */
        if (atomic_load(&engine->large.private_bytes) + room->size >
            atomic_load(&log->memory_max) / 2) {
            return room->size > atomic_load(&log->memory_max) / 2 ? LARDER_TOO_LARGE : LARDER_BUSY;
        }
        result = segment_large_create(thread, room->size, &number);
        if (result == LARDER_OK) {
            room->where = SLOT_LARGE | number;
            (void)atomic_fetch_add(&engine->large.private_bytes, room->size);
        }
        return result;
    }
    if ((uint64_t)atomic_load(&log->pinned_count) * SEGMENT_PINNED_FRACTION >=
        atomic_load(&log->memory_max) >> engine->segment_shift) {
        return LARDER_BUSY;
    }
    if (!segment_log_fits(thread, SEGMENT_S, (uint32_t)room->size)) {
        result = segment_log_open(thread, SEGMENT_S);
        if (result != LARDER_OK) {
            return result;
        }
    }
    room->where = segment_log_append(thread, SEGMENT_S, (uint32_t)room->size);
    if (atomic_fetch_add(&engine->segments[segment_place_id(room->where)].pins, 1) == 0) {
        (void)atomic_fetch_add(&log->pinned_count, 1);
    }
    return LARDER_OK;
}

/* The room is over; its item is an entry's, or garbage. */
static void room_end(struct larder_thread *thread, struct segment_room *room, bool published)
{
    if ((room->where & SLOT_LARGE) != 0) {
        (void)atomic_fetch_sub(&thread->engine->large.private_bytes, room->size);
        if (!published) {
            segment_large_discard(thread->engine, large_number(room));
        }
    } else {
        if (!published) {
            segment_log_retract(thread, room->where, (uint32_t)room->size);
        }
        segment_log_unpin(thread, segment_place_id(room->where));
    }
    rooms_remove(thread, room);
}

enum larder_result segment_reserve(struct larder_thread *thread, const struct larder_key *key,
                                   uint64_t value_size, struct larder_room *ret_room)
{
    struct segment_plan plan = {.layout = ROOM_LAYOUT, .value_size = value_size};
    enum larder_result result;
    struct segment_room *room;

    CHECK(thread->entered && key->size > 0 && key->size < 256);
    if (segment_item_room(0, key->size, value_size) > thread->engine->item_size_max) {
        return LARDER_TOO_LARGE;
    }
    room = calloc(1, sizeof(*room));
    if (room == NULL) {
        return LARDER_BUSY;
    }
    plan.layout |= value_size > ITEM_SMALL_SIZE_MAX ? ITEM_HAS_BIG_SIZE : 0u;
    room->size = segment_item_room(plan.layout, key->size, value_size);
    room->since_s = thread->now_s;
    result = room_storage(thread, room);
    if (result != LARDER_OK) {
        free(room);
        return result;
    }
    room->item = segment_item_at(thread->engine, room->where);
    segment_item_write(room->item, thread, &plan, key->size, 0);
    ret_room->value = segment_item_field(room->item, plan.layout);
    memcpy(ret_room->value, key->data, key->size);
    room->key = (struct larder_key){ret_room->value, key->size, key->hash};
    ret_room->value += key->size;
    ret_room->value_size = value_size;
    ret_room->engine_data[0] = room;
    rooms_add(thread, room);
    return LARDER_OK;
}

void segment_abandon(struct larder_thread *thread, struct larder_room *room)
{
    CHECK(room->engine_data[0] != NULL);
    room_end(thread, room->engine_data[0], false);
    room->engine_data[0] = NULL;
    room->value = NULL;
}

/* The item's storage was filled before a flush: it would be gone at once. Store a copy. */
static enum larder_result commit_copy(struct larder_thread *thread, struct larder_room *room,
                                      const struct larder_key *key, struct larder_put *put)
{
    const struct larder_piece piece = {room->value, room->value_size};
    struct larder_put copy = *put;
    enum larder_result result;

    copy.pieces = &piece;
    copy.piece_count = 1;
    result = segment_put(thread, key, &copy);
    put->ret_cas = copy.ret_cas;
    if (result != LARDER_BUSY) {
        segment_abandon(thread, room);
    }
    return result;
}

/*
 * A large object's age begins with its commit. A flush that comes right behind takes it, as one that
 * comes later would: to copy it once more could fail, and put_apart() has nobody to tell.
 */
static bool still_young(struct larder_thread *thread, const struct segment_room *room)
{
    struct larder_engine *engine = thread->engine;

    if ((room->where & SLOT_LARGE) == 0) {
        return !segment_flushed_at(engine, room->where);
    }
    segment_log_lock(engine);
    atomic_store_explicit(&engine->large.objects[large_number(room)].sequence,
                          segment_sequence_next(engine), memory_order_relaxed);
    segment_log_unlock(engine);
    return true;
}

/* Fields that commit() decides, in a layout that reserve() fixed. */
static enum larder_result commit_plan(struct larder_thread *thread, const struct larder_key *key,
                                      const struct larder_put *put, const struct segment_room *room,
                                      struct segment_plan *ret_plan)
{
    enum larder_result result =
        segment_plan(thread, key, put, segment_item_value_size(room->item, ROOM_LAYOUT), ret_plan);

    if (result == LARDER_OK) {
        ret_plan->layout = segment_item_state(room->item) & ITEM_LAYOUT;
        ret_plan->value_size = segment_item_value_size(room->item, ret_plan->layout);
        if (ret_plan->cas == 0) {
            ret_plan->cas = segment_sequence_next(thread->engine) << SEGMENT_OFFSET_BITS;
        }
    }
    return result;
}

enum larder_result segment_commit(struct larder_thread *thread, struct larder_room *room,
                                  struct larder_put *put)
{
    struct segment_room *inner = room->engine_data[0];
    struct segment_plan plan;
    enum larder_result result;
    struct larder_key key;

    CHECK(thread->entered && inner != NULL);
    key = inner->key;
    if (!still_young(thread, inner)) {
        return commit_copy(thread, room, &key, put);
    }
    do {
        result = commit_plan(thread, &key, put, inner, &plan);
        if (result != LARDER_OK) {
            break;
        }
        segment_item_write(inner->item, thread, &plan, key.size, put->marks);
    } while (!segment_publish(thread, &key, &plan, inner->where, inner->item, &result));
    if (result == LARDER_OK) {
        put->ret_cas = plan.cas;
        SEGMENT_COUNT(thread, total_items);
    }
    room_end(thread, inner, result == LARDER_OK);
    room->engine_data[0] = NULL;
    room->value = NULL;
    return result;
}

static void copy_apart(struct larder_thread *thread, char *to, const struct larder_put *put)
{
    thread->turns++;
    engine_epoch_leave(&thread->reader);
    for (uint32_t i = 0; i < put->piece_count; i++) {
        if (put->pieces[i].size > 0) {
            memcpy(to, put->pieces[i].data, put->pieces[i].size);
            to += put->pieces[i].size;
        }
    }
    engine_epoch_enter(&thread->reader);
}

enum larder_result segment_put_apart(struct larder_thread *thread, const struct larder_key *key,
                                     struct larder_put *put, uint64_t value_size)
{
    struct larder_room room = {0};
    struct segment_plan plan;
    enum larder_result result;

    CHECK(thread->lent_count == 0);
    /* What cannot be stored is not copied; commit() asks again. */
    result = segment_plan(thread, key, put, value_size, &plan);
    if (result == LARDER_OK) {
        result = segment_reserve(thread, key, value_size, &room);
    }
    if (result != LARDER_OK) {
        return result;
    }
    copy_apart(thread, room.value, put);
    result = segment_commit(thread, &room, put);
    CHECK(result != LARDER_BUSY); /* a room for a large object is never too old */
    return result;
}

void segment_pins(struct larder_engine *engine, uint32_t now_s, larder_pin_fn fn, void *arg)
{
    bool more = true;

    CHECK_OBJ(engine, SEGMENT_ENGINE_MAGIC);
    for (uint32_t i = 0; i < engine->worker_count && more; i++) {
        struct larder_thread *thread = &engine->contexts[i];

        CHECK(pthread_mutex_lock(&thread->rooms_lock) == 0);
        for (struct segment_room *room = thread->rooms; room != NULL && more; room = room->next) {
            more = fn(arg, room->key.data, room->key.size, room->size, 1,
                      now_s > room->since_s ? now_s - room->since_s : 0);
        }
        CHECK(pthread_mutex_unlock(&thread->rooms_lock) == 0);
    }
}
