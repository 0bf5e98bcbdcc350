/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The server's certificates: read at start, and again while it runs.
 *
 * Connections take the snapshot of their moment. A reload makes another one beside it and puts it in
 * its place when it is good; one that is not good changes nothing.
 */
#ifndef LARDER_SERVER_TLS_H
#define LARDER_SERVER_TLS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "net/tls.h"
#include "server/config.h"
#include "server/listener.h"

struct server_tls;

/*
 * Read the files that the configuration (borrowed for life) names. Before privileges are dropped: a key
 * may be root's alone. Returns 0 and *ret_tls (given; NULL without -Z), or EX_USAGE: what is wrong
 * has been logged.
 */
BASE_MUST_USE int server_tls_create(const struct server_config *config,
                                    struct server_tls **ret_tls);
/* Accepts NULL, sets NULL. */
void server_tls_destroy(struct server_tls **tls);

/* What a new connection is to use; given: net_tls_put(). Any thread; a lock, and no wait behind files. */
struct net_tls *server_tls_get(struct server_tls *tls);
/*
 * Read the files again; all connections stay. False: the old certificates stay, and `why` says what
 * is wrong with the new ones. Either has been logged. Any thread.
 */
BASE_MUST_USE bool server_tls_reload(struct server_tls *tls, char why[NET_TLS_WHY_MAX]);
/* Seconds since they were read; when the certificate ends, in seconds since 1970. Any thread. */
uint64_t server_tls_age_s(struct server_tls *tls);
int64_t server_tls_valid_until_s(struct server_tls *tls);

/* What clients of a listener are asked for: the listener's own word, or -o ssl_verify_mode. */
enum net_tls_verify server_tls_verify(const struct server_config *config,
                                      enum server_listener_tls listener);

#endif
