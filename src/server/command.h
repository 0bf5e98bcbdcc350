/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From a parsed request to its handler, and from what happened to the client's words.
 *
 * A handler knows neither protocol nor socket: it asks the engine, fills a proto_reply and hands
 * it to server_reply(). On the worker that owns the connection, within one turn.
 */
#ifndef LARDER_SERVER_COMMAND_H
#define LARDER_SERVER_COMMAND_H

#include "proto/binary.h"
#include "server/output.h"
#include "server/prefix.h"
#include "server/server_priv.h"
#include "server/watch.h"

/* The engine's form of a protocol key. Borrows its bytes. */
struct larder_key server_key(struct base_slice key);

/* Gates, counter, handler. */
enum server_done server_command_run(struct server_call *call);

/* ---- answers ---- */

/* Write the reply in the request's protocol, unless noreply or quiet hides it. */
enum server_done server_reply(struct server_call *call, const struct proto_reply *reply);
enum server_done server_reply_status(struct server_call *call, enum proto_status status);
enum server_done server_reply_error(struct server_call *call, enum proto_error error);
/* The error of a request that was never one (its line could not be parsed). */
enum server_done server_reply_bad_line(struct server_conn *conn, enum proto_error error);
/* Binary: an answer that has a value of the caller's own, whatever the status; quiet hides nothing. */
enum server_done server_reply_packet(struct server_call *call, enum proto_binary_status status,
                                     struct base_slice value);
/* A line of the caller's own words, with its \r\n. Hidden by noreply. */
enum server_done server_reply_text(struct server_call *call, struct base_slice text);
/* Is a value of this size copied into the reply? A larger one is lent to the socket. */
static inline bool server_is_copied(uint64_t value_size)
{
    return value_size <= SERVER_COPY_MAX;
}
/* A value that is not copied: lent to the socket. `ref` is given. */
BASE_MUST_USE bool server_lend_value(struct server_conn *conn, struct larder_ref *ref);

/* ---- what every handler needs of the engine ---- */

/*
 * Look up to BASE_BATCH_MAX keys up. Returns false when the engine answers later: return
 * SERVER_PARK at once, the request will be run again.
 */
BASE_MUST_USE bool server_get(struct server_call *call, const struct larder_key *keys,
                              uint32_t count, uint32_t flags, struct larder_ref *refs,
                              enum larder_result *results);
/*
 * Find the request's item. LARDER_OK (ret_ref lent until server_release()), LARDER_MISS,
 * LARDER_PENDING (return SERVER_PARK at once) or LARDER_FAILED.
 */
enum larder_result server_find(struct server_call *call, uint32_t get_flags,
                               struct larder_ref *ret_ref);
void server_release(struct server_worker *worker, struct larder_ref *ref);
/*
 * Store the call's data block, wherever it lies. Waits for room when the engine asks for it; every
 * reference of this worker is void then. `held` is one that `put` borrows from, or NULL; given back
 * here in any case. Where there is one, LARDER_BUSY says that it went too early: find again.
 */
enum larder_result server_store(struct server_call *call, struct larder_put *put,
                                struct larder_ref *held);
/*
 * The engine said LARDER_BUSY: gives it references and time. False: it has been waited for long enough, the answer is
 * LARDER_NO_SPACE. References of this worker are void afterwards.
 */
BASE_MUST_USE bool server_busy_again(struct server_call *call);
/*
 * Give the key's item a new expiry time. LARDER_OK, LARDER_MISS or LARDER_NO_SPACE. Waits for room
 * as server_store() does: references of this worker may be void afterwards. cmd_touch.c
 */
enum larder_result server_touch(struct server_call *call, const struct larder_key *key,
                                uint32_t expires_at_s);
/* Whether memcached would call an item of this shape too large: its header counts, too. */
bool server_item_too_large(const struct server *server, size_t key_size, uint32_t client_flags,
                           uint64_t value_size);

/* A key that was asked for, by any protocol; touch: it was to get a new expiry time, too. */
void server_count_key(struct server_worker *worker, bool touch, bool hit);

/* The cas a client is shown, and compares with: 0 for all items under -C, as memcached has it. */
uint64_t server_shown_cas(const struct server_worker *worker, uint64_t cas);

/* A data block that is not even wanted: too large, or no memory. The older value goes, as in memcached. */
enum server_done server_refuse_store(struct server_call *call, enum proto_error error);

/* ---- reads that arrived together; cmd_get.c ---- */

