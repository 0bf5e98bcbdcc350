/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TLS for the tests of src/net: certificates made for this run, the server's side of them, and a
 * client's session for every descriptor that rig.c connects. A program that is asked for
 * "epoll-tls" or "io_uring-tls" runs its cases with it; the cases do not know.
 */
#ifndef LARDER_TEST_NET_RIG_TLS_H
#define LARDER_TEST_NET_RIG_TLS_H

#include <openssl/ssl.h>

#include "net/tls.h"
#include "rig.h"

/* Make the certificates, once per program, and ignore SIGPIPE. */
void rig_tls_prepare(void);
/* The path of one of test/lib/make-certificates' files. Static; good for the next 31 calls. */
const char *rig_tls_path(const char *name);
/* The usual server's. */
struct net_tls_config rig_tls_config(void);
/* A new one of these; fails the test when the files are no good. */
struct net_tls *rig_tls_create(const struct net_tls_config *config);
/* A client of the newest version up to `version` (0: any), that trusts ca.pem. Given: SSL_CTX_free(). */
SSL_CTX *rig_tls_client(int version);

/* With which the rig's servers are opened when the program was asked for TLS; NULL: it was not. */
const struct net_tls *rig_tls_usual(void);
void rig_tls_use(void);
/* fd has been connected: a session of the usual client. */
void rig_tls_connected(int fd);
/* As send() and recv(), for descriptors of rig_tls_connected(). */
ssize_t rig_tls_send(int fd, const void *data, size_t size, bool wait);
ssize_t rig_tls_recv(int fd, void *data, size_t size, bool wait);

#endif
