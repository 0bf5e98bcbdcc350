/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The storage engine contract.
 *
 * What memcached's commands mean (add, cas, append, incr, touch, meta modes, quiet forms) is
 * written once, in the host. An engine is a fast key-value store: it keeps items, finds them,
 * replaces them under one atomic condition, forgets them when memory is short, and says what it
 * did. It knows no protocol, no socket and no clock.
 *
 * A module exports one symbol, larder_engine_entry(), which returns a table of functions. The
 * structures below only ever grow at their end; `size` is their first word, so either side can
 * tell what the other knows. A function that is absent (NULL, or past `size`) is a missing
 * capability, and the host answers a command that needs it with a clear error.
 *
 * Time.      Seconds, unsigned 32 bits, since an origin that the host chooses and never moves
 *            back. 0 means "never" where an expiry time is meant. An item is expired when
 *            expires_at_s <= now_s. The host brings the time with thread_begin() and tick().
 * Threads.   Every worker has a `struct larder_thread` of the engine and is the only one to use
 *            it. A worker calls thread_begin() when it wakes and thread_end() before it sleeps;
 *            item functions are only called in between. stats(), scan(), pins(), flush(), tick()
 *            and resize() may be called from any thread, beside the workers; tick() from one
 *            thread at a time, which is not a worker.
 * Ownership. Three words. Borrowed: until the function returns. Lent: until a named call.
 *            Given: the receiver frees it.
 * Lifetime.  What get() lends stays unchanged in memory until release() or until the worker's
 *            thread_end(), whichever comes first. So a reader never waits, never locks, and
 *            never holds storage while its socket is slow: the host copies out what a socket
 *            does not take at once.
 * Order.     Operations on one key are linearizable. Nothing is promised across keys.
 * Memory.    No allocation crosses the border, in either direction.
 */
#ifndef LARDER_ENGINE_H
#define LARDER_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LARDER_ENGINE_ABI_MAJOR 1u /* a host loads an engine only when this is equal */
#define LARDER_ENGINE_ABI_MINOR 0u /* grows when a structure does */

struct larder_engine; /* one instance; the engine's own */
struct larder_thread; /* one worker's context; the engine's own */

enum larder_result {
    LARDER_OK = 0,
    LARDER_MISS,      /* no such item (never stored, deleted, flushed, expired or evicted) */
    LARDER_EXISTS,    /* a condition failed: the key has an item, or another one than named */
    LARDER_NO_SPACE,  /* nothing could be evicted for it */
    LARDER_TOO_LARGE, /* can never fit */
    LARDER_BUSY,      /* give back every reference, thread_end(), thread_begin(), try again */
    LARDER_PENDING,   /* the answer comes later, through larder_host.complete() */
    LARDER_FAILED,    /* the engine's own failure (disk); it has been logged and counted */
};

/* Capabilities. The host refuses what an engine lacks, it never half-works. */
#define LARDER_CAP_CAS          (1ull << 0) /* cas values are unique per change and grow per key */
#define LARDER_CAP_EXPIRY_EXACT (1ull << 1) /* expires to the second, not to a coarser grain */
#define LARDER_CAP_TOUCH        (1ull << 2)
#define LARDER_CAP_MARKS        (1ull << 3) /* keeps enum larder_mark per item */
#define LARDER_CAP_LAST_ACCESS  (1ull << 4)
#define LARDER_CAP_RESERVE      (1ull << 5)
#define LARDER_CAP_SCAN         (1ull << 6)
#define LARDER_CAP_PINS         (1ull << 7)
#define LARDER_CAP_RESIZE       (1ull << 8)
#define LARDER_CAP_EVICTS       (1ull << 9)  /* a cache: drops items rather than refuse new ones */
#define LARDER_CAP_ASYNC        (1ull << 10) /* get() may answer LARDER_PENDING */
#define LARDER_CAP_PERSISTENT   (1ull << 11) /* items outlive the process */

/* 1..250 bytes, borrowed. The host hashes once: XXH3, 64 bits, seed 0. */
struct larder_key {
    const char *data;
    uint32_t size;
    uint64_t hash;
};

