/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Making room: S3-FIFO over segments, and what is dead first.
 *
 * A victim is chosen under log.lock, in this order:
 *   1. a segment of which nothing can be read any more: flushed, or its last expiry time is over
 *   2. the segment with the least that can be read, if that is half of it or less: compaction. Each
 *      choice looks at LOOKS segments more, in turn, and at the best of those seen before. So it
 *      costs the same in any memory, and what it knows of a segment is no older than the time in
 *      which 1/LOOKS of the memory is written anew. Of up to LOOKS segments it sees all.
 *   3. S's oldest if S has its share (15 %), else M's oldest; or the oldest large object if that
 *      is older still
 * and walked without it, an item at a time under its stripe's lock. An item is dead if its entry
 * points elsewhere. From S, items read twice or more move to M, others leave a ghost. From M, items
 * that were read at all since their last turn move to M's head with one read less, others go.
 * Compaction keeps what can be read, where it was. At most 7/8 of a segment of M is kept, so a
 * cache whose every item is hot still makes room for the next.
 *
 * S3-FIFO: Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023.
 */
#include "base/check.h"
#include "base/clock.h"
#include "engine/segment/segment_priv.h"
#include "engine/segment/store.h"

enum {
    BATCH = 16,             /* items whose index lines are fetched together */
    LOOKS = 256,            /* segments, or large objects, looked at under one hold of log.lock */
    SEARCHES_MAX = 16,      /* times LOOKS, while nothing is known to be dead or worth compacting */
    LARGE_CHANCES_MAX = 64, /* second chances before a large object goes in any case */
    PROMOTE_FREQ = 2,       /* reads in S that make an item worth keeping; S3-FIFO */
};

enum purpose { PURPOSE_DEAD, PURPOSE_COMPACT, PURPOSE_EVICT };

struct victim {
    uint32_t id;     /* segment, or 0 */
    uint32_t number; /* large object, or 0 */
    uint32_t log;
    enum purpose purpose;
    uint32_t kept_max; /* bytes that may be moved to another segment */
    uint32_t kept;     /* bytes moved */
};

/* ---- choosing; under log.lock ---- */

static bool all_dead(const struct larder_engine *engine, uint32_t id, uint32_t now_s)
{
    uint32_t max = atomic_load_explicit(&engine->segments[id].expiry_max, memory_order_relaxed);

    return atomic_load_explicit(&engine->sequences[id], memory_order_relaxed) <
               atomic_load_explicit(&engine->flush_sequence, memory_order_relaxed) ||
           (max != UINT32_MAX && max <= now_s);
}

static bool pinned(const struct larder_engine *engine, uint32_t id)
{
    return atomic_load(&engine->segments[id].pins) != 0;
}

/*
 * Does moving what can be read win anything? Who evicts takes the segment with the least, down from
 * half; who may not goes on for small gains, but segments that items of an unhandy size cannot fill
 * are no gain.
 */
static bool worth_compacting(const struct larder_engine *engine, uint32_t id, uint32_t estimate)
{
    uint32_t used = atomic_load_explicit(&engine->segments[id].used, memory_order_relaxed);

    if (engine->evict || used < engine->segment_size / 2) {
        return estimate <= engine->segment_size / 2;
    }
    return used - estimate >= engine->segment_size / 16;
}

/* Is it one that may be taken? */
static bool takeable(const struct larder_engine *engine, uint32_t id)
{
    return atomic_load(&engine->segments[id].state) == SEGMENT_SEALED && !pinned(engine, id);
}

/* What a segment must be below to be remembered, with those that are. */
static void set_bound(struct segment_search *search)
{
    search->bound = UINT32_MAX;
    if (search->candidate_count == SEGMENT_CANDIDATES) {
        search->bound = 0;
        for (uint32_t i = 0; i < SEGMENT_CANDIDATES; i++) {
            if (search->candidates[i].estimate > search->bound) {
                search->bound = search->candidates[i].estimate;
            }
        }
    }
}

