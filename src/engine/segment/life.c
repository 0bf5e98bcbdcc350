/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Opening, closing, contexts, and a new size.
 *
 * open() reserves address space for four times memory_max, so that resize() can go up, and for
 * less when the system refuses; nothing of size is touched. Bookkeeping per segment and per large
 * object lies in reserved address space as well, and costs what is in use.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/check.h"
#include "engine/segment/segment_priv.h"

enum {
    SEGMENTS_MIN = 8, /* below that there is nothing to evict in turn */
    PAGE_SIZE = 4096, /* bytes; the smallest there is */
};

void *segment_map(uint64_t size, bool huge_pages)
{
    void *memory;

    memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                  -1, 0);
    if (memory == MAP_FAILED) {
        return NULL;
    }
    if (huge_pages) {
        (void)madvise(memory, size, MADV_HUGEPAGE); /* a wish: without them all works as well */
    }
    return memory;
}

void segment_populate(void *memory, uint64_t size)
{
    /* Others may use it already, so what is there stays. */
    for (uint64_t offset = 0; offset < size; offset += PAGE_SIZE) {
        (void)atomic_fetch_or_explicit((_Atomic uint64_t *)(void *)((char *)memory + offset), 0,
                                       memory_order_relaxed);
    }
}

static uint32_t log2_floor(uint64_t value)
{
    return 63u - (uint32_t)__builtin_clzll(value | 1);
}

static uint32_t clamp_u32(uint64_t value, uint32_t low, uint32_t high)
{
    return value < low ? low : value > high ? high : (uint32_t)value;
}

static void choose_sizes(struct larder_engine *engine, const struct larder_config *config)
{
    uint32_t stripes =
        clamp_u32(config->memory_max / INDEX_STRIPE_MEMORY, INDEX_STRIPES_MIN, INDEX_STRIPES_MAX);

    engine->segment_shift = clamp_u32(log2_floor(config->memory_max / SEGMENT_COUNT_WANTED),
                                      SEGMENT_SHIFT_MIN, SEGMENT_SHIFT_MAX);
    /* Every worker may have two open; with few segments there has to be something to evict. */
    while (engine->segment_shift > SEGMENT_SHIFT_LEAST &&
           config->memory_max >> engine->segment_shift <
               SEGMENTS_MIN * 2 + 4ull * config->thread_count) {
        engine->segment_shift--;
    }
    engine->segment_size = 1u << engine->segment_shift;
    engine->item_small_max = engine->segment_size / SEGMENT_LARGE_FRACTION;
    engine->index.stripe_count = 1u << log2_floor(stripes);
    engine->index.stripe_shift = 64 - log2_floor(stripes);
    engine->huge_pages = config->huge_pages || config->memory_max >= SEGMENT_HUGE_PAGES_MIN;
    engine->evict = config->evict;
    engine->worker_count = config->thread_count;
    engine->context_count = config->thread_count + 2;
    engine->item_size_max = config->item_size_max;
}

/* Segments: address space, numbers, bookkeeping; for `memory_limit` bytes. */
static bool map_segments(struct larder_engine *engine, uint64_t memory_limit)
{
    uint32_t id_end =
        clamp_u32((memory_limit >> engine->segment_shift) + 1, SEGMENTS_MIN, (1u << 24) - 1);

    engine->memory_limit = memory_limit;
    engine->base_size = (uint64_t)id_end << engine->segment_shift;
    engine->base = segment_map(engine->base_size, engine->huge_pages);
    if (engine->base == NULL) {
        return false;
    }
    engine->log.id_end = id_end;
    engine->log.fresh_next = 1;
    engine->search.bound = UINT32_MAX;
    return true;
}

static bool map_bookkeeping(struct larder_engine *engine)
{
    uint64_t id_end = engine->log.id_end;

    engine->large.number_end = (uint32_t)(engine->memory_limit / engine->item_small_max) + 1;
    engine->large.fresh_next = 1;
    engine->sequences = segment_map(id_end * sizeof(*engine->sequences), false);
    engine->segments = segment_map(id_end * sizeof(*engine->segments), false);
    engine->large.objects =
        segment_map(engine->large.number_end * sizeof(*engine->large.objects), false);
    engine->index.stripes =
        segment_map(engine->index.stripe_count * sizeof(*engine->index.stripes), false);
    return engine->sequences != NULL && engine->segments != NULL && engine->large.objects != NULL &&
           engine->index.stripes != NULL;
}

static bool make_contexts(struct larder_engine *engine)
{
    uint64_t size = engine->context_count * sizeof(*engine->contexts);

    engine->contexts = aligned_alloc(_Alignof(struct larder_thread), size);
    if (engine->contexts == NULL) {
        return false;
    }
    memset(engine->contexts, 0, size);
    for (uint32_t i = 0; i < engine->context_count; i++) {
        struct larder_thread *thread = &engine->contexts[i];
        thread->magic = SEGMENT_THREAD_MAGIC;
        thread->index = i;
        thread->engine = engine;
        CHECK(pthread_mutex_init(&thread->rooms_lock, NULL) == 0);
        engine_epoch_attach(&engine->log.epoch, &thread->reader);
    }
    return true;
}

/* What cannot be given back, and room to work in: the least memory_max, bytes. Under the grow lock. */
static uint64_t memory_least(const struct larder_engine *engine)
{
    uint64_t segments = SEGMENTS_MIN + (uint64_t)SEGMENT_LOGS * engine->worker_count;

    return engine->fixed_size + segment_index_size(engine) + (segments << engine->segment_shift);
}

