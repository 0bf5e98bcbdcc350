/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests that wait for an asynchronous engine (LARDER_CAP_ASYNC, LARDER_PENDING).
 *
 * The connection stops reading and keeps the request's bytes unconsumed, so replies stay in order.
 * When the engine is done the request is run again from its first byte; this time its look-up
 * collects the answers instead of asking. Nothing of it had taken effect before, except keys of a
 * multi-get that were already answered: conn->keys_done says how many to skip.
 *
 * The record outlives its connection when it must: the engine's token is its address. A worker ends
 * when none of its own are with the engine any more.
 */
#ifndef LARDER_SERVER_PARKED_H
#define LARDER_SERVER_PARKED_H

#include "server/server_priv.h"

/*
 * Look keys up on behalf of `conn`, or collect what an earlier look-up of theirs has found.
 * Returns false when the answer is pending: the connection is parked, return SERVER_PARK.
 */
BASE_MUST_USE bool server_parked_get(struct server_conn *conn, const struct larder_key *keys,
                                     uint32_t count, uint32_t flags, struct larder_ref *refs,
                                     enum larder_result *results);
/* Is this request run once more? Then what counts it has counted it. */
static inline bool server_parked_resumes(const struct server_conn *conn)
{
    return conn->parked != NULL;
}
/* How many keys the answers that are waiting are for. The connection resumes. */
uint32_t server_parked_key_count(const struct server_conn *conn);
/*
 * What the engine found, or will find, is not wanted (any more): the connection closes, or the
 * request ended without looking. Nothing when there is nothing.
 */
void server_parked_drop(struct server_conn *conn);
/* The worker's thread has ended: wait until the engine has nothing of its. */
void server_parked_wait(struct server_worker *worker);
/* larder_host.complete(). Any thread. */
void server_parked_complete(void *context, uint64_t token);

#endif
