/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A server that cannot make all of its threads: pthread_create() is replaced, and fails at the last.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "rig.h"

enum {
    FAILING = 4,       /* the rig's, upkeep, the first worker, the second */
    DELAY_US = 200000, /* in which the first worker could serve somebody */
    CLIENTS = 8,
};

static int created;

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*start)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*start)(void *), void *arg);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*start)(void *), void *arg)
{
    if (++created == FAILING) {
        (void)usleep(DELAY_US);
        return EAGAIN;
    }
    return __real_pthread_create(thread, attributes, start, arg);
}

static void nobody_is_served_by_half_a_server(void **state)
{
    struct rig rig;
    int fds[CLIENTS];

    (void)state;
    rig_start(&rig, RIG_NOW, "-t 2");
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = rig_connect(&rig);
        rig_send(fds[i], "version\r\n");
    }
    assert_int_equal(pthread_join(rig.thread, NULL), 0);
    assert_int_equal(rig.result, -EAGAIN);
    server_destroy(&rig.server);
    server_config_fini(&rig.config);
    for (int i = 0; i < CLIENTS; i++) {
        char byte;

        assert_true(recv(fds[i], &byte, 1, 0) <= 0);
        close(fds[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nobody_is_served_by_half_a_server)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
