/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory: the budget is the whole truth (resident size of a child process), large objects live
 * beside small ones, and every allocation may fail.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/check.h"
#include "engine/segment/segment_priv.h"
#include "rig.h"

/* A sanitizer's own memory is in the resident size too. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED true
#endif
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

/* ---- allocations that fail: the linker sends the engine's calls here ---- */

void *__real_calloc(size_t count, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__real_mmap64(void *address, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void *__wrap_mmap64(void *address, size_t size, int protection, int flags, int fd, off_t offset);

int __real_munmap(void *address, size_t size);
int __wrap_munmap(void *address, size_t size);

static uint64_t allocations, fail_at;
static pthread_mutex_t *free_lock; /* must be free while something is unmapped; or NULL */
static uint64_t unmapped;          /* bytes, since there is one */
static struct rig *flushed;        /* flushed while the next mapping is made; or NULL */

static bool fails(void)
{
    return ++allocations == fail_at;
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return fails() ? NULL : __real_aligned_alloc(alignment, size);
}

void *__wrap_mmap64(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
    if (flushed != NULL) {
        flushed->ops->flush(flushed->engine, 0);
        flushed = NULL;
    }
    return fails() ? MAP_FAILED : __real_mmap64(address, size, protection, flags, fd, offset);
}

int __wrap_munmap(void *address, size_t size)
{
    if (free_lock != NULL) {
        CHECK(pthread_mutex_trylock(free_lock) == 0);
        CHECK(pthread_mutex_unlock(free_lock) == 0);
        unmapped += size;
    }
    return __real_munmap(address, size);
}

/* ---- */

static uint64_t resident_size(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long total, resident;

    CHECK(file != NULL && fscanf(file, "%lu %lu", &total, &resident) == 2);
    (void)fclose(file);
    return resident * 4096ull;
}

static struct larder_config config_of(uint64_t memory_max, uint64_t item_size_max)
{
    return (struct larder_config){
        .thread_count = 2, .memory_max = memory_max, .item_size_max = item_size_max, .evict = true};
}

/* Fill with values of mixed sizes well beyond the budget. Returns the highest resident size. */
static uint64_t fill_resident(struct rig *rig, uint64_t bytes, uint32_t size_max)
{
    char *value = calloc(1, size_max);
    uint64_t most = 0;
    uint64_t stored = 0;
    uint64_t random = 88172645463325252ull;

    CHECK(value != NULL);
    for (uint64_t i = 0; stored < bytes; i++) {
        char text[RIG_KEY_SIZE];
        struct larder_key key = rig_numbered(text, i);
        uint32_t size;

        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        size = 1 + (uint32_t)(random % size_max);
        memset(value, 'x', size);
        CHECK(rig_put_bytes(rig, (uint32_t)(i % 2), &key, value, size, NULL) == LARDER_OK);
        stored += size;
        if (i % 1024 == 0) {
            uint64_t resident = resident_size();
            most = resident > most ? resident : most;
            (void)rig->ops->tick(rig->engine, rig->now_s, 100000);
        }
    }
    free(value);
    return most;
}

/* In a child: is the resident size within memory_max + 5 % + 16 MiB all along? */
static void check_budget(uint64_t memory_max, uint32_t size_max)
{
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        uint64_t idle, most;
        struct rig rig;

        rig_open_config(&rig, NULL, config_of(memory_max, 2 * RIG_MIB));
        idle = resident_size();
        most = fill_resident(&rig, 3 * memory_max, size_max);
        if (idle > 8 * RIG_MIB || most > memory_max + memory_max / 20 + 16 * RIG_MIB) {
            fprintf(stderr, "# %llu bytes: idle %llu, most %llu\n", (unsigned long long)memory_max,
                    (unsigned long long)idle, (unsigned long long)most);
            _exit(1);
        }
        /* And it is used: three quarters at least are items. */
        _exit(rig_stat(&rig, LARDER_STATS_GENERAL, "bytes") > memory_max / 4 * 3 ? 0 : 2);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_budget(void **state)
{
    (void)state;
    if (SANITIZED) {
        return; /* its memory says nothing; cmocka's skip() is a failure in TAP */
    }
    check_budget(16 * RIG_MIB, 400);
    check_budget(64 * RIG_MIB, 120);
    check_budget(64 * RIG_MIB, 20000);
    check_budget(64 * RIG_MIB, 600000);
    check_budget(256 * RIG_MIB, 1000);
}

static void put_large(struct rig *rig, uint64_t number, char *value, size_t size)
{
    char text[RIG_KEY_SIZE];
    struct larder_key key = rig_numbered(text, number);

    memset(value, (int)('a' + number % 26), size);
    memcpy(value, &number, sizeof(number));
    assert_int_equal(rig_put_bytes(rig, 0, &key, value, size, NULL), LARDER_OK);
}

static bool holds_large(struct rig *rig, uint64_t number, size_t size)
{
    char text[RIG_KEY_SIZE];
    struct larder_key key = rig_numbered(text, number);
    enum larder_result result;
    struct larder_ref ref;

    rig->ops->thread_begin(rig->threads[0], rig->now_s);
    rig->ops->get(rig->threads[0], &key, 1, 0, 0, &ref, &result);
    if (result == LARDER_OK) {
        assert_int_equal(ref.value_size, size);
        assert_memory_equal(ref.value, &number, sizeof(number));
        for (size_t i = sizeof(number); i < size; i += 999) {
            assert_int_equal(ref.value[i], 'a' + number % 26);
        }
        assert_int_equal(ref.value[size - 1], 'a' + number % 26);
    }
    rig->ops->thread_end(rig->threads[0]);
    return result == LARDER_OK;
}

static void test_large_objects(void **state)
{
    const size_t size = 1000000;
    char *value = malloc(size);
    struct larder_ref ref;
    struct rig rig;

    (void)state;
    assert_non_null(value);
    rig_open_config(&rig, NULL, config_of(64 * RIG_MIB, 2 * RIG_MIB));
    put_large(&rig, 1, value, size);
    put_large(&rig, 2, value, size);
    assert_true(holds_large(&rig, 1, size));
    assert_int_equal(rig_stat(&rig, LARDER_STATS_DETAIL, "large_objects"), 2);
    assert_int_equal(rig_stat(&rig, LARDER_STATS_DETAIL, "large_sets"), 2);
    /* Touch in place, cas stays. */
    assert_int_equal(rig_get(&rig, "key-1", LARDER_GET_CAS, &ref), LARDER_OK);
    assert_int_equal(rig_touch(&rig, "key-1", 2000), LARDER_OK);
    assert_int_equal(rig_remove(&rig, "key-1", ref.cas), LARDER_OK);
    assert_int_equal(rig_stat(&rig, LARDER_STATS_DETAIL, "large_objects"), 1);
    /* What is read gets its second chance, what is not goes. */
    for (uint64_t i = 10; i < 150; i++) {
        put_large(&rig, i, value, size);
        assert_true(holds_large(&rig, 2, size));
    }
    assert_false(holds_large(&rig, 10, size));
    assert_true(holds_large(&rig, 149, size));
    assert_true(rig_stat(&rig, LARDER_STATS_DETAIL, "memory_used") <= 64 * RIG_MIB);
    /* Overwritten in place of one another, and expired as small ones do. */
    for (uint64_t i = 0; i < 200; i++) {
        put_large(&rig, 2, value, size);
    }
    assert_int_equal(rig_touch(&rig, "key-2", 1500), LARDER_OK);
    rig.now_s = 1500;
    assert_false(holds_large(&rig, 2, size));
    rig_tick(&rig);
    assert_int_equal(rig.expired, 1);
    rig.ops->flush(rig.engine, 0);
    rig_tick(&rig);
    assert_int_equal(rig_stat(&rig, LARDER_STATS_DETAIL, "large_objects"), 0);
    assert_int_equal(rig_stat(&rig, LARDER_STATS_GENERAL, "curr_items"), 0);
    rig_close(&rig);
    free(value);
}

/* Large objects go back to the system without a lock that workers wait for, and are charged until then. */
static void test_unmapped_without_a_lock(void **state)
{
    const size_t size = 3 * RIG_MIB;
    char *value = malloc(size);
    struct rig rig;

    (void)state;
    assert_non_null(value);
    rig_open_config(&rig, NULL, config_of(64 * RIG_MIB, 4 * RIG_MIB));
    free_lock = &rig.engine->log.lock;
    unmapped = 0;
    for (uint64_t i = 0; i < 15; i++) {
        put_large(&rig, i, value, size);
    }
    assert_int_equal(unmapped, 0);
    for (uint64_t i = 0; i < 15; i++) {
        char text[RIG_KEY_SIZE];
        assert_int_equal(rig_remove(&rig, rig_numbered(text, i).data, 0), LARDER_OK);
    }
    rig_tick(&rig);
    rig_tick(&rig);
    /* But one, which is kept for the next. */
    assert_in_range(unmapped, 14 * size, 14 * (size + size / 8));
    assert_int_equal(rig_stat(&rig, LARDER_STATS_DETAIL, "segments_limbo"), 0);
    assert_true(rig_stat(&rig, LARDER_STATS_DETAIL, "memory_used") < 8 * RIG_MIB);
    /* Without tick(), too: who needs the memory gets it. */
    for (uint64_t i = 0; i < 200; i++) {
        put_large(&rig, i % 40, value, size - i % 7 * 300000);
        assert_true(rig_stat(&rig, LARDER_STATS_DETAIL, "memory_used") <= 64 * RIG_MIB);
    }
    free_lock = NULL;
    rig_close(&rig);
    free(value);
}

static void test_huge_among_small(void **state)
{
    const size_t size = 128 * RIG_MIB;
    char *value = malloc(size);
    uint64_t small;
    struct rig rig;

    (void)state;
    assert_non_null(value);
    rig_open_config(&rig, NULL, config_of(512 * RIG_MIB, 256 * RIG_MIB));
    for (uint64_t i = 1000; i < 120000; i++) {
        put_large(&rig, i, value, 5000);
    }
    small = rig_stat(&rig, LARDER_STATS_GENERAL, "curr_items");
    put_large(&rig, 1, value, size);
    put_large(&rig, 2, value, size);
    assert_true(holds_large(&rig, 1, size));
    assert_true(holds_large(&rig, 2, size));
    assert_true(rig_stat(&rig, LARDER_STATS_GENERAL, "curr_items") < small);
    assert_true(holds_large(&rig, 119999, 5000));
    put_large(&rig, 3, value, size);
    assert_true(holds_large(&rig, 3, size));
    assert_true(rig_stat(&rig, LARDER_STATS_DETAIL, "memory_used") <= 512 * RIG_MIB);
    /* And room for small ones again. */
    for (uint64_t i = 200000; i < 320000; i++) {
        put_large(&rig, i, value, 5000);
    }
    assert_true(holds_large(&rig, 319999, 5000));
    rig_close(&rig);
    free(value);
}

/* ---- a very large put leaves its epoch while it copies: its source faults, and the handler looks ---- */

static struct {
    char *source; /* cannot be read until it has been asked for */
    size_t size;
    const struct larder_thread *thread;
    volatile sig_atomic_t faults;
    volatile sig_atomic_t inside; /* of them, in the epoch */
} copying;

static void on_fault(int signal)
{
    (void)signal;
    copying.faults++;
    copying.inside += copying.thread->reader.record.active != 0 ? 1 : 0;
    CHECK(mprotect(copying.source, copying.size, PROT_READ) == 0);
}

/* Put the source; with something lent or not. */
static void put_faulting(struct rig *rig, bool lent)
{
    struct larder_key key = rig_key("huge"), small = rig_key("small");
    struct larder_piece piece = {copying.source, copying.size};
    struct larder_put put = {.pieces = &piece, .piece_count = 1};
    struct larder_thread *thread = rig->threads[0];
    enum larder_result result;
    struct larder_ref ref;

    assert_int_equal(mprotect(copying.source, copying.size, PROT_NONE), 0);
    copying.thread = thread;
    copying.faults = copying.inside = 0;
    rig->ops->thread_begin(thread, rig->now_s);
    if (lent) {
        rig->ops->get(thread, &small, 1, 0, 0, &ref, &result);
        assert_int_equal(result, LARDER_OK);
    }
    assert_int_equal(rig->ops->put(thread, &key, &put), LARDER_OK);
    if (lent) {
        assert_memory_equal(ref.value, "value", 5);
        rig->ops->release(thread, &ref, 1);
    }
    rig->ops->thread_end(thread);
    assert_int_equal(copying.faults, 1);
    assert_true(put.ret_cas != 0);
    rig->ops->thread_begin(thread, rig->now_s);
    rig->ops->get(thread, &key, 1, 0, 0, &ref, &result);
    assert_int_equal(result, LARDER_OK);
    assert_int_equal(ref.value_size, copying.size);
    assert_int_equal(ref.cas, put.ret_cas);
    assert_memory_equal(ref.value, copying.source, copying.size);
    rig->ops->thread_end(thread);
}

static void test_huge_is_copied_outside_the_epoch(void **state)
{
    struct larder_put absent = {.condition = LARDER_COND_ABSENT};
    struct sigaction action = {.sa_handler = on_fault}, old;
    struct larder_key key = rig_key("huge");
    struct rig rig;

    (void)state;
    copying.size = 4 * RIG_MIB;
    copying.source =
        mmap(NULL, copying.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(copying.source != MAP_FAILED);
    memset(copying.source, 'h', copying.size);
    assert_int_equal(sigaction(SIGSEGV, &action, &old), 0);
    rig_open_config(&rig, NULL, config_of(64 * RIG_MIB, 16 * RIG_MIB));
    assert_int_equal(rig_put(&rig, "small", "value", NULL), LARDER_OK);
    put_faulting(&rig, false);
    assert_int_equal(copying.inside, 0);
    put_faulting(&rig, true);
    assert_int_equal(copying.inside, 1); /* what is lent has to stay */
    /* What fails its condition is not even read. */
    assert_int_equal(mprotect(copying.source, copying.size, PROT_NONE), 0);
    copying.faults = 0;
    assert_int_equal(rig_put_bytes(&rig, 0, &key, copying.source, copying.size, &absent),
                     LARDER_EXISTS);
    assert_int_equal(copying.faults, 0);
    assert_int_equal(rig_stat(&rig, LARDER_STATS_GENERAL, "curr_items"), 2);
    assert_int_equal(rig_stat(&rig, LARDER_STATS_GENERAL, "total_items"), 3);
    assert_int_equal(sigaction(SIGSEGV, &old, NULL), 0);
    rig_close(&rig);
    assert_int_equal(munmap(copying.source, copying.size), 0);
}

/* A flush that comes while room is made takes what was there before, and what was made of it. */
static void test_flush_while_a_mapping_is_made(void **state)
{
    static char value[200 << 10];
    struct larder_put present = {.condition = LARDER_COND_PRESENT};
    const struct larder_key key = rig_key("key");
    struct larder_ref ref;
    struct rig rig;

    (void)state;
    rig_open_config(&rig, NULL, config_of(64 * RIG_MIB, RIG_MIB));
    assert_int_equal(rig_put(&rig, "key", "small, and without an expiry time", NULL), LARDER_OK);
    flushed = &rig;
    assert_int_equal(rig_put_bytes(&rig, 0, &key, value, sizeof(value), &present), LARDER_MISS);
    assert_null(flushed);
    assert_int_equal(rig_get_key(&rig, &key, 0, &ref), LARDER_MISS);
    rig_close(&rig);
}

/* Eight workers on one MiB: their open segments must leave something to evict. */
static void test_many_workers_in_little_memory(void **state)
{
    struct larder_config config = config_of(RIG_MIB, RIG_MIB);
    static const char value[3000];
    struct rig rig;

    (void)state;
    config.thread_count = RIG_THREADS_MAX;
    rig_open_config(&rig, NULL, config);
    for (uint64_t i = 0; i < 20000; i++) {
        char text[RIG_KEY_SIZE];
        struct larder_key key = rig_numbered(text, i % 3000);
        struct larder_ref ref;

        assert_int_equal(rig_put_bytes(&rig, (uint32_t)(i % RIG_THREADS_MAX), &key, value,
                                       i * 7919 % sizeof(value), NULL),
                         LARDER_OK);
        assert_int_equal(rig_get_key(&rig, &key, 0, &ref), LARDER_OK);
    }
    assert_true(rig.evicted > 0);
    rig_close(&rig);
    /* And where it cannot be, open() says so. */
    config.memory_max = 100000;
    assert_int_equal(rig.ops->open(&rig.host, &config, &rig.engine), LARDER_NO_SPACE);
    assert_null(rig.engine);
}

/* A short life of an engine in which every kind of allocation is made. */
static enum larder_result short_life(void)
{
    struct rig rig = {.host = {.size = sizeof(rig.host)}, .now_s = 1000};
    struct larder_config config = config_of(2 * RIG_MIB, RIG_MIB);
    const struct larder_engine_ops *ops;
    struct larder_room room = {0};
    static char value[60000];
    struct larder_put put = {.pieces = &(struct larder_piece){value, sizeof(value)},
                             .piece_count = 1};
    struct larder_key key = rig_key("x");
    enum larder_result result;

    rig_engine(&rig, NULL);
    ops = rig.ops;
    result = ops->open(&rig.host, &config, &rig.engine);
    if (result != LARDER_OK) {
        assert_null(rig.engine);
        return result;
    }
    rig.config = config;
    assert_int_equal(ops->thread_attach(rig.engine, 0, &rig.threads[0]), LARDER_OK);
    assert_int_equal(ops->thread_attach(rig.engine, 1, &rig.threads[1]), LARDER_OK);
    /* Growth: what does not fit without it is evicted, nothing fails. */
    for (uint64_t i = 0; i < 26000; i++) {
        char text[RIG_KEY_SIZE];
        struct larder_key k = rig_numbered(text, i);
        assert_int_equal(rig_put_bytes(&rig, 0, &k, "v", 1, NULL), LARDER_OK);
    }
    ops->thread_begin(rig.threads[0], rig.now_s);
    result = ops->put(rig.threads[0], &key, &put);
    assert_true(result == LARDER_OK || result == LARDER_NO_SPACE || result == LARDER_BUSY);
    result = ops->reserve(rig.threads[0], &key, 100, &room);
    assert_true(result == LARDER_OK || result == LARDER_BUSY);
    if (result == LARDER_OK) {
        ops->abandon(rig.threads[0], &room);
    }
    ops->thread_end(rig.threads[0]);
    rig_tick(&rig);
    rig_close(&rig);
    return LARDER_OK;
}

static void test_every_allocation_fails_once(void **state)
{
    uint64_t opened = 0;
    uint64_t count;

    (void)state;
    allocations = fail_at = 0;
    assert_int_equal(short_life(), LARDER_OK);
    count = allocations;
    assert_true(count > 10);
    for (uint64_t n = 1; n <= count; n++) {
        allocations = 0;
        fail_at = n;
        opened += short_life() == LARDER_OK ? 1 : 0;
        assert_true(allocations >= n);
    }
    fail_at = 0;
    assert_true(opened > 0 && opened < count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_large_objects),
        cmocka_unit_test(test_unmapped_without_a_lock),
        cmocka_unit_test(test_huge_among_small),
        cmocka_unit_test(test_huge_is_copied_outside_the_epoch),
        cmocka_unit_test(test_flush_while_a_mapping_is_made),
        cmocka_unit_test(test_many_workers_in_little_memory),
        cmocka_unit_test(test_every_allocation_fails_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
