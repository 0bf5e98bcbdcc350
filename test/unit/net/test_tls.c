/* SPDX-License-Identifier: BSD-3-Clause */
/* net/tls.h without a socket: which files it takes, and what it says of those it does not. */
#include "rig_tls.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

static void expect_refused(const struct net_tls_config *config, const char *first,
                           const char *second)
{
    struct net_tls *tls = NULL;
    char why[NET_TLS_WHY_MAX] = "";
    assert_int_equal(net_tls_create(config, &tls, why), -EINVAL);
    assert_null(tls);
    if (strstr(why, first) == NULL || strstr(why, second) == NULL) {
        fail_msg("\"%s\" does not say \"%s\" and \"%s\"", why, first, second);
    }
    /* Nothing of it is left for the next one to stumble over. */
    const struct net_tls_config good = rig_tls_config();
    tls = rig_tls_create(&good);
    net_tls_put(&tls);
    assert_null(tls);
}

static void test_good_files(void **state)
{
    (void)state;
    struct net_tls_config config = rig_tls_config();
    struct net_tls *tls = rig_tls_create(&config);
    struct net_tls *again = net_tls_get(tls);
    assert_ptr_equal(tls, again);
    net_tls_put(&tls);
    assert_true(net_tls_valid_from_s(again) <= time(NULL));
    assert_true(net_tls_valid_until_s(again) > time(NULL) + 3600 * 24 * 3600LL);
    net_tls_put(&again);
    net_tls_put(&again); /* NULL by now */

    config.chain_path = rig_tls_path("both.pem");
    config.key_path = NULL;
    config.ca_path = NULL;
    tls = rig_tls_create(&config);
    net_tls_put(&tls);

    config = rig_tls_config();
    config.key_path = rig_tls_path("server.der");
    config.key_format = NET_TLS_KEY_DER;
    config.session_cache = true;
    config.kernel = true; /* whether or not this kernel can */
    config.version_min = NET_TLS_1_3;
    config.ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256";
    config.record_size = 1000000; /* as much as a record may have */
    tls = rig_tls_create(&config);
    net_tls_put(&tls);
}

static void test_certificate(void **state)
{
    (void)state;
    struct net_tls_config config = rig_tls_config();
    config.chain_path = "/nonexistent/chain.pem";
    expect_refused(
        &config, "Error loading the certificate chain: /nonexistent/chain.pem : ", "No such file");
    config.chain_path = rig_tls_path("broken.pem");
    expect_refused(&config, "/broken.pem", "no start line");
}

static void test_key(void **state)
{
    (void)state;
    struct net_tls_config config = rig_tls_config();
    config.key_path = "/nonexistent/my.key";
    expect_refused(&config, "Error loading the key: /nonexistent/my.key : ", "No such file");
    config.key_path = rig_tls_path("second.key");
    expect_refused(&config, "/second.key", "key values mismatch");
    config.key_path = rig_tls_path("locked.key"); /* and nobody is asked for the password */
    expect_refused(&config, "/locked.key", "error:");
    config.key_path = rig_tls_path("server.der"); /* and not said to be DER */
    expect_refused(&config, "/server.der", "error:");
    config.key_path = NULL; /* and the chain file has none */
    expect_refused(&config, "Error loading the key", "/server.pem");
}

static void test_authority(void **state)
{
    (void)state;
    struct net_tls_config config = rig_tls_config();
    config.ca_path = "/nonexistent/ca.pem";
    expect_refused(&config,
                   "Error loading the CA certificate: /nonexistent/ca.pem : ", "No such file");
    config.ca_path = rig_tls_path("broken.pem");
    expect_refused(&config, "Error loading the CA certificate", "/broken.pem");
}

static void test_ciphers(void **state)
{
    (void)state;
    struct net_tls_config config = rig_tls_config();
    config.ciphers = "NO-SUCH-CIPHER";
    expect_refused(&config, "Error setting the provided cipher(s): NO-SUCH-CIPHER", "no cipher");
}

/* Whoever serves with it decides: it may be better than nothing. */
static void test_expired(void **state)
{
    (void)state;
    struct net_tls_config config = rig_tls_config();
    config.chain_path = rig_tls_path("expired.pem");
    config.key_path = rig_tls_path("expired.key");
    struct net_tls *tls = rig_tls_create(&config);
    assert_int_equal(net_tls_valid_from_s(tls), 1577836800);  /* 2020-01-01 */
    assert_int_equal(net_tls_valid_until_s(tls), 1580515200); /* 2020-02-01 */
    net_tls_put(&tls);
}

int main(void)
{
    rig_tls_prepare();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_files), cmocka_unit_test(test_certificate),
        cmocka_unit_test(test_key),        cmocka_unit_test(test_authority),
        cmocka_unit_test(test_ciphers),    cmocka_unit_test(test_expired),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