/* The metadata that is certain to be used, charged: it is part of the budget. */
static bool charge_fixed(struct larder_engine *engine, const struct larder_config *config)
{
    uint64_t segments = config->memory_max >> engine->segment_shift;

    engine->fixed_size = segments * (sizeof(struct segment) + sizeof(uint64_t)) +
                         engine->index.stripe_count * sizeof(struct segment_stripe) +
                         engine->context_count * sizeof(struct larder_thread) + sizeof(*engine);
    return config->memory_max >= memory_least(engine) &&
           segment_budget_charge(engine, engine->fixed_size + segment_index_size(engine));
}

static void unmap(void *memory, uint64_t size)
{
    if (memory != NULL) {
        CHECK(munmap(memory, size) == 0);
    }
}

/* Accepts a half-built engine. */
static void destroy(struct larder_engine *engine)
{
    struct segment_table *table = engine->index.oldest;

    if (engine->contexts != NULL) {
        /* Everybody is out, so a few polls let everything leave limbo. */
        while (engine->log.epoch.deferred_count > 0) {
            segment_log_poll(engine);
        }
        for (uint32_t i = 0; i < engine->context_count; i++) {
            CHECK(pthread_mutex_destroy(&engine->contexts[i].rooms_lock) == 0);
        }
    }
    while (table != NULL) {
        struct segment_table *next = atomic_load(&table->next);
        segment_table_destroy(&table);
        table = next;
    }
    if (engine->large.objects != NULL) {
        segment_large_fini(engine);
    }
    unmap(engine->index.stripes, engine->index.stripe_count * sizeof(*engine->index.stripes));
    unmap(engine->large.objects, engine->large.number_end * sizeof(*engine->large.objects));
    unmap(engine->segments, engine->log.id_end * sizeof(*engine->segments));
    unmap(engine->sequences, engine->log.id_end * sizeof(*engine->sequences));
    unmap(engine->base, engine->base_size);
    free(engine->contexts);
    CHECK(pthread_mutex_destroy(&engine->log.lock) == 0);
    CHECK(pthread_mutex_destroy(&engine->grow_lock) == 0);
    CHECK(pthread_mutex_destroy(&engine->guest_lock) == 0);
    engine->magic = 0;
    free(engine);
}

enum larder_result segment_open(const struct larder_host *host, const struct larder_config *config,
                                struct larder_engine **ret_engine)
{
    struct larder_engine *engine;
    bool mapped;

    CHECK(host != NULL && config->thread_count > 0);
    engine = aligned_alloc(_Alignof(struct larder_engine), sizeof(*engine));
    if (engine == NULL) {
        return LARDER_NO_SPACE;
    }
    memset(engine, 0, sizeof(*engine));
    engine->magic = SEGMENT_ENGINE_MAGIC;
    engine->host = host;
    CHECK(pthread_mutex_init(&engine->log.lock, NULL) == 0);
    CHECK(pthread_mutex_init(&engine->grow_lock, NULL) == 0);
    CHECK(pthread_mutex_init(&engine->guest_lock, NULL) == 0);
    choose_sizes(engine, config);
    engine_epoch_init(&engine->log.epoch);
    atomic_store(&engine->log.memory_max, config->memory_max);
    mapped = map_segments(engine, config->memory_max * SEGMENT_GROW_FACTOR_MAX) ||
             map_segments(engine, config->memory_max);
    if (mapped && map_bookkeeping(engine) && make_contexts(engine)) {
        engine->index.oldest = segment_table_create(engine, INDEX_PER_START);
        atomic_store(&engine->index.table, engine->index.oldest);
        if (engine->index.oldest != NULL && charge_fixed(engine, config)) {
            *ret_engine = engine;
            return LARDER_OK;
        }
    }
    destroy(engine);
    return LARDER_NO_SPACE;
}

void segment_close(struct larder_engine **engine)
{
    if (*engine == NULL) {
        return;
    }
    CHECK_OBJ(*engine, SEGMENT_ENGINE_MAGIC);
    for (uint32_t i = 0; i < (*engine)->context_count; i++) {
        CHECK(!atomic_load(&(*engine)->contexts[i].attached));
        CHECK((*engine)->contexts[i].rooms == NULL);
    }
    destroy(*engine);
    *engine = NULL;
}

enum larder_result segment_thread_attach(struct larder_engine *engine, uint32_t index,
                                         struct larder_thread **ret_thread)
{
    CHECK_OBJ(engine, SEGMENT_ENGINE_MAGIC);
    CHECK(index < engine->worker_count);
    CHECK(!atomic_exchange(&engine->contexts[index].attached, true));
    *ret_thread = &engine->contexts[index];
    return LARDER_OK;
}

void segment_thread_detach(struct larder_thread **thread)
{
    if (*thread == NULL) {
        return;
    }
    CHECK_OBJ(*thread, SEGMENT_THREAD_MAGIC);
    CHECK(!(*thread)->entered && (*thread)->rooms == NULL);
    segment_log_seal_all(*thread);
    atomic_store(&(*thread)->attached, false);
    *thread = NULL;
}

enum larder_result segment_resize(struct larder_engine *engine, uint64_t memory_max)
{
    uint64_t least;

    CHECK_OBJ(engine, SEGMENT_ENGINE_MAGIC);
    CHECK(pthread_mutex_lock(&engine->grow_lock) == 0);
    least = memory_least(engine); /* the index has grown since open(), and never shrinks */
    CHECK(pthread_mutex_unlock(&engine->grow_lock) == 0);
    if (memory_max > engine->memory_limit || memory_max < least) {
        return LARDER_NO_SPACE;
    }
    /* What is above the new limit is reclaimed by tick(). */
    atomic_store(&engine->log.memory_max, memory_max);
    if (engine->host->wake != NULL) {
        engine->host->wake(engine->host->context);
    }
    return LARDER_OK;
}
