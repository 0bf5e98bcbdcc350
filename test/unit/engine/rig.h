/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the engine tests stand on: one open engine, a clock they turn by hand, short words for
 * store and look-up. Every call is a worker's turn of its own on thread 0, unless it says otherwise.
 */
#ifndef LARDER_TEST_ENGINE_RIG_H
#define LARDER_TEST_ENGINE_RIG_H

#include <larder/engine.h>
#include <stdbool.h>
#include <stdint.h>

enum { RIG_THREADS_MAX = 8, RIG_KEY_SIZE = 32 };

struct rig {
    const struct larder_engine_ops *ops;
    struct larder_host host;
    struct larder_config config;
    struct larder_engine *engine;
    struct larder_thread *threads[RIG_THREADS_MAX];
    uint32_t now_s;
    uint64_t evicted, expired; /* events */
};

#define RIG_MIB (1024ull * 1024)

/* Only find the engine: for tests that open it themselves. */
void rig_engine(struct rig *rig, const char *name);
/* `name`: of the engine, or NULL for the default. The clock stands at 1000. */
void rig_open(struct rig *rig, const char *name, uint64_t memory_max);
/* The same with a configuration of the test's own; only `size` is filled in. */
void rig_open_config(struct rig *rig, const char *name, struct larder_config config);
void rig_close(struct rig *rig);

/* `text` must outlive the key. */
struct larder_key rig_key(const char *text);
/* "key-<number>" in the buffer. */
struct larder_key rig_numbered(char buffer[RIG_KEY_SIZE], uint64_t number);

/* put() with a value that is a C string; `put` may be NULL: no condition, no expiry. BUSY waits. */
enum larder_result rig_put(struct rig *rig, const char *key, const char *value,
                           struct larder_put *put);
/* put() of any key and bytes on any thread. */
enum larder_result rig_put_bytes(struct rig *rig, uint32_t thread, const struct larder_key *key,
                                 const void *value, size_t size, struct larder_put *put);
/* get() of one key. The reference's pointers are void afterwards, its numbers are not. */
enum larder_result rig_get(struct rig *rig, const char *key, uint32_t flags,
                           struct larder_ref *ret_ref);
enum larder_result rig_get_key(struct rig *rig, const struct larder_key *key, uint32_t flags,
                               struct larder_ref *ret_ref);
/* Is the key there with this value? Leaves no trace. */
bool rig_holds(struct rig *rig, const char *key, const char *value);
enum larder_result rig_remove(struct rig *rig, const char *key, uint64_t cas);
enum larder_result rig_touch(struct rig *rig, const char *key, uint32_t expires_at_s);
enum larder_result rig_mark(struct rig *rig, const char *key, uint64_t cas, uint32_t set,
                            uint32_t clear, uint32_t *ret_before);
/* tick() until it has nothing more to do. */
void rig_tick(struct rig *rig);
/* One number of stats(). Fails the test when there is none of this name. */
uint64_t rig_stat(struct rig *rig, int group, const char *name);

#endif
