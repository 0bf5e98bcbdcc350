/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * larderd's face to main(): a server made of worker threads, one engine and one upkeep thread.
 *
 * Created, told where to listen, run, stopped. One server per process in production; tests may
 * have several.
 */
#ifndef LARDER_SERVER_SERVER_H
#define LARDER_SERVER_SERVER_H

#include <stdbool.h>

#include "base/compiler.h"

struct server;
struct server_config;
struct server_listener;
struct server_tls;

/*
 * Open the engine and make the workers; no thread runs yet. `config` is borrowed for the server's
 * life. Returns 0 and *ret_server (given), or -errno; the reason has been logged.
 */
BASE_MUST_USE int server_create(const struct server_config *config, struct server **ret_server);
/*
 * Accept clients from the listener: copied; its descriptor is bound, listening, non-blocking, and given even on failure. Before
 * server_run(). Returns 0 or -errno.
 */
BASE_MUST_USE int server_listen(struct server *server, const struct server_listener *listener);
/* For listeners with TLS: the certificates (borrowed for the server's life). Before server_run(). */
void server_use_tls(struct server *server, struct server_tls *tls);
/* Start the threads and wait until server_stop(). Returns 0, or -errno when a thread cannot start. */
BASE_MUST_USE int server_run(struct server *server);
/*
 * Ask server_run() to return. graceful: let connections send what they owe first.
 * Any thread, any signal handler.
 */
void server_stop(struct server *server, bool graceful);
/* Have server_run() read again what was read from files. Any thread, any signal handler. */
void server_reload(struct server *server);
/* Closes every connection and the engine. Accepts NULL, sets NULL. */
void server_destroy(struct server **server);

#endif
