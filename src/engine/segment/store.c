/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Storing, removing, touching, marking: what workers change.
 *
 * A store is optimistic. It looks the key up without a lock and plans: do the conditions hold,
 * which optional fields, which log. It writes the item into its own open segment. Then, under the
 * stripe's lock, it checks that the key's entry is still what it planned for, and switches it.
 * If not it takes the bytes back and plans again; another thread has got on, so nobody starves
 * the others. Copying happens outside the lock, and losing a condition costs one lookup.
 */
#include "base/check.h"
#include "engine/segment/segment_priv.h"

void segment_item_gone(struct larder_thread *thread, uint64_t value,
                       const struct segment_item *item)
{
    uint64_t size = segment_item_size(item);

    segment_count_by(thread, SEGMENT_COUNT_items, (uint64_t)-1);
    segment_count_by(thread, SEGMENT_COUNT_bytes, 0 - size);
    if ((value & SLOT_LARGE) != 0) {
        segment_large_retire(thread->engine, (uint32_t)(value & SLOT_PLACE_MASK));
    } else {
        segment_log_drop_live(thread, segment_place_id(value), (uint32_t)size);
    }
}

/* Can the entry's item be read at this time? */
static bool entry_live(const struct larder_engine *engine, uint64_t value, uint32_t now_s)
{
    const struct segment_item *item = segment_item_at(engine, value);

    return !segment_flushed_at(engine, value) &&
           !segment_item_expired(segment_item_expiry(item, segment_item_state(item)), now_s);
}

/* The index's side of an entry that is replaced or erased although its time was over. */
static void count_dead(struct larder_thread *thread, uint64_t value,
                       const struct segment_item *item)
{
    SEGMENT_COUNT(thread, reclaimed);
    if (!segment_flushed_at(thread->engine, value)) {
        if ((segment_item_state(item) & LARDER_MARK_FETCHED) == 0) {
            SEGMENT_COUNT(thread, expired_unfetched);
        }
        segment_event(thread->engine, LARDER_EVENT_EXPIRED, value, item, thread->now_s);
    }
}

static enum larder_result check_condition(const struct segment_plan *plan,
                                          const struct larder_put *put, uint64_t cas)
{
    switch ((enum larder_condition)put->condition) {
    case LARDER_COND_NONE:
        return LARDER_OK;
    case LARDER_COND_ABSENT:
        return plan->live ? LARDER_EXISTS : LARDER_OK;
    case LARDER_COND_PRESENT:
        return plan->live ? LARDER_OK : LARDER_MISS;
    case LARDER_COND_CAS:
        if (!plan->live) {
            return LARDER_MISS;
        }
        return cas == put->cas_expected ? LARDER_OK : LARDER_EXISTS;
    }
    NEVER("a condition outside its enum");
}

/* Which log: M for what came back, or replaces what is in M; S for what is new. */
static uint32_t choose_log(const struct larder_engine *engine, const struct segment_plan *plan,
                           uint64_t ghost)
{
    if (plan->live) {
        if ((plan->hit.value & SLOT_LARGE) != 0) {
            return SEGMENT_S;
        }
        return atomic_load_explicit(&engine->segments[segment_place_id(plan->hit.value)].log,
                                    memory_order_relaxed);
    }
    return ghost != 0 && segment_index_ghost_valid(&engine->index, ghost) ? SEGMENT_M : SEGMENT_S;
}

/*
 * The cas: where the item will lie, unless that is not above the replaced item's. Then it is
 * written out, from a number that nobody else gets.
 */
static void choose_cas(struct larder_thread *thread, const struct larder_put *put, uint64_t old,
                       bool large, struct segment_plan *plan)
{
    const struct segment_writer *writer = &thread->writers[plan->log];
    uint64_t derived = (writer->sequence << SEGMENT_OFFSET_BITS) | (writer->offset >> 3);

    plan->cas = put->cas_assign;
    if (plan->cas == 0 && (large || derived <= old)) {
        plan->cas = segment_sequence_next(thread->engine) << SEGMENT_OFFSET_BITS;
    }
    if (plan->cas != 0) {
        plan->layout |= ITEM_HAS_CAS;
    }
}

