/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Following what happens, line by line: the `watch` command.
 *
 * While nobody watches, each place that could report costs one relaxed load. A watcher has a
 * bounded buffer; what does not fit is skipped and counted, so a slow watcher slows nobody.
 */
#ifndef LARDER_SERVER_WATCH_H
#define LARDER_SERVER_WATCH_H

#include "server/server_priv.h"

enum server_watch_kind {
    SERVER_WATCH_FETCHERS = 1u << 0,
    SERVER_WATCH_MUTATIONS = 1u << 1,
    SERVER_WATCH_EVICTIONS = 1u << 2,
    SERVER_WATCH_CONNEVENTS = 1u << 3,
    SERVER_WATCH_DELETIONS = 1u << 4,
    SERVER_WATCH_NOTHING = 1u << 5, /* kinds of memcached's that have no events here */
};

enum server_watch_result { SERVER_WATCH_ADDED, SERVER_WATCH_TOO_MANY, SERVER_WATCH_FAILED };

/* Returns 0 or -errno. *ret_watch is given. */
BASE_MUST_USE int server_watch_create(struct server *server, struct server_watch **ret_watch);
/* No connection is left. */
void server_watch_destroy(struct server_watch **watch);

/* The server ends and its loops go, one after the other: nothing is reported any more. */
void server_watch_mute(struct server_watch *watch);

/* Turn a connection into a watcher of `kinds`. On its worker. */
enum server_watch_result server_watch_add(struct server_conn *conn, uint32_t kinds);
/* It closes. Nothing when it was none. On its worker. */
void server_watch_remove(struct server_conn *conn);

/* Its client reads again: what has been noted meanwhile goes out. On its worker. */
void server_watch_drained(struct server_conn *conn);

/* Does anybody follow this? Any thread. */
bool server_watched(const struct server *server, enum server_watch_kind kind);

/* What happened; ask server_watched() first. On the worker of the call's connection. */
void server_watch_fetch(struct server_call *call, struct base_slice key, enum larder_result result,
                        const struct larder_ref *ref);
void server_watch_store(struct server_call *call, enum proto_status status, enum proto_error error,
                        uint32_t expires_at_s);
void server_watch_delete(struct server_call *call, uint64_t value_size);
void server_watch_conn_opened(const struct server_conn *conn);
void server_watch_tls_error(const struct server_conn *conn, const char *why);
void server_watch_conn_closed(const struct server_conn *conn, enum net_close_reason reason);
/* larder_host.event(): the engine dropped an item. Any thread, inside the engine. */
void server_watch_engine(struct server *server, enum larder_event what,
                         const struct larder_ref *item);

/* log_watchers and its like, for `stats`; and back to nothing. */
void server_watch_stats(struct server *server, larder_stat_fn fn, void *arg);
void server_watch_stats_reset(struct server *server);

#endif