/* One part of a value that lies in pieces; borrowed. */
struct larder_piece {
    const char *data;
    size_t size;
};

/* Marks the host keeps on an item. They belong to the item, not to its value: a mark does not change cas. */
enum larder_mark {
    LARDER_MARK_FETCHED = 1u << 0, /* has been read since it was stored; set by get() itself */
    LARDER_MARK_STALE = 1u << 1,   /* invalidated but still served (meta delete I) */
    LARDER_MARK_WON = 1u << 2,     /* one client was told to recache it (meta W/Z) */
    LARDER_MARK_HOST = 1u << 3,    /* the host's own; larderd: the key was sent in base64 */
};

/*
 * One item as get() found it. The value is one contiguous run of bytes, whatever its size (engines
 * make it so with address space, not with copies), so every reader is one loop shorter.
 */
struct larder_ref {
    const char *key;     /* lent, key_size bytes */
    const char *value;   /* lent, value_size bytes */
    uint64_t value_size; /* bytes */
    uint64_t cas;        /* changes when the value changes; valid for a LARDER_COND_CAS put */
    uint64_t pin;        /* the engine's own; 0: release() passes over it */
    uint32_t key_size;   /* bytes */
    uint32_t client_flags;
    uint32_t expires_at_s;  /* 0: never */
    uint32_t last_access_s; /* before this get; may lag by up to 60 s */
    uint32_t marks;         /* enum larder_mark, before this get */
};

enum larder_get_flag {
    LARDER_GET_CAS = 1u << 0, /* ref.cas will be shown to a client: keep it while the value stays */
    LARDER_GET_PEEK = 1u << 1,  /* leave no trace: no FETCHED mark, no access time, no promotion */
    LARDER_GET_BRIEF = 1u << 2, /* key, key_size, cas and last_access_s of refs may stay unfilled */
};

enum larder_condition {
    LARDER_COND_NONE = 0, /* store whatever is there */
    LARDER_COND_ABSENT,   /* store if the key has no item, else LARDER_EXISTS */
    LARDER_COND_PRESENT,  /* store if the key has an item, else LARDER_MISS */
    LARDER_COND_CAS, /* store if the item's cas is `cas_expected`; LARDER_EXISTS, LARDER_MISS */
};

/* What to store, and when. Zero-initialise, then fill. */
struct larder_put {
    const struct larder_piece *pieces; /* borrowed; the value, in order */
    uint32_t piece_count;              /* 0: empty value */
    uint32_t condition;                /* enum larder_condition */
    uint64_t cas_expected;             /* for LARDER_COND_CAS */
    uint64_t cas_assign;               /* 0: the engine picks the next one */
    uint32_t client_flags;
    uint32_t expires_at_s; /* 0: never */
    uint32_t marks;        /* the new item's enum larder_mark */
    bool keep_expiry;      /* take client_flags and expires_at_s from the replaced item */
    bool show_cas;         /* ret_cas will be shown to a client: keep it while the value stays */
    uint64_t ret_cas;      /* out, on LARDER_OK: the new item's cas */
};

/* Room for a value that the host fills in place; see reserve(). The engine writes all of it but the value's bytes. */
struct larder_room {
    char *value;         /* lent until commit() or abandon(): value_size writable bytes */
    uint64_t value_size; /* bytes */
    void *engine_data[4];
};

enum larder_event {
    LARDER_EVENT_EVICTED, /* dropped to make room, while it could still have been read */
    LARDER_EVENT_EXPIRED, /* dropped because its time was over */
};

/* What the host offers. Given at open(); valid until close() returns. Callable from any thread. */
struct larder_host {
    uint32_t size; /* of this structure, bytes */
    uint32_t abi_major, abi_minor;
    void *context; /* the host's own, first argument of every function below */
    /* Every pending key of the get() with this token is decided. Any thread, once; collect() follows. */
    void (*complete)(void *context, uint64_t token);
    /* One line, no newline. level: 0 error, 1 notice, 2 debug. */
    void (*log)(void *context, int level, const char *line);
    /* An item left. `item` is borrowed. May be NULL: nobody is watching. Must be quick. */
    void (*event)(void *context, enum larder_event what, const struct larder_ref *item);
    /* There is work for tick(), soon. May be NULL. Any thread; cheap; may be called too often. */
    void (*wake)(void *context);
    /* Value of the engine's own option `name` (-o name=value), or NULL. Lent until close(). */
    const char *(*option)(void *context, const char *name);
};

