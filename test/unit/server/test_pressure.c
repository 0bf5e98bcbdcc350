/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Clients that do not read, an engine that needs its references back, and writers that race.
 */
#include "rig.h"

enum { LARGE = 200000, THREADS = 4, ROUNDS = 200 };

static const char *engine_of(void **state)
{
    return *state;
}

/* More is asked for than is read: the server stops asking the engine, and loses nothing. */
static void a_client_that_does_not_read(void **state)
{
    enum { GETS = 60 };
    struct rig rig;
    char *value = rig_value(LARGE, 1);
    rig_start(&rig, engine_of(state), "");
    int other = rig_connect(&rig);
    rig_store(other, "a", value, LARGE);
    for (int form = 0; form < 3; form++) {
        int fd = rig_connect_narrow(&rig);
        uint64_t before = rig_stat(other, "get_hits");
        uint64_t paused = rig_stat(other, "output_paused");
        if (form == 1) {
            rig_send(fd, "get");
        }
        for (int i = 0; i < GETS; i++) {
            rig_send(fd, form == 0 ? "get a\r\n" : form == 1 ? " a" : "mg a v\r\n");
        }
        rig_send(fd, form == 1 ? "\r\nmn\r\n" : "mn\r\n");
        rig_wait_stat(other, "output_paused", paused + 1);
        rig_sleep_ms(20);
        /* 1 MiB of unsent output, one value beyond, and what the sockets hold. */
        assert_in_range(rig_stat(other, "get_hits") - before, 5, GETS / 2);
        for (int i = 0; i < GETS; i++) {
            if (form == 2) {
                rig_expect(fd, "VA 200000\r\n");
                rig_expect_bytes(fd, value, LARGE);
                rig_expect(fd, "\r\n");
            } else {
                rig_expect_value(fd, "a", value, LARGE);
                rig_expect(fd, form == 0 ? "END\r\n" : "");
            }
        }
        rig_expect(fd, form == 1 ? "END\r\nMN\r\n" : "MN\r\n");
        assert_int_equal(rig_stat(other, "get_hits") - before, GETS);
        close(fd);
    }
    rig_stop(&rig);
    close(other);
    free(value);
}

/* One that never reads, and is closed, or stopped, with all that is owed to it. */
static void a_client_that_never_reads(void **state)
{
    struct rig rig;
    int fds[4];
    char *value = rig_value(LARGE, 2);
    rig_start(&rig, engine_of(state), "");
    int other = rig_connect(&rig);
    rig_store(other, "a", value, LARGE);
    for (int i = 0; i < 4; i++) {
        fds[i] = rig_connect_narrow(&rig);
        for (int k = 0; k < 20; k++) {
            rig_send(fds[i], "get a a a\r\n");
        }
    }
    rig_wait_stat(other, "output_paused", 4);
    close(fds[0]);
    close(fds[1]);
    rig_ask(other, "mn\r\n", "MN\r\n");
    rig_stop_gracefully(&rig);
    close(fds[2]);
    close(fds[3]);
    close(other);
    free(value);
}

