/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TLS of a server: certificates and rules, as OpenSSL wants them, behind one counted name.
 *
 * A struct net_tls never changes. Who wants other certificates makes another one and gives new
 * connections that; those that were opened with the old one keep what they need of it. So no lock is
 * taken on the way of a connection, and a file that is no good harms nobody: see net_tls_create().
 *
 * Session tickets are sealed with a key that belongs to the struct, so whatever thread or loop a
 * client comes back to takes its ticket, and a new struct makes all older tickets worthless. A
 * session is resumed only where clients are verified in the same way as where it began.
 *
 * net_stream_open_tls() (net/loop.h) opens a stream that speaks it. Its writes may raise SIGPIPE,
 * which the process has to ignore: OpenSSL writes to sockets with write(2).
 */
#ifndef LARDER_NET_TLS_H
#define LARDER_NET_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

struct net_tls;

enum {
    NET_TLS_WHY_MAX = 1024,     /* bytes of an explanation, its NUL included */
    NET_TLS_RECORD_MAX = 16384, /* bytes of one record; the protocol's own limit */
};

enum net_tls_version { NET_TLS_1_0, NET_TLS_1_1, NET_TLS_1_2, NET_TLS_1_3 };
enum net_tls_key_format { NET_TLS_KEY_PEM, NET_TLS_KEY_DER };

/* What is asked of clients. */
enum net_tls_verify {
    NET_TLS_VERIFY_NONE,    /* nothing */
    NET_TLS_VERIFY_REQUEST, /* a certificate, which has to be valid; or none */
    NET_TLS_VERIFY_REQUIRE, /* a valid certificate */
};

/* Paths and texts are borrowed until net_tls_create() returns. */
struct net_tls_config {
    const char *chain_path; /* certificate, then those that vouch for it, in PEM */
    const char *key_path;   /* NULL: the key is in chain_path, too */
    enum net_tls_key_format key_format;
    const char *ca_path; /* in PEM: who may vouch for clients; NULL: nobody */
    const char *ciphers; /* OpenSSL's list, for TLS 1.2 and older; NULL: OpenSSL's own */
    enum net_tls_version version_min;
    bool session_cache; /* also remember sessions of clients without tickets */
    bool kernel;        /* let the kernel encrypt where it can */
    uint32_t
        record_size; /* most bytes in a record that is sent; more than RECORD_MAX counts as that */
};

/*
 * Read the files. Returns 0 and *ret_tls (given: net_tls_put()), or -EINVAL or -ENOMEM and `why`,
 * which names the file and says what OpenSSL thinks of it. Any thread.
 */
BASE_MUST_USE int net_tls_create(const struct net_tls_config *config, struct net_tls **ret_tls,
                                 char why[NET_TLS_WHY_MAX]);
/* One more reference; returns tls. Any thread. */
struct net_tls *net_tls_get(struct net_tls *tls);
/* One reference less; the last frees it. Accepts NULL, sets NULL. Any thread. */
void net_tls_put(struct net_tls **tls);
/* When its certificate becomes valid and when it ends, in seconds since 1970. */
int64_t net_tls_valid_from_s(const struct net_tls *tls);
int64_t net_tls_valid_until_s(const struct net_tls *tls);

#endif
