/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The server's certificates: a snapshot, swapped under a lock. See tls.h.
 */
#include "server/tls.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"

struct server_tls {
    const struct server_config *config;
    pthread_mutex_t reload_lock; /* one reload at a time; outside of `lock` */
    pthread_mutex_t lock;
    struct net_tls *current; /* under lock, as the next */
    uint64_t read_at_ns;
};

/* Only clients who show no certificate get in, and some are to show one. */
static bool needs_authority(const struct server_config *config)
{
    if (config->tls_verify != SERVER_TLS_VERIFY_NONE) {
        return true;
    }
    for (uint32_t i = 0; i < config->listen.count; i++) {
        if (strstr(config->listen.items[i], "mtls:") != NULL) {
            return true;
        }
    }
    return false;
}

static int read_files(const struct server_config *config, struct net_tls **ret_tls,
                      char why[NET_TLS_WHY_MAX])
{
    const struct net_tls_config tls = {
        .chain_path = config->tls_chain_path,
        .key_path = config->tls_key_path,
        .key_format = config->tls_key_format == SERVER_TLS_KEY_1 ||
                              config->tls_key_format == SERVER_TLS_KEY_PEM
                          ? NET_TLS_KEY_PEM
                          : NET_TLS_KEY_DER,
        .ca_path = config->tls_ca_path,
        .ciphers = config->tls_ciphers,
        .version_min = config->tls_version_min,
        .session_cache = config->tls_session_cache,
        .kernel = config->tls_kernel,
        .record_size = config->tls_record_size,
    };
    if (tls.chain_path == NULL) {
        (void)snprintf(why, NET_TLS_WHY_MAX,
                       "Error loading the certificate chain: -o ssl_chain_cert is not given");
        return -EINVAL;
    }
    return net_tls_create(&tls, ret_tls, why);
}

/* False, and why, when clients that look would refuse it today. */
static bool is_in_time(const struct net_tls *tls, const char *path, char why[NET_TLS_WHY_MAX])
{
    const int64_t now_s = base_clock_real_s();
    if (now_s >= net_tls_valid_until_s(tls)) {
        (void)snprintf(why, NET_TLS_WHY_MAX, "The certificate has expired: %s", path);
        return false;
    }
    if (now_s < net_tls_valid_from_s(tls)) {
        (void)snprintf(why, NET_TLS_WHY_MAX, "The certificate is not valid yet: %s", path);
        return false;
    }
    return true;
}

int server_tls_create(const struct server_config *config, struct server_tls **ret_tls)
{
    char why[NET_TLS_WHY_MAX];
    *ret_tls = NULL;
    if (!config->tls_enabled) {
        return 0;
    }
    struct server_tls *tls = calloc(1, sizeof(*tls));
    if (tls == NULL) {
        base_log(BASE_LOG_ERROR, "no memory for certificates");
        return EX_OSERR;
    }
    tls->config = config;
    tls->read_at_ns = base_clock_monotonic_ns();
    if (read_files(config, &tls->current, why) != 0) {
        base_log(BASE_LOG_ERROR, "%s", why);
        free(tls);
        return EX_USAGE;
    }
    if (!is_in_time(tls->current, config->tls_chain_path, why)) {
        base_log(BASE_LOG_ERROR, "%s; served all the same, clients that check it will refuse", why);
    }
    if (config->tls_ca_path == NULL && needs_authority(config)) {
        base_log(BASE_LOG_ERROR, "clients are asked for certificates, and no certificate is good: "
                                 "-o ssl_ca_cert is not given");
    }
    CHECK(pthread_mutex_init(&tls->reload_lock, NULL) == 0);
    CHECK(pthread_mutex_init(&tls->lock, NULL) == 0);
    *ret_tls = tls;
    return 0;
}

void server_tls_destroy(struct server_tls **tls)
{
    struct server_tls *doomed = *tls;
    if (doomed == NULL) {
        return;
    }
    *tls = NULL;
    net_tls_put(&doomed->current);
    CHECK(pthread_mutex_destroy(&doomed->lock) == 0);
    CHECK(pthread_mutex_destroy(&doomed->reload_lock) == 0);
    free(doomed);
}

struct net_tls *server_tls_get(struct server_tls *tls)
{
    CHECK(pthread_mutex_lock(&tls->lock) == 0);
    struct net_tls *current = net_tls_get(tls->current);
    CHECK(pthread_mutex_unlock(&tls->lock) == 0);
    return current;
}

/* An expired certificate is no better than the one in use, unless that has expired, too. */
static bool is_better(struct server_tls *tls, const struct net_tls *fresh,
                      char why[NET_TLS_WHY_MAX])
{
    char old_why[NET_TLS_WHY_MAX];
    if (is_in_time(fresh, tls->config->tls_chain_path, why)) {
        return true;
    }
    struct net_tls *current = server_tls_get(tls);
    const bool old_is_good = is_in_time(current, tls->config->tls_chain_path, old_why);
    net_tls_put(&current);
    return !old_is_good;
}

bool server_tls_reload(struct server_tls *tls, char why[NET_TLS_WHY_MAX])
{
    struct net_tls *fresh = NULL;
    CHECK(pthread_mutex_lock(&tls->reload_lock) == 0);
    bool good = read_files(tls->config, &fresh, why) == 0 && is_better(tls, fresh, why);
    if (good) {
        CHECK(pthread_mutex_lock(&tls->lock) == 0);
        struct net_tls *old = tls->current;
        tls->current = fresh;
        tls->read_at_ns = base_clock_monotonic_ns();
        CHECK(pthread_mutex_unlock(&tls->lock) == 0);
        fresh = old;
        base_log(BASE_LOG_NOTICE, "certificates read again: %s", tls->config->tls_chain_path);
    } else {
        base_log(BASE_LOG_ERROR, "%s; the old certificates stay in use", why);
    }
    CHECK(pthread_mutex_unlock(&tls->reload_lock) == 0);
    net_tls_put(&fresh);
    return good;
}

uint64_t server_tls_age_s(struct server_tls *tls)
{
    CHECK(pthread_mutex_lock(&tls->lock) == 0);
    const uint64_t read_at_ns = tls->read_at_ns;
    CHECK(pthread_mutex_unlock(&tls->lock) == 0);
    return (base_clock_monotonic_ns() - read_at_ns) / 1000000000u;
}

int64_t server_tls_valid_until_s(struct server_tls *tls)
{
    struct net_tls *current = server_tls_get(tls);
    const int64_t until_s = net_tls_valid_until_s(current);
    net_tls_put(&current);
    return until_s;
}

enum net_tls_verify server_tls_verify(const struct server_config *config,
                                      enum server_listener_tls listener)
{
    if (listener != SERVER_LISTENER_TLS) {
        return listener == SERVER_LISTENER_MTLS ? NET_TLS_VERIFY_REQUIRE : NET_TLS_VERIFY_NONE;
    }
    switch (config->tls_verify) {
    case SERVER_TLS_VERIFY_NONE:
        return NET_TLS_VERIFY_NONE;
    case SERVER_TLS_VERIFY_REQUEST:
        return NET_TLS_VERIFY_REQUEST;
    case SERVER_TLS_VERIFY_REQUIRE:
    case SERVER_TLS_VERIFY_ONCE: /* a hand-shake is made but once anyway */
        return NET_TLS_VERIFY_REQUIRE;
    }
    NEVER("every mode has its case");
}