/* Stores behind large answers in one pipeline: the answers are copied out, then it is stored. */
static void busy_while_large_values_are_lent(void **state)
{
    struct rig rig;
    char engine[512];
    char *value = rig_value(LARGE, 3);
    (void)snprintf(engine, sizeof(engine), "%s:busy_every=2,rooms_max=0", engine_of(state));
    rig_start(&rig, engine, "");
    int fd = rig_connect(&rig);
    rig_store(fd, "a", value, LARGE);
    rig_ask(fd, "set n 0 0 1\r\n0\r\nset s 0 0 1\r\nx\r\n", "STORED\r\nSTORED\r\n");
    for (int i = 0; i < 5; i++) {
        rig_send(fd, "get a a\r\nincr n 1\r\nget a\r\nappend s 0 0 1\r\ny\r\nmg a v\r\n"
                     "md s I\r\ngat 0 a n\r\ntouch a 0\r\nmg a v T0\r\n");
    }
    for (int i = 1; i <= 5; i++) {
        char text[64];
        rig_expect_value(fd, "a", value, LARGE);
        rig_expect_value(fd, "a", value, LARGE);
        (void)snprintf(text, sizeof(text), "END\r\n%d\r\n", i);
        rig_expect(fd, text);
        rig_expect_value(fd, "a", value, LARGE);
        rig_expect(fd, "END\r\nSTORED\r\nVA 200000\r\n");
        rig_expect_bytes(fd, value, LARGE);
        rig_expect(fd, "\r\nHD\r\n");
        rig_expect_value(fd, "a", value, LARGE);
        (void)snprintf(text, sizeof(text), "VALUE n 0 1\r\n%d\r\nEND\r\nTOUCHED\r\nVA 200000\r\n",
                       i);
        rig_expect(fd, text);
        rig_expect_bytes(fd, value, LARGE);
        rig_expect(fd, "\r\n");
    }
    rig_ask(fd, "get s\r\n", "VALUE s 0 6\r\nxyyyyy\r\nEND\r\n");
    assert_true(rig_stat(fd, "put_busy") > 5);
    rig_stop(&rig);
    close(fd);
    free(value);
}

/* The engine never has room: every command ends, with an error, and the server lives. */
static void busy_for_ever(void **state)
{
    struct rig rig;
    char engine[512];
    (void)snprintf(engine, sizeof(engine), "%s:no_space=1", engine_of(state));
    rig_start(&rig, engine, "");
    int fd = rig_connect(&rig);
    rig_ask(fd,
            "set a 0 0 1\r\n1\r\nadd a 0 0 1\r\n1\r\nms a 1\r\n1\r\nma a N0\r\nmg a v N0\r\nmn\r\n",
            "SERVER_ERROR out of memory storing object\r\n"
            "SERVER_ERROR out of memory storing object\r\n"
            "SERVER_ERROR out of memory storing object\r\n"
            "SERVER_ERROR Out of memory allocating new item\r\n"
            "EN\r\nMN\r\n");
    assert_true(rig_stat(fd, "store_no_memory") >= 3);
    rig_stop(&rig);
    (void)snprintf(engine, sizeof(engine), "%s:busy_from=3,busy_every=1", engine_of(state));
    rig_start(&rig, engine, "");
    close(fd);
    fd = rig_connect(&rig);
    rig_ask(fd, "set a 0 0 1\r\n1\r\nset s 0 0 1\r\nx\r\n", "STORED\r\nSTORED\r\n");
    rig_ask(fd, "incr a 1\r\n", "SERVER_ERROR out of memory\r\n");
    rig_ask(fd, "append s 0 0 1\r\ny\r\n", "NOT_STORED\r\n");
    rig_ask(fd, "md s I\r\n", "SERVER_ERROR out of memory\r\n");
    rig_ask(fd, "get a s\r\n", "VALUE a 0 1\r\n1\r\nVALUE s 0 1\r\nx\r\nEND\r\n");
    rig_stop(&rig);
    close(fd);
}

/* The thread that makes room is kept from its processor for a while: no reason to refuse anything. */
static void busy_for_a_while(void **state)
{
    struct rig rig;
    char engine[512];
    (void)snprintf(engine, sizeof(engine), "%s:busy_ms=300", engine_of(state));
    rig_start(&rig, engine, "");
    int fd = rig_connect(&rig);
    rig_ask(fd, "set a 0 0 1\r\n1\r\ntouch a 0\r\n", "STORED\r\nTOUCHED\r\n");
    assert_true(rig_stat(fd, "put_busy") > 2);
    rig_stop(&rig);
    close(fd);
}

/* ---- races ---- */

struct racer {
    pthread_t thread;
    int fd;
    unsigned number;
    unsigned won;
};

static void *count_up(void *arg)
{
    struct racer *racer = arg;
    char text[64];
    (void)snprintf(text, sizeof(text), "append s 0 0 1\r\n%c\r\nincr n 1\r\n", 'a' + racer->number);
    for (int i = 0; i < ROUNDS; i++) {
        rig_send(racer->fd, text);
        rig_expect(racer->fd, "STORED\r\n");
        (void)rig_line(racer->fd);
    }
    return NULL;
}