/* A segment with little to keep: among the candidates, in place of the worst if they are many. */
static void remember(struct segment_search *search, uint32_t id, uint32_t estimate)
{
    uint32_t place = search->candidate_count;

    for (uint32_t i = 0; i < search->candidate_count; i++) {
        if (search->candidates[i].id == id) {
            return; /* it is looked at again before it is taken */
        }
        if (search->candidates[i].estimate == search->bound) {
            place = i;
        }
    }
    CHECK(place < SEGMENT_CANDIDATES);
    search->candidate_count += place == search->candidate_count ? 1 : 0;
    search->candidates[place] = (struct segment_candidate){id, estimate};
    set_bound(search);
}

/* The id behind this one, around the end. */
static uint32_t next_id(const struct larder_engine *engine, uint32_t id)
{
    return id + 1 < engine->log.fresh_next ? id + 1 : 1;
}

/* Look at the next LOOKS segments. Returns one that is all dead, or 0. */
static uint32_t look_on(struct larder_engine *engine, uint32_t now_s)
{
    struct segment_search *search = &engine->search;
    uint32_t count = engine->log.fresh_next - 1; /* that were ever used */

    count = count < LOOKS ? count : LOOKS;
    for (uint32_t looks = 0; looks < count; looks++) {
        uint32_t id = search->next_id = next_id(engine, search->next_id);
        uint32_t estimate;

        search->barren++;
        if (!takeable(engine, id)) {
            continue;
        }
        if (all_dead(engine, id, now_s)) {
            search->barren = 0;
            return id;
        }
        estimate = segment_log_estimate(&engine->segments[id], now_s);
        if (!worth_compacting(engine, id, estimate)) {
            continue;
        }
        search->barren = 0;
        if (estimate < search->bound) {
            remember(search, id, estimate);
        }
    }
    return 0;
}

/* The candidate with the least to keep by now, the oldest of equals, or 0; others are forgotten. */
static uint32_t best_candidate(struct larder_engine *engine, uint32_t now_s)
{
    struct segment_search *search = &engine->search;
    uint32_t best = 0;
    uint32_t least = UINT32_MAX;
    uint32_t i = 0;

    while (i < search->candidate_count) {
        uint32_t id = search->candidates[i].id;
        uint32_t estimate = segment_log_estimate(&engine->segments[id], now_s);

        if (!takeable(engine, id) || !worth_compacting(engine, id, estimate)) {
            search->candidates[i] = search->candidates[--search->candidate_count];
            continue;
        }
        search->candidates[i].estimate = estimate;
        if (estimate < least || (estimate == least && engine->segments[id].sealed_sequence <
                                                          engine->segments[best].sealed_sequence)) {
            best = id;
            least = estimate;
        }
        i++;
    }
    set_bound(search);
    return best;
}

/* An all-dead segment, else the one with the least to keep, of what is known. */
static struct victim find_dead(struct larder_engine *engine, uint32_t now_s)
{
    uint32_t dead = look_on(engine, now_s);
    uint32_t id = dead != 0 ? dead : best_candidate(engine, now_s);
    struct victim victim = {
        .id = id, .purpose = dead != 0 ? PURPOSE_DEAD : PURPOSE_COMPACT, .kept_max = UINT32_MAX};

    if (id != 0) {
        victim.log = atomic_load_explicit(&engine->segments[id].log, memory_order_relaxed);
    }
    return victim;
}

static uint32_t unpinned_tail(struct larder_thread *thread, uint32_t log)
{
    struct larder_engine *engine = thread->engine;
    uint32_t id = engine->log.tail[log];

    while (id != 0 && pinned(engine, id)) {
        SEGMENT_COUNT(thread, pinned_skips);
        id = engine->segments[id].newer;
    }
    return id;
}