/* A request that is one look-up and its answer: get or gets of one key. */
bool server_is_read(const struct proto_request *request);
/* Plain mgs (proto/plain.h) whose flags ask the engine for the same. */
static inline bool server_meta_is_alike(uint32_t flags, uint32_t others_flags)
{
    return ((flags ^ others_flags) & (PROTO_FLAG_CAS_RETURN | PROTO_FLAG_HIT_BEFORE |
                                      PROTO_FLAG_LAST_ACCESS | PROTO_FLAG_NO_BUMP)) == 0;
}
/* Reads may be run together now: nobody wants to hear of each, and the engine answers at once. */
bool server_reads_together(const struct server_conn *conn);
/*
 * Answer the read in entry `first` and those that follow it and are alike, at most count_max.
 * *ret_count: how many were answered, 1 or more; fewer when the output is full.
 */
enum server_done server_cmd_reads(struct server_conn *conn, struct server_batch *batch,
                                  uint32_t first, uint32_t count_max, uint32_t *ret_count);
/* Who reads this item by mg may win it, or has to be told that somebody else has. */
static inline bool server_meta_is_marked(const struct larder_ref *ref)
{
    return (ref->marks & (LARDER_MARK_STALE | LARDER_MARK_WON)) != 0;
}
/* What such mgs ask the engine for: enum larder_get_flag. cmd_meta.c */
uint32_t server_meta_get_flags(uint32_t flags);
/*
 * The plain mg in entry `index`, answered from what the look-up found. ref NULL: nothing. *ret_hit:
 * whether there was an item in the end. False: the connection has to go. cmd_meta.c
 */
bool server_meta_answer(struct server_conn *conn, struct server_batch *batch, uint32_t index,
                        struct larder_ref *ref, struct server_output *output, bool *ret_hit);

/* ---- sets that arrived together; cmd_store.c ---- */

/* A request that is one put() and one word: the text protocol's set. */
bool server_is_set(const struct proto_request *request);
/* Sets may be run together now: nobody wants to hear of each. */
bool server_sets_together(const struct server_conn *conn);
/*
 * Store what the sets from entry `first` on bring, at most count_max. *ret_count: how many were
 * stored and answered; the next may be none, or need more than one put(): 0 when it is the first.
 */
enum server_done server_cmd_sets(struct server_conn *conn, struct server_batch *batch,
                                 uint32_t first, uint32_t count_max, uint32_t *ret_count);

/* ---- handlers, one file per family ---- */

enum server_done server_cmd_get(struct server_call *call);        /* cmd_get.c */
enum server_done server_cmd_meta_get(struct server_call *call);   /* cmd_meta.c */
enum server_done server_cmd_meta_debug(struct server_call *call); /* cmd_meta.c */
enum server_done server_cmd_store(struct server_call *call);      /* cmd_store.c */
enum server_done server_cmd_delete(struct server_call *call);     /* cmd_delete.c */
enum server_done server_cmd_arith(struct server_call *call);      /* cmd_arith.c */
enum server_done server_cmd_touch(struct server_call *call);      /* cmd_touch.c */
enum server_done server_cmd_stats(struct server_call *call);      /* cmd_stats.c */
/* cmd_admin.c */
enum server_done server_cmd_noop(struct server_call *call);
enum server_done server_cmd_flush_all(struct server_call *call);
enum server_done server_cmd_verbosity(struct server_call *call);
enum server_done server_cmd_version(struct server_call *call);
enum server_done server_cmd_quit(struct server_call *call);
enum server_done server_cmd_shutdown(struct server_call *call);
enum server_done server_cmd_cache_memlimit(struct server_call *call);
enum server_done server_cmd_slabs(struct server_call *call);
enum server_done server_cmd_lru(struct server_call *call);
enum server_done server_cmd_extstore(struct server_call *call);
enum server_done server_cmd_refresh_certs(struct server_call *call);
enum server_done server_cmd_debugtime(struct server_call *call);
enum server_done server_cmd_misbehave(struct server_call *call);
enum server_done server_cmd_lru_crawler(struct server_call *call); /* cmd_dump.c */
enum server_done server_cmd_watch(struct server_call *call);       /* cmd_watch.c */
/* cmd_auth.c */
enum server_done server_cmd_sasl_list(struct server_call *call);
enum server_done server_cmd_sasl_auth(struct server_call *call);
enum server_done server_cmd_sasl_step(struct server_call *call);

#endif