static void race(struct rig *rig, struct racer *racers, void *(*run)(void *))
{
    for (unsigned i = 0; i < THREADS; i++) {
        racers[i] = (struct racer){.fd = rig_connect(rig), .number = i};
        rig_ask(racers[i].fd, "mn\r\n", "MN\r\n");
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&racers[i].thread, NULL, run, &racers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(racers[i].thread, NULL), 0);
        close(racers[i].fd);
    }
}

static void no_increment_and_no_append_is_lost(void **state)
{
    struct rig rig;
    struct racer racers[THREADS];
    char engine[512];
    char text[64];
    (void)snprintf(engine, sizeof(engine), "%s:race_every=3,busy_every=7", engine_of(state));
    rig_start(&rig, engine, "");
    int fd = rig_connect(&rig);
    rig_ask(fd, "set n 0 0 1\r\n0\r\nset s 0 0 0\r\n\r\n", "STORED\r\nSTORED\r\n");
    race(&rig, racers, count_up);
    (void)snprintf(text, sizeof(text), "VALUE n 0 3\r\n%d\r\nEND\r\n", THREADS * ROUNDS);
    rig_ask(fd, "get n\r\n", text);
    (void)snprintf(text, sizeof(text), "VALUE s 0 %d", THREADS * ROUNDS);
    rig_send(fd, "get s\r\n");
    assert_string_equal(rig_line(fd), text);
    unsigned counts[THREADS] = {0};
    for (const char *at = rig_line(fd); *at != '\0'; at++) {
        counts[*at - 'a']++;
    }
    rig_expect(fd, "END\r\n");
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(counts[i], ROUNDS);
    }
    assert_true(rig_stat(fd, "put_races") > 0);
    rig_stop(&rig);
    close(fd);
}

/* Everybody sees the same stale item at once, over and over. */
static void *recache(void *arg)
{
    struct racer *racer = arg;
    char text[64];
    for (int i = 0; i < ROUNDS; i++) {
        (void)snprintf(text, sizeof(text), "mg k%d t\r\nmg v%d N30 v\r\n", i, i);
        rig_send(racer->fd, text);
        const char *line = rig_line(racer->fd);
        racer->won += strstr(line, " W") != NULL;
        assert_true((strstr(line, " W") == NULL) == (strstr(line, " Z") != NULL));
        line = rig_line(racer->fd);
        racer->won += strstr(line, " W") != NULL;
        assert_true((strstr(line, " W") == NULL) == (strstr(line, " Z") != NULL));
        rig_expect(racer->fd, "\r\n");
    }
    return NULL;
}

static void one_winner_recaches(void **state)
{
    struct rig rig;
    struct racer racers[THREADS];
    char text[64];
    rig_start(&rig, engine_of(state), "");
    int fd = rig_connect(&rig);
    for (int i = 0; i < ROUNDS; i++) {
        (void)snprintf(text, sizeof(text), "ms k%d 1\r\nx\r\nmd k%d I T30\r\n", i, i);
        rig_ask(fd, text, "HD\r\nHD\r\n");
    }
    race(&rig, racers, recache);
    unsigned won = 0;
    for (unsigned i = 0; i < THREADS; i++) {
        won += racers[i].won;
    }
    assert_int_equal(won, 2 * ROUNDS);
    rig_stop(&rig);
    close(fd);
}

#define BOTH(function)                                                                             \
    {.name = #function ", at once", .test_func = function, .initial_state = now_engine},           \
    {                                                                                              \
        .name = #function ", later", .test_func = function, .initial_state = later_engine          \
    }

int main(void)
{
    char now_engine[] = RIG_NOW;
    char later_engine[] = RIG_LATER;
    const struct CMUnitTest tests[] = {
        BOTH(a_client_that_does_not_read),
        BOTH(a_client_that_never_reads),
        BOTH(busy_while_large_values_are_lent),
        BOTH(busy_for_ever),
        BOTH(no_increment_and_no_append_is_lost),
        BOTH(one_winner_recaches),
        BOTH(busy_for_a_while),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
