/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Certificates and rules: files to an SSL_CTX that nobody changes afterwards. See tls.h.
 *
 * OpenSSL's own configuration file is read, too: what a system's policy forbids stays forbidden.
 */
#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "net/tls_priv.h"

enum { SESSION_CACHE_MAX = 20480 /* sessions; OpenSSL's default */ };

/* "WHAT: PATH : OpenSSL's words", as memcached writes it. */
static int explain(char why[NET_TLS_WHY_MAX], const char *what, const char *path)
{
    char words[256] = "unknown error";
    unsigned long error = ERR_get_error();
    if (error != 0) {
        ERR_error_string_n(error, words, sizeof(words));
    }
    (void)snprintf(why, NET_TLS_WHY_MAX, "%s: %s : %s", what, path, words);
    ERR_clear_error();
    return -EINVAL;
}

/* A key with a password would otherwise have OpenSSL ask the terminal, and the server wait. */
static int no_password(char *buffer, int size, int writing, void *arg)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}

static int load_certificate(SSL_CTX *ssl, const struct net_tls_config *config,
                            char why[NET_TLS_WHY_MAX])
{
    const char *key_path = config->key_path == NULL ? config->chain_path : config->key_path;
    int format = config->key_format == NET_TLS_KEY_PEM ? SSL_FILETYPE_PEM : SSL_FILETYPE_ASN1;
    SSL_CTX_set_default_passwd_cb(ssl, no_password);
    if (SSL_CTX_use_certificate_chain_file(ssl, config->chain_path) != 1) {
        return explain(why, "Error loading the certificate chain", config->chain_path);
    }
    if (SSL_CTX_use_PrivateKey_file(ssl, key_path, format) != 1) {
        return explain(why, "Error loading the key", key_path);
    }
    if (SSL_CTX_check_private_key(ssl) != 1) {
        return explain(why, "Error validating the certificate", config->chain_path);
    }
    return 0;
}

static int load_authorities(SSL_CTX *ssl, const struct net_tls_config *config,
                            char why[NET_TLS_WHY_MAX])
{
    if (config->ca_path == NULL) {
        return 0;
    }
    STACK_OF(X509_NAME) *names = NULL;
    if (SSL_CTX_load_verify_file(ssl, config->ca_path) == 1) {
        names = SSL_load_client_CA_file(config->ca_path);
    }
    if (names == NULL) {
        return explain(why, "Error loading the CA certificate", config->ca_path);
    }
    SSL_CTX_set_client_CA_list(ssl, names); /* given */
    return 0;
}

static int set_rules(SSL_CTX *ssl, const struct net_tls_config *config, char why[NET_TLS_WHY_MAX])
{
    static const int versions[] = {TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION};
    if (SSL_CTX_set_min_proto_version(ssl, versions[config->version_min]) != 1) {
        return explain(why, "Error setting the minimum protocol version", "ssl_min_version");
    }
    if (config->ciphers != NULL && SSL_CTX_set_cipher_list(ssl, config->ciphers) != 1) {
        return explain(why, "Error setting the provided cipher(s)", config->ciphers);
    }
    /*
     * Clients that just close are usual, and every request says itself where it ends: an end of file
     * is no attack here. Renegotiation is one.
     */
    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF |
                                 SSL_OP_NO_COMPRESSION);
    if (config->kernel) {
        SSL_CTX_set_options(ssl, SSL_OP_ENABLE_KTLS);
    }
    /*
     * Idle connections hold no buffers. What could not be sent is offered again from wherever it is
     * by then: lent bytes have been copied meanwhile.
     */
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(ssl, 1); /* a record with one system call, not two */
    SSL_CTX_set_session_cache_mode(ssl, config->session_cache ? SSL_SESS_CACHE_SERVER
                                                              : SSL_SESS_CACHE_OFF);
    SSL_CTX_sess_set_cache_size(ssl, SESSION_CACHE_MAX);
    return 0;
}

static bool to_seconds(const ASN1_TIME *time, int64_t *ret_s)
{
    struct tm parts = {0};
    if (ASN1_TIME_to_tm(time, &parts) != 1) {
        return false;
    }
    *ret_s = timegm(&parts);
    return true;
}

static int note_validity(struct net_tls *tls, const char *path, char why[NET_TLS_WHY_MAX])
{
    const X509 *certificate = SSL_CTX_get0_certificate(tls->ssl);
    if (!to_seconds(X509_get0_notBefore(certificate), &tls->valid_from_s) ||
        !to_seconds(X509_get0_notAfter(certificate), &tls->valid_until_s)) {
        return explain(why, "Error reading the certificate's dates", path);
    }
    return 0;
}

int net_tls_create(const struct net_tls_config *config, struct net_tls **ret_tls,
                   char why[NET_TLS_WHY_MAX])
{
    ERR_clear_error();
    struct net_tls *tls = calloc(1, sizeof(*tls));
    SSL_CTX *ssl = SSL_CTX_new(TLS_server_method());
    if (tls == NULL || ssl == NULL) {
        (void)snprintf(why, NET_TLS_WHY_MAX, "no memory for TLS");
        SSL_CTX_free(ssl);
        free(tls);
        return -ENOMEM;
    }
    tls->magic = NET_TLS_MAGIC;
    tls->ssl = ssl;
    tls->record_size =
        config->record_size < NET_TLS_RECORD_MAX ? config->record_size : NET_TLS_RECORD_MAX;
    CHECK(tls->record_size > 0);
    atomic_init(&tls->reference_count, 1);
    int rc = set_rules(ssl, config, why);
    rc = rc != 0 ? rc : load_certificate(ssl, config, why);
    rc = rc != 0 ? rc : load_authorities(ssl, config, why);
    rc = rc != 0 ? rc : note_validity(tls, config->chain_path, why);
    if (rc != 0) {
        net_tls_put(&tls);
        return rc;
    }
    *ret_tls = tls;
    return 0;
}

struct net_tls *net_tls_get(struct net_tls *tls)
{
    CHECK_OBJ(tls, NET_TLS_MAGIC);
    atomic_fetch_add_explicit(&tls->reference_count, 1, memory_order_relaxed);
    return tls;
}

void net_tls_put(struct net_tls **tls)
{
    struct net_tls *mine = *tls;
    if (mine == NULL) {
        return;
    }
    CHECK_OBJ(mine, NET_TLS_MAGIC);
    *tls = NULL;
    /* The last one sees what the others did before they let go. */
    if (atomic_fetch_sub_explicit(&mine->reference_count, 1, memory_order_acq_rel) == 1) {
        SSL_CTX_free(mine->ssl);
        mine->magic = 0;
        free(mine);
    }
}

int64_t net_tls_valid_from_s(const struct net_tls *tls)
{
    return tls->valid_from_s;
}

int64_t net_tls_valid_until_s(const struct net_tls *tls)
{
    return tls->valid_until_s;
}
