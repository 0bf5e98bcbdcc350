/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * UDP: requests of one datagram each, answered as those of a connection are, in datagrams.
 *
 * All workers have all UDP sockets, and whoever is free takes what comes: no client is tied to a
 * worker by a hash of its address, and a port that another server has is an error at the start,
 * which SO_REUSEPORT would hide.
 *
 * Who sent a datagram cannot be known. So a reply is no longer than the request times
 * -o udp_reply_factor; what would be longer is replaced by an error, or by nothing when even that
 * is too long.
 */
#ifndef LARDER_SERVER_UDP_H
#define LARDER_SERVER_UDP_H

#include "server/server_priv.h"

/* Take datagrams from the server's UDP sockets; nothing to do when there is none. Returns 0 or -errno. */
BASE_MUST_USE int server_udp_start(struct server_worker *worker);
/* No more datagrams. Idempotent; harmless when there were none. */
void server_udp_stop(struct server_worker *worker);
/* The worker's loop is gone: frees what server_udp_start() made. */
void server_udp_free(struct server_worker *worker);
/* When this worker had its last datagram, in seconds of the cache clock; 0: never. Any thread. */
uint32_t server_udp_last_s(const struct server_worker *worker);

#endif