enum larder_result segment_plan(struct larder_thread *thread, const struct larder_key *key,
                                const struct larder_put *put, uint64_t value_size,
                                struct segment_plan *ret_plan)
{
    struct larder_engine *engine = thread->engine;
    struct segment_plan plan = {.value_size = value_size,
                                .client_flags = put->client_flags,
                                .expires_at_s = put->expires_at_s};
    uint64_t ghost = 0;
    uint64_t old_cas = 0;
    enum larder_result result;
    bool large;

    plan.hit = segment_find(engine, key, &ghost);
    if (plan.hit.bucket != NULL) {
        const struct segment_item *item = segment_item_at(engine, plan.hit.value);
        uint32_t state = segment_item_state(item);

        plan.live = entry_live(engine, plan.hit.value, thread->now_s);
        old_cas = segment_cas_at(engine, plan.hit.value, item, state);
        if (plan.live && put->keep_expiry) {
            plan.keep = true;
            plan.client_flags = segment_item_client_flags(item, state);
            plan.expires_at_s = segment_item_expiry(item, state);
            plan.layout |= state & ITEM_HAS_EXPIRY; /* a touch meanwhile may change the value */
        }
        plan.bits = plan.live ? plan.hit.value & SLOT_FREQ_MASK : 0;
    }
    plan.bits |= put->show_cas ? SLOT_CAS_SHOWN : 0;
    result = check_condition(&plan, put, old_cas);
    if (result != LARDER_OK) {
        return result;
    }
    plan.log = choose_log(engine, &plan, ghost);
    plan.ghost_hit = !plan.live && plan.log == SEGMENT_M;
    plan.layout |= plan.expires_at_s != 0 ? ITEM_HAS_EXPIRY : 0u;
    plan.layout |= plan.client_flags != 0 ? ITEM_HAS_CLIENT_FLAGS : 0u;
    plan.layout |= value_size > ITEM_SMALL_SIZE_MAX ? ITEM_HAS_BIG_SIZE : 0u;
    /* A large object has room for an expiry time, so that touch() need not copy it. */
    large = segment_item_room(plan.layout, key->size, value_size) > engine->item_small_max;
    plan.layout |= large ? ITEM_HAS_EXPIRY : 0u;
    choose_cas(thread, put, old_cas, large, &plan);
    *ret_plan = plan;
    return LARDER_OK;
}

void segment_item_write(struct segment_item *item, const struct larder_thread *thread,
                        const struct segment_plan *plan, uint32_t key_size, uint32_t marks)
{
    uint32_t bits = plan->layout;

    item->sizes = key_size;
    if ((bits & ITEM_HAS_BIG_SIZE) == 0) {
        item->sizes |= (uint32_t)plan->value_size << 8;
    } else {
        memcpy(segment_item_field(item, bits & ITEM_HAS_CAS), &plan->value_size,
               sizeof(plan->value_size));
    }
    atomic_store_explicit(&item->state, (thread->now_s << 8) | bits | (marks & ITEM_MARKS),
                          memory_order_relaxed);
    if ((bits & ITEM_HAS_CAS) != 0) {
        memcpy(segment_item_field(item, 0), &plan->cas, sizeof(plan->cas));
    }
    if ((bits & ITEM_HAS_EXPIRY) != 0) {
        atomic_store_explicit(segment_item_expiry_field(item, bits), plan->expires_at_s,
                              memory_order_relaxed);
    }
    if ((bits & ITEM_HAS_CLIENT_FLAGS) != 0) {
        memcpy(
            segment_item_field(item, bits & (ITEM_HAS_CAS | ITEM_HAS_BIG_SIZE | ITEM_HAS_EXPIRY)),
            &plan->client_flags, sizeof(plan->client_flags));
    }
}

