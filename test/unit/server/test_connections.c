/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections as such: spread over the workers, limited in both ways, idle, listed, ended.
 */
#include "rig.h"

#include "server/server_priv.h"

enum { PATIENCE_MS = 60000 };

/* Until the server has read a line that promises a value, and not the value. */
static void wait_for_upload(int fd)
{
    bool seen = false;
    for (unsigned ms = 0; !seen; ms += 2) {
        assert_true(ms < PATIENCE_MS);
        rig_sleep_ms(2);
        rig_send(fd, "stats conns\r\n");
        for (const char *line = rig_line(fd); strcmp(line, "END") != 0; line = rig_line(fd)) {
            seen = seen || strstr(line, ":state conn_nread") != NULL;
        }
    }
}

static void they_are_spread_evenly(void **state)
{
    enum { CONNECTIONS = 40, WORKERS = 4 };
    struct rig rig;
    int fds[CONNECTIONS];
    (void)state;
    rig_start(&rig, RIG_NOW, "-t 4");
    for (int i = 0; i < CONNECTIONS; i++) {
        fds[i] = rig_connect(&rig);
        rig_ask(fds[i], "mn\r\n", "MN\r\n");
    }
    for (int i = 0; i < WORKERS; i++) {
        assert_int_equal(atomic_load(&rig.server->workers[i].conn_count), CONNECTIONS / WORKERS);
    }
    /* Ten thousand or forty: those that come next fill the gaps. */
    for (int i = 0; i < CONNECTIONS; i++) {
        if (i % 3 != 0) {
            close(fds[i]);
            fds[i] = -1;
        }
    }
    for (unsigned ms = 0; atomic_load(&rig.server->conn_count) > 14 && ms < PATIENCE_MS; ms += 2) {
        rig_sleep_ms(2);
    }
    for (int i = 0; i < CONNECTIONS; i++) {
        if (fds[i] < 0) {
            fds[i] = rig_connect(&rig);
            rig_ask(fds[i], "mn\r\n", "MN\r\n");
        }
    }
    for (int i = 0; i < WORKERS; i++) {
        assert_int_equal(atomic_load(&rig.server->workers[i].conn_count), CONNECTIONS / WORKERS);
    }
    rig_stop(&rig);
    for (int i = 0; i < CONNECTIONS; i++) {
        close(fds[i]);
    }
}

static void over_the_limit_they_are_told(void **state)
{
    struct rig rig;
    int fds[3];
    (void)state;
    rig_start(&rig, RIG_NOW, "-c 3");
    for (int i = 0; i < 3; i++) {
        fds[i] = rig_connect(&rig);
        rig_ask(fds[i], "mn\r\n", "MN\r\n");
    }
    for (int i = 0; i < 5; i++) {
        int fd = rig_connect(&rig);
        rig_expect(fd, "ERROR Too many open connections\r\n");
        rig_expect_end(fd);
        close(fd);
    }
    assert_int_equal(rig_stat(fds[0], "rejected_connections"), 5);
    assert_int_equal(rig_stat(fds[0], "curr_connections"), 3);
    close(fds[2]);
    for (unsigned ms = 0; rig_stat(fds[0], "curr_connections") > 2 && ms < PATIENCE_MS; ms += 2) {
        rig_sleep_ms(2);
    }
    fds[2] = rig_connect(&rig);
    rig_ask(fds[2], "mn\r\n", "MN\r\n");
    rig_stop(&rig);
    for (int i = 0; i < 3; i++) {
        close(fds[i]);
    }
}

/* -o no_maxconns_fast: nobody is turned away, and everybody has his turn. */
static void over_the_limit_they_wait(void **state)
{
    enum { LIMIT = 4, MORE = 12 };
    struct rig rig;
    int fds[LIMIT + MORE];
    (void)state;
    rig_start(&rig, RIG_NOW, "-c 4 -o no_maxconns_fast");
    for (int i = 0; i < LIMIT + MORE; i++) {
        fds[i] = rig_connect(&rig);
        rig_send(fds[i], "mn\r\n");
        if (i < LIMIT) {
            rig_expect(fds[i], "MN\r\n");
        }
    }
    assert_int_equal(rig_stat(fds[0], "accepting_conns"), 0);
    rig_expect_silence(fds[LIMIT + MORE - 1]);
    /* In a moment of its own every one of them is closed; those who wait take its place. */
    for (int i = 0; i < LIMIT + MORE; i++) {
        if (i >= LIMIT) {
            rig_expect(fds[i], "MN\r\n");
        }
        close(fds[i]);
    }
    int fd = rig_connect(&rig);
    for (unsigned ms = 0; rig_stat(fd, "curr_connections") > 1 && ms < PATIENCE_MS; ms += 2) {
        rig_sleep_ms(2);
    }
    assert_int_equal(rig_stat(fd, "accepting_conns"), 1);
    assert_int_equal(rig_stat(fd, "total_connections"), LIMIT + MORE + 1);
    assert_true(rig_stat(fd, "listen_disabled_num") >= 1);
    assert_true(rig_stat(fd, "time_in_listen_disabled_us") > 1000);
    rig_stop(&rig);
    close(fd);
}

struct visitor {
    pthread_t thread;
    const struct rig *rig;
};

static void *come_and_go(void *arg)
{
    const struct visitor *visitor = arg;
    for (int i = 0; i < 60; i++) {
        int fd = rig_connect(visitor->rig);
        rig_ask(fd, "mn\r\n", "MN\r\n");
        close(fd);
    }
    return NULL;
}

