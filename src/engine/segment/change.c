/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Removing, touching, marking: what workers change of items that are there. Each looks the key up
 * under its stripe's lock; touch() of an item without a field for an expiry time stores it anew.
 */
#include "base/check.h"
#include "engine/segment/segment_priv.h"
#include "engine/segment/store.h"

/* The stripe's lock held, the key's live entry; or the lock given back and bucket NULL. */
static struct segment_hit lock_live(struct larder_thread *thread, const struct larder_key *key,
                                    struct segment_stripe **ret_stripe)
{
    struct larder_engine *engine = thread->engine;
    struct segment_hit hit;

    CHECK(thread->entered);
    *ret_stripe = &engine->index.stripes[segment_index_stripe(&engine->index, key->hash)];
    segment_index_lock(*ret_stripe);
    hit = segment_find(engine, key, NULL);
    if (hit.bucket != NULL &&
        !segment_entry_live(engine, hit.value, segment_item_at(engine, hit.value), thread->now_s)) {
        segment_index_erase(&engine->index, key->hash, &hit);
        segment_index_unlock(*ret_stripe);
        segment_count_dead(thread, hit.value, segment_item_at(engine, hit.value));
        segment_item_gone(thread, hit.value, segment_item_at(engine, hit.value));
        hit.bucket = NULL;
    } else if (hit.bucket == NULL) {
        segment_index_unlock(*ret_stripe);
    }
    return hit;
}

enum larder_result segment_remove(struct larder_thread *thread, const struct larder_key *key,
                                  uint64_t cas_expected)
{
    struct larder_engine *engine = thread->engine;
    struct segment_stripe *stripe;
    struct segment_hit hit = lock_live(thread, key, &stripe);
    struct segment_item *item;

    if (hit.bucket == NULL) {
        return LARDER_MISS;
    }
    item = segment_item_at(engine, hit.value);
    if (cas_expected != 0 &&
        cas_expected != segment_cas_at(engine, hit.value, item, segment_item_state(item))) {
        segment_index_unlock(stripe);
        return LARDER_EXISTS;
    }
    segment_index_erase(&engine->index, key->hash, &hit);
    segment_index_unlock(stripe);
    segment_item_gone(thread, hit.value, item);
    return LARDER_OK;
}

enum larder_result segment_touch(struct larder_thread *thread, const struct larder_key *key,
                                 uint32_t expires_at_s)
{
    struct larder_engine *engine = thread->engine;
    enum larder_result result;
    bool again;

    do {
        struct segment_stripe *stripe;
        struct segment_hit hit = lock_live(thread, key, &stripe);
        struct segment_item *item;
        uint32_t state;

        if (hit.bucket == NULL) {
            return LARDER_MISS;
        }
        item = segment_item_at(engine, hit.value);
        state = segment_item_state(item);
        if ((state & ITEM_HAS_EXPIRY) != 0 || expires_at_s == 0) {
            if ((state & ITEM_HAS_EXPIRY) != 0) {
                atomic_store_explicit(segment_item_expiry_field(item, state), expires_at_s,
                                      memory_order_relaxed);
                segment_note_expiry(engine, hit.value, expires_at_s);
            }
            segment_index_unlock(stripe);
            return LARDER_OK;
        }
        segment_index_unlock(stripe);
        result = segment_store_expiry(thread, key, expires_at_s, &again);
    } while (again);
    return result;
}

enum larder_result segment_mark(struct larder_thread *thread, const struct larder_key *key,
                                uint64_t cas, uint32_t set, uint32_t clear, uint32_t *ret_before)
{
    struct larder_engine *engine = thread->engine;
    struct segment_stripe *stripe;
    struct segment_hit hit = lock_live(thread, key, &stripe);
    struct segment_item *item;
    uint32_t state;

    if (hit.bucket == NULL) {
        return LARDER_MISS;
    }
    item = segment_item_at(engine, hit.value);
    state = segment_item_state(item);
    if (segment_cas_at(engine, hit.value, item, state) != cas) {
        segment_index_unlock(stripe);
        return LARDER_EXISTS;
    }
    /* Under the lock against relocation, by compare-and-swap against readers. */
    while (!atomic_compare_exchange_weak_explicit(
        &item->state, &state, (state & ~(clear & ITEM_MARKS)) | (set & ITEM_MARKS),
        memory_order_relaxed, memory_order_relaxed)) {
    }
    segment_index_unlock(stripe);
    *ret_before = state & ITEM_MARKS;
    return LARDER_OK;
}