/* Under the stripe's lock: is the key's entry what the plan saw? */
static bool plan_holds(const struct larder_thread *thread, const struct segment_plan *plan,
                       const struct segment_hit *now)
{
    if ((plan->hit.bucket == NULL) != (now->bucket == NULL)) {
        return false;
    }
    if (now->bucket == NULL) {
        return true;
    }
    return ((plan->hit.value ^ now->value) & SLOT_WHERE_MASK) == 0 &&
           plan->live == entry_live(thread->engine, now->value, thread->now_s);
}

/* What may have changed in the old item since the plan, under the stripe's lock. */
static void carry_over(const struct larder_engine *engine, const struct segment_plan *plan,
                       const struct segment_hit *old, struct segment_item *item)
{
    const struct segment_item *before = segment_item_at(engine, old->value);
    uint32_t state = segment_item_state(before);

    if (plan->keep && (state & ITEM_HAS_EXPIRY) != 0) {
        atomic_store_explicit(segment_item_expiry_field(item, plan->layout),
                              segment_item_expiry(before, state), memory_order_relaxed);
    }
    if (plan->same_value) {
        uint32_t kept = state & ~(uint32_t)ITEM_LAYOUT;
        atomic_store_explicit(&item->state, kept | plan->layout, memory_order_relaxed);
    }
}

void segment_count_no_slot(struct larder_thread *thread, uint64_t value,
                           const struct segment_item *item)
{
    if (entry_live(thread->engine, value, thread->now_s)) {
        SEGMENT_COUNT(thread, evictions);
        SEGMENT_COUNT(thread, index_evictions);
        segment_event(thread->engine, LARDER_EVENT_EVICTED, value, item, thread->now_s);
    }
}

/* Under the stripe's lock. No slot was free: the least read item within reach makes room. */
static bool evict_from_index(struct larder_thread *thread, uint64_t hash,
                             struct segment_hit *ret_victim)
{
    struct larder_engine *engine = thread->engine;

    if (!engine->evict || !segment_index_coldest(&engine->index, hash, ret_victim)) {
        return false;
    }
    segment_count_no_slot(thread, ret_victim->value, segment_item_at(engine, ret_victim->value));
    segment_index_erase(&engine->index, hash, ret_victim);
    return true;
}

/* No slot was free for a new entry: make one. LARDER_OK: plan again. */
static enum larder_result make_slot(struct larder_thread *thread, uint64_t hash,
                                    struct segment_stripe *stripe)
{
    struct larder_engine *engine = thread->engine;
    struct segment_hit victim;
    bool evicted;

    if (segment_grow_now(thread, segment_index_stripe(&engine->index, hash))) {
        return LARDER_OK;
    }
    segment_index_lock(stripe);
    evicted = evict_from_index(thread, hash, &victim);
    segment_index_unlock(stripe);
    if (!evicted) {
        SEGMENT_COUNT(thread, no_space);
        return LARDER_NO_SPACE;
    }
    segment_item_gone(thread, victim.value, segment_item_at(engine, victim.value));
    return LARDER_OK;
}

/* Count an item before anybody can see it; `sign` -1: nobody will. */
static void count_item(struct larder_thread *thread, uint64_t where,
                       const struct segment_plan *plan, const struct segment_item *item, int sign)
{
    uint64_t size = segment_item_size(item);

    segment_count_by(thread, SEGMENT_COUNT_items, (uint64_t)(int64_t)sign);
    segment_count_by(thread, SEGMENT_COUNT_bytes, sign > 0 ? size : 0 - size);
    if ((where & SLOT_LARGE) != 0) {
        return;
    }
    if (sign > 0) {
        segment_log_add_live(thread->engine, segment_place_id(where), (uint32_t)size,
                             plan->expires_at_s, thread->now_s);
    } else {
        segment_log_drop_live(thread, segment_place_id(where), (uint32_t)size);
    }
}

/* The item can be seen: its storage may be reclaimed from now on. */
static void published(struct larder_thread *thread, uint64_t where)
{
    if ((where & SLOT_LARGE) != 0) {
        SEGMENT_COUNT(thread, large_sets);
        segment_large_list(thread->engine, (uint32_t)(where & SLOT_PLACE_MASK));
    }
}