/* At the limit all the time, from several sides: a worker that stayed deaf would end it. */
static void coming_and_going_at_the_limit(void **state)
{
    struct rig rig;
    struct visitor visitors[4];
    (void)state;
    rig_start(&rig, RIG_NOW, "-c 2 -o no_maxconns_fast");
    for (int i = 0; i < 4; i++) {
        visitors[i].rig = &rig;
        assert_int_equal(pthread_create(&visitors[i].thread, NULL, come_and_go, &visitors[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(visitors[i].thread, NULL), 0);
    }
    rig_stop(&rig);
}

/* Stopped at the limit, with clients still before the door. */
static void stopped_at_the_limit(void **state)
{
    struct rig rig;
    int fds[6];
    (void)state;
    rig_start(&rig, RIG_NOW, "-c 2 -o no_maxconns_fast");
    for (int i = 0; i < 6; i++) {
        fds[i] = rig_connect(&rig);
    }
    rig_ask(fds[0], "mn\r\n", "MN\r\n");
    rig_stop_gracefully(&rig);
    for (int i = 0; i < 6; i++) {
        close(fds[i]);
    }
}

/* The clock is moved instead of waited for; the check itself comes with the next tick. */
static void idle_ones_are_closed(void **state)
{
    struct rig rig;
    char *value = rig_value(9000, 1);
    (void)state;
    rig_start(&rig, RIG_NOW, "-o idle_timeout=10,relaxed_privileges");
    int idle = rig_connect(&rig);
    int sends = rig_connect(&rig);
    int watches = rig_connect(&rig);
    int other = rig_connect(&rig);
    rig_ask(idle, "mn\r\n", "MN\r\n");
    rig_ask(watches, "watch connevents\r\n", "OK\r\n");
    rig_ask(sends, "mn\r\n", "MN\r\n");
    rig_send(sends, "set a 0 0 9000\r\n");
    rig_send_bytes(sends, value, 8000);
    wait_for_upload(other);
    rig_ask(other, "debugtime 60\r\n", "OK\r\n");
    rig_expect_end(idle);
    while (strstr(rig_line(watches), "reason=idle_timeout") == NULL) {
    }
    rig_send_bytes(sends, value + 8000, 1000);
    rig_ask(sends, "\r\n", "STORED\r\n");
    int again = rig_connect(&rig);
    assert_true(rig_stat(again, "idle_kicks") >= 1);
    rig_stop(&rig);
    close(idle);
    close(sends);
    close(watches);
    close(other);
    close(again);
    free(value);
}

static void all_of_them_are_listed(void **state)
{
    enum { CONNECTIONS = 30 };
    struct rig rig;
    int fds[CONNECTIONS];
    unsigned states = 0;
    unsigned listening = 0;
    unsigned uploads = 0;
    (void)state;
    rig_start(&rig, RIG_NOW, "-t 3");
    for (int i = 0; i < CONNECTIONS; i++) {
        fds[i] = rig_connect(&rig);
        rig_ask(fds[i], "mn\r\n", "MN\r\n");
    }
    rig_send(fds[1], "set a 0 0 9000\r\nx");
    wait_for_upload(fds[0]);
    rig_send(fds[0], "stats conns\r\nmn\r\n");
    for (const char *line = rig_line(fds[0]); strcmp(line, "END") != 0; line = rig_line(fds[0])) {
        assert_int_equal(strncmp(line, "STAT ", 5), 0);
        states += strstr(line, ":state ") != NULL;
        listening += strstr(line, ":state conn_listening") != NULL;
        uploads += strstr(line, ":state conn_nread") != NULL;
    }
    rig_expect(fds[0], "MN\r\n");
    assert_int_equal(states, CONNECTIONS + 1);
    assert_int_equal(listening, 1);
    assert_int_equal(uploads, 1);
    /* Asked for and not waited for; and again while the server stops. */
    for (int round = 0; round < 20; round++) {
        int fd = rig_connect(&rig);
        rig_send(fd, "stats conns\r\nstats conns\r\n");
        close(fd);
    }
    for (int i = 0; i < CONNECTIONS; i++) {
        rig_send(fds[i], "stats conns\r\nstats conns\r\n");
    }
    rig_stop(&rig);
    for (int i = 0; i < CONNECTIONS; i++) {
        close(fds[i]);
    }
}

static void a_graceful_stop_sends_what_is_owed(void **state)
{
    struct rig rig;
    (void)state;
    rig_start(&rig, RIG_NOW, "");
    int fd = rig_connect(&rig);
    char *value = rig_value(30000, 1);
    rig_store(fd, "a", value, 30000);
    rig_send(fd, "get a\r\n");
    rig_expect(fd, "VALUE a 0 30000\r\n");
    rig_stop_gracefully(&rig);
    rig_expect_bytes(fd, value, 30000);
    rig_expect(fd, "\r\nEND\r\n");
    rig_expect_end(fd);
    close(fd);
    free(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_are_spread_evenly),
        cmocka_unit_test(over_the_limit_they_are_told),
        cmocka_unit_test(over_the_limit_they_wait),
        cmocka_unit_test(coming_and_going_at_the_limit),
        cmocka_unit_test(stopped_at_the_limit),
        cmocka_unit_test(idle_ones_are_closed),
        cmocka_unit_test(all_of_them_are_listed),
        cmocka_unit_test(a_graceful_stop_sends_what_is_owed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
