/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Counts per key prefix: `stats detail on|off|dump`, and -D.
 *
 * A prefix is what stands before the first delimiter of a key. Off, it costs one relaxed load per
 * command; on, a lock: it is a tool to look with, not to leave on. Any thread.
 */
#ifndef LARDER_SERVER_PREFIX_H
#define LARDER_SERVER_PREFIX_H

#include "server/server_priv.h"

/* Returns 0 or -errno. *ret_prefixes is given. */
BASE_MUST_USE int server_prefixes_create(const struct server_config *config,
                                         struct server_prefixes **ret_prefixes);
void server_prefixes_destroy(struct server_prefixes **prefixes);

bool server_prefixes_on(const struct server *server);
void server_prefixes_switch(struct server *server, bool on);
/* Forget every count. */
void server_prefixes_reset(struct server *server);
/*
 * "PREFIX p get n hit n set n del n\r\n" for each. packet: the binary request that asks, whose answer
 * is one packet of all lines and END, as memcached's; NULL: a text one. false: no memory, the stream
 * closes.
 */
BASE_MUST_USE bool server_prefixes_write(struct server *server, struct net_stream *stream,
                                         const struct proto_request *packet);

void server_prefix_get(struct server *server, struct base_slice key, bool hit);
void server_prefix_set(struct server *server, struct base_slice key);
void server_prefix_delete(struct server *server, struct base_slice key);

#endif