/* Can what is worth keeping of a segment be moved? Without room for it, it would be dropped. */
static bool room_to_keep(const struct larder_thread *thread, uint32_t id, uint32_t log)
{
    const struct larder_engine *engine = thread->engine;
    const struct segment_writer *writer = &thread->writers[log];
    uint32_t live = (uint32_t)atomic_load(&engine->segments[id].live);

    return segment_log_available(engine) > 0 ||
           (writer->id != 0 && live <= engine->segment_size - writer->offset);
}

static struct victim find_oldest(struct larder_thread *thread)
{
    struct larder_engine *engine = thread->engine;
    uint32_t s_count = atomic_load(&engine->log.count[SEGMENT_S]);
    uint32_t m_count = atomic_load(&engine->log.count[SEGMENT_M]);
    uint32_t first = (uint64_t)s_count * 100 >= (uint64_t)(s_count + m_count) * SEGMENT_S_PERCENT
                         ? SEGMENT_S
                         : SEGMENT_M;
    struct victim victim = {.purpose = PURPOSE_EVICT, .log = first};
    uint32_t number = engine->large.tail;

    victim.id = unpinned_tail(thread, first);
    if (victim.id == 0) {
        victim.log = SEGMENT_LOGS - 1 - first;
        victim.id = unpinned_tail(thread, victim.log);
    }
    victim.kept_max = victim.log == SEGMENT_S ? UINT32_MAX : engine->segment_size / 8 * 7;
    /* A segment is as old as its last item: small ones fill it slowly among large objects. */
    if (number != 0 && (victim.id == 0 || segment_large_sequence(engine, number) <
                                              engine->segments[victim.id].sealed_sequence)) {
        victim.id = 0;
        victim.number = number;
    }
    return victim;
}

static void take_victim(struct larder_engine *engine, const struct victim *victim)
{
    if (victim->id != 0) {
        segment_log_unlink(engine, victim->id);
        atomic_store(&engine->segments[victim->id].state, (uint32_t)SEGMENT_RECLAIMING);
    } else if (victim->number != 0) {
        segment_large_unlink(engine, victim->number);
    }
}

/* ---- one item ---- */

enum verdict { VERDICT_DEAD, VERDICT_EXPIRED, VERDICT_FLUSHED, VERDICT_EVICT, VERDICT_KEEP };

static enum verdict judge(const struct larder_thread *thread, const struct victim *victim,
                          uint64_t value, const struct segment_item *item, uint64_t size)
{
    uint32_t freq = (uint32_t)((value & SLOT_FREQ_MASK) >> SLOT_FREQ_SHIFT);

    if (segment_flushed_at(thread->engine, value)) {
        return VERDICT_FLUSHED;
    }
    if (segment_item_expired(segment_item_expiry(item, segment_item_state(item)), thread->now_s)) {
        return VERDICT_EXPIRED;
    }
    if (victim->purpose != PURPOSE_EVICT) {
        return VERDICT_KEEP;
    }
    if (victim->kept + size > victim->kept_max) {
        return VERDICT_EVICT;
    }
    return freq >= (victim->log == SEGMENT_S ? PROMOTE_FREQ : 1u) ? VERDICT_KEEP : VERDICT_EVICT;
}

static void count_verdict(struct larder_thread *thread, enum verdict verdict, uint64_t value,
                          const struct segment_item *item)
{
    uint32_t state = segment_item_state(item);
    bool fetched = (state & LARDER_MARK_FETCHED) != 0;

    if (verdict == VERDICT_EVICT) {
        SEGMENT_COUNT(thread, evictions);
        segment_count_by(thread, SEGMENT_COUNT_evicted_unfetched, fetched ? 0 : 1);
        segment_count_by(thread, SEGMENT_COUNT_evicted_expiring,
                         segment_item_expiry(item, state) != 0 ? 1 : 0);
        segment_event(thread->engine, LARDER_EVENT_EVICTED, value, item, thread->now_s);
        return;
    }
    SEGMENT_COUNT(thread, reclaimed);
    if (thread == segment_upkeep(thread->engine)) {
        SEGMENT_COUNT(thread, upkeep_reclaimed);
    }
    if (verdict == VERDICT_EXPIRED) {
        segment_count_by(thread, SEGMENT_COUNT_expired_unfetched, fetched ? 0 : 1);
        segment_event(thread->engine, LARDER_EVENT_EXPIRED, value, item, thread->now_s);
    }
}