bool segment_publish(struct larder_thread *thread, const struct larder_key *key,
                     const struct segment_plan *plan, uint64_t where, struct segment_item *item,
                     enum larder_result *ret_result)
{
    struct larder_engine *engine = thread->engine;
    struct segment_index *index = &engine->index;
    struct segment_stripe *stripe = &index->stripes[segment_index_stripe(index, key->hash)];
    uint64_t value = where | plan->bits;
    struct segment_hit hit;

    segment_index_lock(stripe);
    hit = segment_find(engine, key, NULL);
    *ret_result = LARDER_OK;
    if (!plan_holds(thread, plan, &hit)) {
        segment_index_unlock(stripe);
        return false;
    }
    if (hit.bucket == NULL) {
        bool inserted;

        count_item(thread, where, plan, item, +1);
        inserted = segment_index_insert(index, segment_index_table_of(index, key->hash), key->hash,
                                        value) == SEGMENT_INSERTED;
        segment_index_unlock(stripe);
        if (!inserted) {
            count_item(thread, where, plan, item, -1);
            *ret_result = make_slot(thread, key->hash, stripe);
            return *ret_result != LARDER_OK;
        }
        published(thread, where);
        segment_grow_account(thread);
        return true;
    }
    carry_over(engine, plan, &hit, item);
    count_item(thread, where, plan, item, +1);
    value |= hit.value & (SLOT_EXTRA_MASK | SLOT_PROBE_MASK);
    value |= plan->same_value ? hit.value & SLOT_CAS_SHOWN : 0;
    /* Release: the item is complete. A reader's last frequency bump may be lost. */
    atomic_store_explicit(&hit.bucket->slots[hit.slot], value, memory_order_release);
    segment_index_unlock(stripe);
    published(thread, where);
    if (!plan->live) {
        count_dead(thread, hit.value, segment_item_at(engine, hit.value));
    }
    segment_item_gone(thread, hit.value, segment_item_at(engine, hit.value));
    return true;
}

static uint64_t pieces_size(const struct larder_put *put)
{
    uint64_t size = 0;

    for (uint32_t i = 0; i < put->piece_count; i++) {
        size += put->pieces[i].size;
    }
    return size;
}

static void copy_pieces(char *to, const struct larder_put *put)
{
    for (uint32_t i = 0; i < put->piece_count; i++) {
        if (put->pieces[i].size > 0) {
            memcpy(to, put->pieces[i].data, put->pieces[i].size);
            to += put->pieces[i].size;
        }
    }
}

/* Storage for the planned item. LARDER_OK with *ret_where 0: the turn is new, plan again. */
static enum larder_result make_room(struct larder_thread *thread, const struct segment_plan *plan,
                                    uint64_t size, uint64_t *ret_where)
{
    uint32_t turns = thread->turns;
    enum larder_result result;
    uint32_t number;

    *ret_where = 0;
    if (size > thread->engine->item_small_max) {
        result = segment_large_create(thread, size, &number);
        if (result != LARDER_OK) {
            return result;
        }
        if (thread->turns != turns) {
            /* The room is made, which took long; the next try finds it at once. */
            segment_large_discard(thread->engine, number);
            return LARDER_OK;
        }
        *ret_where = SLOT_LARGE | number;
        return LARDER_OK;
    }
    if (!segment_log_fits(thread, plan->log, (uint32_t)size)) {
        return segment_log_open(thread, plan->log);
    }
    *ret_where = segment_log_append(thread, plan->log, (uint32_t)size);
    return LARDER_OK;
}

static void drop_room(struct larder_thread *thread, uint64_t where, uint64_t size)
{
    if ((where & SLOT_LARGE) != 0) {
        segment_large_discard(thread->engine, (uint32_t)(where & SLOT_PLACE_MASK));
    } else {
        segment_log_retract(thread, where, (uint32_t)size);
    }
}

