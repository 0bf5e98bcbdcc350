/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Workers: each a thread with its own loop, connections and counters. See worker.c.
 */
#ifndef LARDER_SERVER_WORKER_H
#define LARDER_SERVER_WORKER_H

#include "server/server_priv.h"

/* Loop and engine thread, no thread yet. Returns 0 or -errno; the reason has been logged. */
BASE_MUST_USE int server_worker_init(struct server_worker *worker, struct server *server,
                                     uint32_t index);
/* Its thread is not running. Closes its connections. Accepts a zeroed or half-made worker. */
void server_worker_fini(struct server_worker *worker);
/* Accept from the server's listeners. Before the thread runs. Returns 0 or -errno. */
BASE_MUST_USE int server_worker_listen(struct server_worker *worker);
/* pthread_create()'s function. */
void *server_worker_main(void *worker);
/* Any thread. */
void server_worker_stop(struct server_worker *worker, bool graceful);
/* A connection of the worker's that came by `from` is gone. On the worker. */
void server_worker_uncount(struct server_worker *worker, const struct server_listener *from);
/* Any thread: stop or go on accepting, as server->accept_paused says. */
void server_worker_obey_limit(struct server_worker *worker);

#endif