/*
 * Under the stripe's lock: copy the item into the context's open segment and switch the entry.
 * A cas that a client has seen is written out, for the new place would mean another one.
 */
static void relocate(struct larder_thread *thread, struct victim *victim,
                     const struct segment_hit *hit, const struct segment_item *item, uint32_t log)
{
    struct larder_engine *engine = thread->engine;
    uint32_t state = segment_item_state(item);
    uint32_t key_size = segment_item_key_size(item);
    struct segment_plan plan = {.layout = state & ITEM_LAYOUT,
                                .value_size = segment_item_value_size(item, state),
                                .client_flags = segment_item_client_flags(item, state),
                                .expires_at_s = segment_item_expiry(item, state),
                                .cas = segment_cas_at(engine, hit->value, item, state)};
    uint64_t freq = hit->value & SLOT_FREQ_MASK;
    struct segment_item *copy;
    uint64_t place;
    uint32_t size;

    if ((hit->value & SLOT_CAS_SHOWN) != 0) {
        plan.layout |= ITEM_HAS_CAS;
    }
    size = (uint32_t)segment_item_room(plan.layout, key_size, plan.value_size);
    place = segment_log_append(thread, log, size);
    copy = segment_item_at(engine, place);
    segment_item_write(copy, thread, &plan, key_size, 0);
    atomic_store_explicit(&copy->state, (state & ~(uint32_t)ITEM_LAYOUT) | plan.layout,
                          memory_order_relaxed);
    memcpy(segment_item_field(copy, plan.layout), segment_item_key(item, state),
           key_size + plan.value_size);
    if (victim->purpose == PURPOSE_EVICT) {
        freq = victim->log == SEGMENT_S ? 0 : freq - SLOT_FREQ_ONE;
    }
    segment_log_add_live(thread, segment_place_id(place), size, plan.expires_at_s);
    segment_count_by(thread, SEGMENT_COUNT_bytes, size - segment_item_size(item));
    atomic_store_explicit(&hit->bucket->slots[hit->slot],
                          (hit->value & ~(SLOT_WHERE_MASK | SLOT_FREQ_MASK)) | place | freq,
                          memory_order_release);
    victim->kept += size;
    SEGMENT_COUNT(thread, relocations);
    segment_count_by(thread, SEGMENT_COUNT_relocated_bytes, size);
    if (log != victim->log) {
        SEGMENT_COUNT(thread, promotions);
    }
}

/* The room a kept item needs. False: there is none. Not under the stripe's lock. */
static bool relocation_room(struct larder_thread *thread, uint32_t log, uint64_t size)
{
    return segment_log_fits(thread, log, (uint32_t)size) || segment_log_open_reserve(thread, log);
}

/* Decide about the item at a place. False: it is to be kept, but there is no room. */
static bool reclaim_item(struct larder_thread *thread, struct victim *victim, uint64_t where,
                         uint64_t hash)
{
    struct larder_engine *engine = thread->engine;
    struct segment_index *index = &engine->index;
    struct segment_stripe *stripe = &index->stripes[segment_index_stripe(index, hash)];
    struct segment_item *item = segment_item_at(engine, where);
    uint64_t size = segment_item_size(item);
    uint32_t log = victim->purpose == PURPOSE_EVICT ? (uint32_t)SEGMENT_M : victim->log;
    enum verdict verdict;
    struct segment_hit hit;

    segment_index_lock(stripe);
    if (!segment_index_find_place(index, hash, where, &hit)) {
        segment_index_unlock(stripe);
        return true;
    }
    verdict = judge(thread, victim, hit.value, item, size);
    if (verdict == VERDICT_KEEP) {
        /* The copy may need 8 bytes more, for the cas. */
        if (!segment_log_fits(thread, log, (uint32_t)size + 8)) {
            segment_index_unlock(stripe);
            return false;
        }
        relocate(thread, victim, &hit, item, log);
        segment_index_unlock(stripe);
        segment_log_drop_live(thread, segment_place_id(where), (uint32_t)size);
        return true;
    }
    if (verdict == VERDICT_EVICT && victim->log == SEGMENT_S) {
        segment_index_bury(index, hash, &hit);
    } else {
        segment_index_erase(index, hash, &hit);
    }
    segment_index_unlock(stripe);
    count_verdict(thread, verdict, hit.value, item);
    segment_item_gone(thread, hit.value, item);
    return true;
}

