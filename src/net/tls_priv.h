/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What tls.c and tls_stream.c share: the certificates, and one stream's session with its client.
 *
 * A session holds no reference to its struct net_tls: OpenSSL counts what a session needs of it.
 */
#ifndef LARDER_NET_TLS_PRIV_H
#define LARDER_NET_TLS_PRIV_H

#include <openssl/ssl.h>

#include "net/net_priv.h"
#include "net/tls.h"

enum { NET_TLS_MAGIC = 0x746c7321 /* "tls!" */ };

struct net_tls {
    uint32_t magic;
    _Atomic uint32_t reference_count;
    SSL_CTX *ssl;
    uint32_t record_size;
    int64_t valid_from_s, valid_until_s;
};

struct net_tls_session {
    SSL *ssl;
    struct net_stream *stream;
    uint32_t record_size;
    bool handshaking;
    bool broken;        /* nothing may be asked of OpenSSL any more */
    bool closing;       /* close_notify is sent, or need not be */
    uint64_t began_ms;  /* of the hand-shake */
    char *name;         /* of the client's certificate; NULL: none */
    char *subject;      /* the whole of it */
    const char *reason; /* why it failed, static; NULL: `error` says it */
    unsigned long error;
    long verify_error; /* X509_V_OK, or what was wrong with the client's certificate */
    struct net_tls_session *older, *newer; /* the loop's list of hand-shakes under way */
};

#endif