/* What the host wants. Borrowed for open(). */
struct larder_config {
    uint32_t size;          /* of this structure, bytes */
    uint32_t thread_count;  /* workers that will attach, 1.. */
    uint64_t memory_max;    /* bytes, everything included: items, index, metadata */
    uint64_t item_size_max; /* bytes: key, value and the engine's header together */
    bool evict;             /* false: refuse with LARDER_NO_SPACE instead of evicting */
    bool huge_pages;        /* ask for them */
};

/* One reported number or text. `value` is borrowed. */
typedef void (*larder_stat_fn)(void *arg, const char *name, const char *value);
/* One item of a scan. Borrowed. Returns false to stop. */
typedef bool (*larder_scan_fn)(void *arg, const struct larder_ref *item);
/* One place where storage is held: how many hold it, how long already. key is borrowed and may be NULL. */
typedef bool (*larder_pin_fn)(void *arg, const char *key, uint32_t key_size, uint64_t bytes,
                              uint32_t holders, uint64_t age_s);

/* The table of functions. (opt): may be NULL when the capability is absent. */
struct larder_engine_ops {
    uint32_t size; /* of this structure, bytes */
    uint32_t abi_major, abi_minor;
    uint64_t capabilities; /* LARDER_CAP_... */
    const char *name;      /* one word */
    const char *version;

    /* ---- life ---- */

    /* Returns LARDER_OK and *ret_engine (given; close() frees), LARDER_NO_SPACE or LARDER_FAILED. */
    enum larder_result (*open)(const struct larder_host *host, const struct larder_config *config,
                               struct larder_engine **ret_engine);
    /* Every thread is detached, no reservation is open. Accepts NULL, sets NULL. */
    void (*close)(struct larder_engine **engine);
    /* index: 0..thread_count-1, each once. *ret_thread is given; thread_detach() frees. */
    enum larder_result (*thread_attach)(struct larder_engine *engine, uint32_t index,
                                        struct larder_thread **ret_thread);
    void (*thread_detach)(struct larder_thread **thread);

    /* ---- a worker's turn ---- */

    void (*thread_begin)(struct larder_thread *thread, uint32_t now_s);
    void (*thread_end)(struct larder_thread *thread); /* all that was lent is gone */

    /* ---- items; only between thread_begin() and thread_end() ---- */