/* ---- one segment ---- */

/* False: what is left has to stay where it is. */
static bool walk_item(struct larder_thread *thread, struct victim *victim, uint64_t where,
                      uint64_t hash)
{
    uint32_t log = victim->purpose == PURPOSE_EVICT ? (uint32_t)SEGMENT_M : victim->log;

    while (!reclaim_item(thread, victim, where, hash)) {
        const struct segment_item *item = segment_item_at(thread->engine, where);

        if (relocation_room(thread, log, segment_item_size(item) + 8)) {
            continue;
        }
        if (!thread->engine->evict) {
            return false;
        }
        /* No segment to move it to: from here on everything goes. */
        victim->purpose = PURPOSE_EVICT;
        victim->kept_max = 0;
    }
    return true;
}

static bool walk(struct larder_thread *thread, struct victim *victim)
{
    struct larder_engine *engine = thread->engine;
    struct segment_index *index = &engine->index;
    uint32_t used = atomic_load_explicit(&engine->segments[victim->id].used, memory_order_relaxed);
    uint32_t offset = 0;

    while (offset < used) {
        uint64_t places[BATCH], hashes[BATCH];
        uint32_t count = 0;
        uint32_t checked = 0;

        for (; count < BATCH && offset < used; checked++) {
            const uint64_t where = segment_place(victim->id, offset);
            const struct segment_item *item = segment_item_at(engine, where);
            const uint32_t state = segment_item_state(item);
            const struct segment_table *table;
            uint64_t hash;

            offset += (uint32_t)segment_item_size(item);
            if ((state & ITEM_DEAD) != 0) {
                continue; /* no entry to look for, and most are */
            }
            hash = segment_item_hash(item, state);
            places[count] = where;
            hashes[count] = hash;
            count++;
            table = segment_index_table_of(index, hash);
            BASE_PREFETCH(table->buckets +
                          (uint64_t)segment_index_stripe(index, hash) * table->per +
                          segment_index_home(index, hash, table->per));
        }
        for (uint32_t i = 0; i < count; i++) {
            if (!walk_item(thread, victim, places[i], hashes[i])) {
                return false;
            }
        }
        if (thread == segment_upkeep(engine)) {
            segment_count_by(thread, SEGMENT_COUNT_upkeep_checked, checked);
        }
    }
    return true;
}

static bool reclaim_segment(struct larder_thread *thread, struct victim *victim)
{
    struct larder_engine *engine = thread->engine;
    bool done = walk(thread, victim);

    segment_log_lock(engine);
    if (done) {
        segment_log_retire(engine, victim->id);
    } else {
        segment_log_link_head(engine, victim->id, victim->log);
        atomic_store(&engine->segments[victim->id].state, (uint32_t)SEGMENT_SEALED);
    }
    segment_log_unlock(engine);
    return done;
}

/* ---- one large object ---- */

