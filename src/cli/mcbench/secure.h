/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TLS for the connections of a lane: send and receive as the system's, with errno.
 *
 * The hand-shake is made by the first bytes that are to be sent, and goes on whenever either is called, so opening a connection waits
 * for nobody. Every connection shakes hands anew: no session is resumed. Not src/net's: the generator does not share the server's code.
 */
#ifndef LARDER_CLI_MCBENCH_SECURE_H
#define LARDER_CLI_MCBENCH_SECURE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* What all connections have in common. Any thread once it is made. */
struct bench_secure;
/* One connection's. */
struct bench_session;

/*
 * ca_path: who may vouch for the server, in PEM; NULL: whom the system trusts. is_trusting: anybody may. address: the server's, for the
 * name in its certificate. 0 and *ret_secure (given), or a negative errno and a line without a newline.
 */
int bench_secure_create(const char *ca_path, bool is_trusting, const char *address,
                        struct bench_secure **ret_secure, char complaint[static 4096]);
/* Accepts NULL, sets NULL, as the next. */
void bench_secure_destroy(struct bench_secure **secure);
void bench_secure_close(struct bench_session **session);
/* For a connected descriptor, or one that will be. NULL: no memory. Given; the descriptor stays the caller's. */
struct bench_session *bench_secure_open(struct bench_secure *secure, int fd);
/* As send() and recv() on a descriptor that does not block. EPROTO: bench_secure_error() says more. */
ssize_t bench_secure_send(struct bench_session *session, const char *data, size_t size);
ssize_t bench_secure_recv(struct bench_session *session, char *to, size_t room);
/* Is there more to receive that epoll does not know of? */
bool bench_secure_holds(const struct bench_session *session);
/* In OpenSSL's words; lent until the session's next call. */
const char *bench_secure_error(const struct bench_session *session);

#endif
