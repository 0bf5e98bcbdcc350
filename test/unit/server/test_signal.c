/* SPDX-License-Identifier: BSD-3-Clause */
/* Signals that come before there is a server to obey them. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/server_priv.h"
#include "server/signal.h"

static void a_hangup_before_the_server_is_not_lost(void **state)
{
    char program[] = "larderd", group[] = "-o", open[] = "no_drop_privileges";
    char *words[] = {program, group, open};
    struct server_config config;
    struct server *server = NULL;
    int status = 0;

    (void)state;
    assert_int_equal(server_config_parse(&config, 3, words, stdout, stderr, &status),
                     SERVER_CONFIG_READY);
    server_signal_install();
    assert_int_equal(raise(SIGHUP), 0);
    assert_int_equal(server_create(&config, &server), 0);
    assert_false(atomic_load(&server->reload_wanted));
    server_signal_attach(server);
    assert_true(atomic_load(&server->reload_wanted));

    /* And once only. */
    atomic_store(&server->reload_wanted, false);
    server_signal_attach(NULL);
    server_signal_attach(server);
    assert_false(atomic_load(&server->reload_wanted));
    assert_int_equal(raise(SIGHUP), 0);
    assert_true(atomic_load(&server->reload_wanted));
    server_signal_attach(NULL);
    server_destroy(&server);
    server_config_fini(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hangup_before_the_server_is_not_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