/* Returns true when it went; false when it gets a second chance. */
static bool reclaim_large(struct larder_thread *thread, struct victim *victim, bool spare)
{
    struct larder_engine *engine = thread->engine;
    struct segment_index *index = &engine->index;
    uint64_t where = SLOT_LARGE | victim->number;
    struct segment_item *item = segment_item_at(engine, where);
    uint64_t hash = segment_item_hash(item, segment_item_state(item));
    struct segment_stripe *stripe = &index->stripes[segment_index_stripe(index, hash)];
    enum verdict verdict;
    struct segment_hit hit;

    segment_index_lock(stripe);
    if (!segment_index_find_place(index, hash, where, &hit)) {
        segment_index_unlock(stripe);
        return true; /* whoever took the entry away retires the object */
    }
    victim->log = SEGMENT_M; /* one read is enough for a second chance */
    victim->kept_max = spare ? UINT32_MAX : 0;
    verdict = judge(thread, victim, hit.value, item, 1);
    if (verdict == VERDICT_KEEP) {
        if ((hit.value & SLOT_FREQ_MASK) != 0) {
            atomic_store_explicit(&hit.bucket->slots[hit.slot], hit.value - SLOT_FREQ_ONE,
                                  memory_order_release);
        }
        segment_index_unlock(stripe);
        segment_log_lock(engine);
        segment_large_relist(engine, victim->number);
        segment_log_unlock(engine);
        return false;
    }
    if (verdict == VERDICT_EVICT) {
        segment_index_bury(index, hash, &hit);
        SEGMENT_COUNT(thread, large_evictions);
    } else {
        segment_index_erase(index, hash, &hit);
    }
    segment_index_unlock(stripe);
    count_verdict(thread, verdict, hit.value, item);
    segment_item_gone(thread, hit.value, item);
    return true;
}

/* ---- */

static void account(struct larder_thread *thread, const struct victim *victim, bool direct,
                    uint64_t began_ns)
{
    struct segment_index *index = &thread->engine->index;

    SEGMENT_COUNT(thread, reclaims);
    segment_count_by(thread, SEGMENT_COUNT_reclaims_direct, direct ? 1 : 0);
    segment_count_by(thread, SEGMENT_COUNT_reclaims_compact,
                     victim->purpose == PURPOSE_COMPACT ? 1 : 0);
    segment_count_by(thread, SEGMENT_COUNT_reclaim_ns, base_clock_monotonic_ns() - began_ns);
    /* S3-FIFO remembers as many evictions as M has items; half as many again as there are items saves
     * misses where the index has room for them. */
    atomic_store_explicit(&index->ghost_window,
                          segment_sum(thread->engine, SEGMENT_COUNT_items) / 2 * 3,
                          memory_order_relaxed);
}

/*
 * Nothing was found in so many searches: is there anything left to look at? Who evicts stops where
 * he was around once since there was something; who may not looks around each time.
 */
static bool search_on(const struct larder_engine *engine, uint32_t searches)
{
    uint32_t looked = engine->evict ? engine->search.barren : searches * LOOKS;

    return searches < SEARCHES_MAX && looked < engine->log.fresh_next - 1;
}

/* A victim, taken, or none. Others get the lock between two searches. */
static struct victim choose(struct larder_thread *thread)
{
    struct larder_engine *engine = thread->engine;
    struct victim victim;
    uint32_t searches = 0;
    bool more;

    do {
        segment_log_lock(engine);
        victim = find_dead(engine, thread->now_s);
        more = victim.id == 0 && search_on(engine, ++searches);
        if (!more && engine->evict &&
            (victim.id == 0 ||
             (victim.purpose == PURPOSE_COMPACT && !room_to_keep(thread, victim.id, victim.log)))) {
            victim = find_oldest(thread);
        }
        take_victim(engine, &victim);
        segment_log_unlock(engine);
    } while (more);
    return victim;
}

