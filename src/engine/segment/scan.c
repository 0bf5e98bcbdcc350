/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Walking all items.
 *
 * The walk goes stripe by stripe, slot by slot, without a lock, in the guest context's epoch. An
 * entry never changes its slot within one table, so what lives throughout is met once; when a
 * stripe has moved to a longer table since the last call, the walk begins that stripe again.
 *
 *   cursor   stripe:20 | table generation:12 | slot in the stripe + 1:32
 *
 * An item for which the function returned false is not seen: the next call begins with it. A call
 * passes a bounded number of slots, too: after a flush there may be no item in millions.
 */
#include "base/check.h"
#include "engine/segment/segment_priv.h"

enum {
    GENERATION_MASK = 0xfff,
    SLOTS_PER_ITEM = 16, /* slots a call may pass for each item it may visit */
};

/* What a call may do yet. */
struct allowance {
    uint64_t items;
    uint64_t slots;
};

static uint64_t make_cursor(uint32_t stripe, const struct segment_table *table, uint64_t position)
{
    return ((uint64_t)stripe << 44) | ((uint64_t)(table->generation & GENERATION_MASK) << 32) |
           (position + 1);
}

/* The slot's item, if it can be read. */
static bool read_slot(const struct larder_engine *engine, struct segment_bucket *bucket,
                      uint32_t slot, uint32_t now_s, struct larder_ref *ret_ref)
{
    uint64_t info = atomic_load_explicit(&bucket->info, memory_order_acquire);
    uint64_t value = atomic_load_explicit(&bucket->slots[slot], memory_order_acquire);

    if ((info >> (8 * slot) & 0xff) == 0 || value == 0 || (value & SLOT_GHOST) != 0 ||
        segment_flushed_at(engine, value)) {
        return false;
    }
    segment_fill_ref(engine, value, segment_item_at(engine, value), now_s, ret_ref);
    return !segment_item_expired(ret_ref->expires_at_s, now_s);
}

/* One stripe from `position` on. Returns the next position, or UINT64_MAX at its end. */
static uint64_t scan_stripe(const struct larder_engine *engine, uint32_t stripe,
                            const struct segment_table *table, uint64_t position, uint32_t now_s,
                            struct allowance *left, larder_scan_fn fn, void *arg)
{
    uint64_t end = (uint64_t)table->per * INDEX_SLOTS;

    for (; position < end; position++) {
        struct segment_bucket *bucket =
            table->buckets + (uint64_t)stripe * table->per + position / INDEX_SLOTS;
        struct larder_ref ref;

        if (left->items == 0 || left->slots == 0) {
            left->items = 0;
            return position;
        }
        left->slots--;
        if (read_slot(engine, bucket, (uint32_t)(position % INDEX_SLOTS), now_s, &ref)) {
            if (!fn(arg, &ref)) {
                left->items = 0;
                return position;
            }
            left->items--;
        }
    }
    return UINT64_MAX;
}

void segment_scan(struct larder_engine *engine, uint32_t now_s, uint64_t *cursor,
                  uint32_t items_max, larder_scan_fn fn, void *arg)
{
    struct larder_thread *guest = segment_guest(engine);
    struct allowance left = {items_max, (uint64_t)items_max * SLOTS_PER_ITEM};
    uint64_t stripe = *cursor >> 44;
    uint64_t next = 0;

    CHECK_OBJ(engine, SEGMENT_ENGINE_MAGIC);
    CHECK(pthread_mutex_lock(&engine->guest_lock) == 0);
    engine_epoch_enter(&guest->reader);
    for (; stripe < engine->index.stripe_count && next == 0; stripe++) {
        const struct segment_table *table = segment_index_table(&engine->index, (uint32_t)stripe);
        uint64_t position = 0;

        if (*cursor != 0 && stripe == *cursor >> 44 &&
            ((*cursor >> 32) & GENERATION_MASK) == (table->generation & GENERATION_MASK)) {
            position = (*cursor & 0xffffffff) - 1;
        }
        position = scan_stripe(engine, (uint32_t)stripe, table, position, now_s, &left, fn, arg);
        if (position != UINT64_MAX) {
            next = make_cursor((uint32_t)stripe, table, position);
        }
    }
    engine_epoch_leave(&guest->reader);
    CHECK(pthread_mutex_unlock(&engine->guest_lock) == 0);
    *cursor = next;
}