    /* A hint: these keys are about to be used. Brings their lines into the cache, all at once. */
    void (*prefetch)(struct larder_thread *thread, const struct larder_key *keys, uint32_t count);
    /*
     * Look `count` keys up. results[i] is LARDER_OK and refs[i] filled (lent until release() or
     * thread_end()), LARDER_MISS, LARDER_PENDING (CAP_ASYNC only; `token` names it) or
     * LARDER_FAILED. Of all but LARDER_OK refs[i].pin is 0. flags: enum larder_get_flag, for all.
     */
    void (*get)(struct larder_thread *thread, const struct larder_key *keys, uint32_t count,
                uint32_t flags, uint64_t token, struct larder_ref *refs,
                enum larder_result *results);
    /* (opt, CAP_ASYNC) Take a pending get()'s answers, once, on its worker. count as in the get(). */
    void (*collect)(struct larder_thread *thread, uint64_t token, uint32_t count,
                    struct larder_ref *refs, enum larder_result *results);
    /* Give `count` references back; sets each pin to 0. */
    void (*release)(struct larder_thread *thread, struct larder_ref *refs, uint32_t count);
    /*
     * Store atomically under put->condition. LARDER_OK, LARDER_EXISTS, LARDER_MISS,
     * LARDER_NO_SPACE, LARDER_TOO_LARGE, LARDER_BUSY or LARDER_FAILED; nothing has changed unless
     * it is LARDER_OK.
     */
    enum larder_result (*put)(struct larder_thread *thread, const struct larder_key *key,
                              struct larder_put *put);
    /*
     * (opt) Room for `value_size` bytes, to be received in place over any number of turns. Nobody
     * else can see it until commit(), which is a put() without pieces; on any result but
     * LARDER_OK and LARDER_BUSY the room is gone. `key` is copied. LARDER_BUSY: too much
     * is reserved already, buffer it yourself. An open room pins storage: see pins().
     */
    enum larder_result (*reserve)(struct larder_thread *thread, const struct larder_key *key,
                                  uint64_t value_size, struct larder_room *ret_room);
    enum larder_result (*commit)(struct larder_thread *thread, struct larder_room *room,
                                 struct larder_put *put);
    void (*abandon)(struct larder_thread *thread, struct larder_room *room);
    /*
     * Remove. cas_expected 0: whatever is there. LARDER_OK, LARDER_MISS, LARDER_EXISTS.
     */
    enum larder_result (*remove)(struct larder_thread *thread, const struct larder_key *key,
                                 uint64_t cas_expected);
    /* (opt) New expiry time; value and cas stay. LARDER_OK, LARDER_MISS, LARDER_NO_SPACE, LARDER_BUSY. */
    enum larder_result (*touch)(struct larder_thread *thread, const struct larder_key *key,
                                uint32_t expires_at_s);
    /*
     * (opt) Set and clear marks of the item whose cas is `cas`, atomically; value and cas stay.
     * *ret_before: the marks before, so of many who set one, exactly one sees it unset.
     * LARDER_OK, LARDER_MISS, LARDER_EXISTS.
     */
    enum larder_result (*mark)(struct larder_thread *thread, const struct larder_key *key,
                               uint64_t cas, uint32_t set, uint32_t clear, uint32_t *ret_before);

    /* ---- the whole store; any thread ---- */

    /*
     * Everything stored before at_s is gone from at_s on (0: now), as soon as a thread_begin() or
     * tick() brings that time. A later call replaces a pending one.
     */
    void (*flush)(struct larder_engine *engine, uint32_t at_s);
    /*
     * A slice of upkeep: expiry, reclaim, index growth. About budget_ns long. Returns true when
     * there is more to do at once. One thread at a time, never a worker.
     */
    bool (*tick)(struct larder_engine *engine, uint32_t now_s, uint64_t budget_ns);
    /*
     * (opt) Walk the items: those that live throughout the walk are seen at least once.
     * *cursor starts at 0; the walk is over when it is 0 again. Visits about `items_max` items.
     * An item for which fn returned false is not seen: the next call begins with it.
     * On a worker between its begin and end, or on any thread that is not a worker.
     */
    void (*scan)(struct larder_engine *engine, uint32_t now_s, uint64_t *cursor, uint32_t items_max,
                 larder_scan_fn fn, void *arg);
    /* group: enum larder_stat_group. Numbers are sums over the threads. */
    void (*stats)(struct larder_engine *engine, int group, uint32_t now_s, larder_stat_fn fn,
                  void *arg);
    void (*stats_reset)(struct larder_engine *engine);
    /* (opt) Who holds storage: open reservations, lent references that were never released. */
    void (*pins)(struct larder_engine *engine, uint32_t now_s, larder_pin_fn fn, void *arg);
    /* (opt) A new memory_max, up or down. LARDER_OK or LARDER_NO_SPACE (out of bounds). */
    enum larder_result (*resize)(struct larder_engine *engine, uint64_t memory_max);
};

enum larder_stat_group {
    LARDER_STATS_GENERAL, /* for `stats`: bytes, curr_items, evictions, ... in memcached's names */
    LARDER_STATS_ITEMS,   /* for `stats items` */
    LARDER_STATS_SLABS,   /* for `stats slabs` */
    LARDER_STATS_SIZES,   /* for `stats sizes` */
    LARDER_STATS_DETAIL,  /* the engine's own inner numbers */
};

/* The only symbol a module exports. NULL: it cannot work with this host. */
const struct larder_engine_ops *larder_engine_entry(uint32_t host_abi_major,
                                                    uint32_t host_abi_minor);

#ifdef __cplusplus
}
#endif

#endif