enum segment_reclaim_result segment_reclaim(struct larder_thread *thread, bool direct)
{
    for (uint32_t chances = 0;; chances++) {
        uint64_t began_ns = base_clock_monotonic_ns();
        struct victim victim = choose(thread);
        bool done;

        if (victim.id == 0 && victim.number == 0) {
            return SEGMENT_RECLAIM_NOTHING;
        }
        if (victim.id != 0) {
            done = reclaim_segment(thread, &victim);
            account(thread, &victim, direct, began_ns);
            return done ? SEGMENT_RECLAIM_DONE : SEGMENT_RECLAIM_NOTHING;
        }
        done = reclaim_large(thread, &victim, chances < LARGE_CHANCES_MAX);
        if (done) {
            account(thread, &victim, direct, began_ns);
            return SEGMENT_RECLAIM_DONE;
        }
    }
}

/* ---- what a second has expired: a look at everything, in steps ---- */

/* From purge.next_id on, LOOKS of them. Returns one that is all dead, or 0. Under log.lock. */
static uint32_t purge_segments(struct larder_engine *engine, uint32_t now_s)
{
    struct segment_purge *purge = &engine->purge;

    for (uint32_t looks = 0; purge->next_id < engine->log.fresh_next && looks < LOOKS; looks++) {
        uint32_t id = purge->next_id++;

        if (takeable(engine, id) && all_dead(engine, id, now_s)) {
            return id;
        }
    }
    return 0;
}

/* The same of large objects. */
static uint32_t purge_large(struct larder_engine *engine, uint32_t now_s)
{
    struct segment_purge *purge = &engine->purge;

    for (uint32_t looks = 0; purge->next_number < engine->large.fresh_next && looks < LOOKS;
         looks++) {
        uint32_t number = purge->next_number++;

        if (segment_large_dead(engine, number, now_s)) {
            return number;
        }
    }
    return 0;
}

/* Can anything have expired, or been flushed, since the last look began? Time moves in seconds. */
static bool purge_due(const struct larder_engine *engine, uint32_t now_s)
{
    return engine->purge.done_s != now_s ||
           engine->purge.done_flush != atomic_load(&engine->flush_sequence);
}

static void purge_begin(struct larder_engine *engine, uint32_t now_s)
{
    struct segment_purge *purge = &engine->purge;

    purge->next_id = 1;
    purge->next_number = 1;
    purge->began_s = now_s;
    purge->began_flush = atomic_load(&engine->flush_sequence);
}

/* Under log.lock. Returns false when everything has been looked at. */
static bool purge_step(struct larder_engine *engine, uint32_t now_s, struct victim *ret_victim)
{
    struct segment_purge *purge = &engine->purge;

    *ret_victim = (struct victim){.purpose = PURPOSE_DEAD, .kept_max = UINT32_MAX};
    if (purge->next_id < engine->log.fresh_next) {
        ret_victim->id = purge_segments(engine, now_s);
        if (ret_victim->id != 0) {
            ret_victim->log =
                atomic_load_explicit(&engine->segments[ret_victim->id].log, memory_order_relaxed);
        }
        return true;
    }
    if (purge->next_number < engine->large.fresh_next) {
        ret_victim->number = purge_large(engine, now_s);
        return true;
    }
    return false;
}

bool segment_reclaim_expired(struct larder_thread *thread)
{
    struct larder_engine *engine = thread->engine;
    struct segment_purge *purge = &engine->purge;
    uint64_t began_ns = base_clock_monotonic_ns();
    struct victim victim;
    bool more;

    if (purge->next_id == 0) { /* none is under way */
        if (!purge_due(engine, thread->now_s)) {
            return false;
        }
        purge_begin(engine, thread->now_s);
    }
    segment_log_lock(engine);
    more = purge_step(engine, thread->now_s, &victim);
    take_victim(engine, &victim);
    segment_log_unlock(engine);
    if (victim.id != 0) {
        (void)reclaim_segment(thread, &victim);
        account(thread, &victim, false, began_ns);
    } else if (victim.number != 0) {
        (void)reclaim_large(thread, &victim, true);
        account(thread, &victim, false, began_ns);
    }
    if (!more) {
        purge->next_id = 0;
        purge->done_s = purge->began_s;
        purge->done_flush = purge->began_flush;
    }
    return more || purge_due(engine, thread->now_s);
}