/* Write the planned item into new storage and publish it. `again`: plan anew. */
static enum larder_result store_planned(struct larder_thread *thread, const struct larder_key *key,
                                        struct larder_put *put, const struct segment_plan *plan,
                                        bool *ret_again)
{
    uint64_t size = segment_item_room(plan->layout, key->size, plan->value_size);
    enum larder_result result;
    struct segment_item *item;
    uint64_t where;
    char *bytes;

    result = make_room(thread, plan, size, &where);
    *ret_again = result == LARDER_OK;
    if (result != LARDER_OK || where == 0) {
        return result;
    }
    item = segment_item_at(thread->engine, where);
    segment_item_write(item, thread, plan, key->size, put->marks);
    bytes = segment_item_field(item, plan->layout);
    memcpy(bytes, key->data, key->size);
    copy_pieces(bytes + key->size, put);
    if (!segment_publish(thread, key, plan, where, item, &result)) {
        SEGMENT_COUNT(thread, put_retries);
        drop_room(thread, where, size);
        return result;
    }
    *ret_again = false;
    if (result != LARDER_OK) {
        drop_room(thread, where, size);
        return result;
    }
    put->ret_cas = segment_cas_at(thread->engine, where, item, segment_item_state(item));
    return LARDER_OK;
}

enum larder_result segment_put(struct larder_thread *thread, const struct larder_key *key,
                               struct larder_put *put)
{
    uint64_t value_size = pieces_size(put);
    enum larder_result result;
    struct segment_plan plan;
    bool again = true;

    CHECK(thread->entered && key->size > 0 && key->size < 256);
    if (segment_item_room(0, key->size, value_size) > thread->engine->item_size_max) {
        return LARDER_TOO_LARGE;
    }
    do {
        result = segment_plan(thread, key, put, value_size, &plan);
        if (result != LARDER_OK) {
            return result;
        }
        result = store_planned(thread, key, put, &plan, &again);
    } while (again);
    if (result == LARDER_OK) {
        SEGMENT_COUNT(thread, total_items);
        if (plan.ghost_hit) {
            SEGMENT_COUNT(thread, ghost_hits);
        }
    }
    return result;
}

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
    if (hit.bucket != NULL && !entry_live(engine, hit.value, thread->now_s)) {
        segment_index_erase(&engine->index, key->hash, &hit);
        segment_index_unlock(*ret_stripe);
        count_dead(thread, hit.value, segment_item_at(engine, hit.value));
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

/* touch() of an item that has no field for it: the same item, cas and all, with one. */
static enum larder_result rewrite_with_expiry(struct larder_thread *thread,
                                              const struct larder_key *key, uint32_t expires_at_s,
                                              bool *ret_again)
{
    struct larder_engine *engine = thread->engine;
    struct segment_plan plan = {.live = true, .same_value = true, .expires_at_s = expires_at_s};
    const struct segment_item *item;
    struct larder_piece piece;
    struct larder_put put = {.pieces = &piece, .piece_count = 1};
    uint32_t state;

    *ret_again = true;
    plan.hit = segment_find(engine, key, NULL);
    if (plan.hit.bucket == NULL) {
        *ret_again = false;
        return LARDER_MISS;
    }
    item = segment_item_at(engine, plan.hit.value);
    state = segment_item_state(item);
    if ((state & ITEM_HAS_EXPIRY) != 0) {
        return LARDER_OK; /* somebody else gave it one */
    }
    plan.layout = (state & ITEM_LAYOUT) | ITEM_HAS_EXPIRY | ITEM_HAS_CAS;
    plan.client_flags = segment_item_client_flags(item, state);
    plan.cas = segment_cas_at(engine, plan.hit.value, item, state);
    plan.value_size = segment_item_value_size(item, state);
    plan.bits = plan.hit.value & SLOT_FREQ_MASK;
    plan.log = choose_log(engine, &plan, 0);
    piece.data = segment_item_key(item, state) + key->size;
    piece.size = plan.value_size;
    return store_planned(thread, key, &put, &plan, ret_again);
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
        result = rewrite_with_expiry(thread, key, expires_at_s, &again);
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
