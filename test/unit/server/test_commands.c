/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every command on keys, over an engine that answers at once and over one that answers later:
 * the same bytes in the same order, pipelined or piece by piece.
 */
#include "rig.h"

#include <sys/socket.h>

static const char *engine_of(void **state)
{
    return *state;
}

static const char CONVERSATION[] = "set a 5 0 3\r\nabc\r\n"
                                   "get a\r\n"
                                   "add a 0 0 1\r\nx\r\n"
                                   "add b 0 0 1\r\n7\r\n"
                                   "replace c 0 0 1\r\nx\r\n"
                                   "append a 0 0 3\r\ndef\r\n"
                                   "prepend a 0 0 1\r\n-\r\n"
                                   "get a b c\r\n"
                                   "incr b 5\r\n"
                                   "decr b 20\r\n"
                                   "incr a 1\r\n"
                                   "incr c 1\r\n"
                                   "touch a 100\r\n"
                                   "touch c 100\r\n"
                                   "gat 100 a c\r\n"
                                   "set q 0 0 1 noreply\r\n1\r\n"
                                   "delete q noreply\r\n"
                                   "get q\r\n"
                                   "cas c 0 0 1 99\r\nx\r\n"
                                   "delete b\r\n"
                                   "delete b\r\n"
                                   "nonsense\r\n"
                                   "append c 0 0 1\r\nx\r\n"
                                   "mn\r\n";
static const char ANSWERS[] = "STORED\r\n"
                              "VALUE a 5 3\r\nabc\r\nEND\r\n"
                              "NOT_STORED\r\n"
                              "STORED\r\n"
                              "NOT_STORED\r\n"
                              "STORED\r\n"
                              "STORED\r\n"
                              "VALUE a 5 7\r\n-abcdef\r\nVALUE b 0 1\r\n7\r\nEND\r\n"
                              "12\r\n"
                              "0\r\n"
                              "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"
                              "NOT_FOUND\r\n"
                              "TOUCHED\r\n"
                              "NOT_FOUND\r\n"
                              "VALUE a 5 7\r\n-abcdef\r\nEND\r\n"
                              "END\r\n"
                              "NOT_FOUND\r\n"
                              "DELETED\r\n"
                              "NOT_FOUND\r\n"
                              "ERROR\r\n"
                              "NOT_STORED\r\n"
                              "MN\r\n";

static void text_commands_in_one_write(void **state)
{
    struct rig rig;
    rig_start(&rig, engine_of(state), "");
    int fd = rig_connect(&rig);
    rig_ask(fd, CONVERSATION, ANSWERS);
    rig_stop(&rig);
    close(fd);
}

static void text_commands_byte_by_byte(void **state)
{
    struct rig rig;
    rig_start(&rig, engine_of(state), "");
    int fd = rig_connect(&rig);
    for (size_t i = 0; i + 1 < sizeof(CONVERSATION); i++) {
        rig_send_bytes(fd, &CONVERSATION[i], 1);
    }
    rig_expect(fd, ANSWERS);
    rig_stop(&rig);
    close(fd);
}

static void meta_commands(void **state)
{
    struct rig rig;
    rig_start(&rig, engine_of(state), "");
    int fd = rig_connect(&rig);
    rig_ask(fd,
            "ms a 3 F5 T100\r\nabc\r\n"
            "mg a v f s k Oq\r\n"
            "mg a h v\r\n"
            "ms a 3 MA\r\ndef\r\n"
            "ms n 1 MA\r\nx\r\n"
            "ms n 2 MA N0\r\nxy\r\n"
            "mg n v t\r\n"
            "ma i N0 J13 v\r\n"
            "ma i MD D20 v\r\n"
            "md a I T30\r\n"
            "mg a v\r\n"
            "mg a\r\n"
            "md a x\r\n"
            "mg a v\r\n"
            "md a q\r\nmd a\r\n"
            "mg a v q\r\n"
            "mg z N60 v\r\n"
            "mg z v\r\n"
            "md z C1\r\n"
            "me none\r\n"
            "mn\r\n",
            "HD\r\n"
            "VA 3 f5 s3 ka Oq\r\nabc\r\n"
            "VA 3 h1\r\nabc\r\n"
            "HD\r\n"
            "NS\r\n"
            "HD\r\n"
            "VA 2 t-1\r\nxy\r\n"
            "VA 2\r\n13\r\n"
            "VA 1\r\n0\r\n"
            "HD\r\n"
            "VA 6 X W\r\nabcdef\r\n"
            "HD Z X\r\n"
            "HD\r\n"
            "VA 0\r\n\r\n"
            "NF\r\n"
            "VA 0 W\r\n\r\n"
            "VA 0 Z\r\n\r\n"
            "EX\r\n"
            "EN\r\n"
            "MN\r\n");
    rig_stop(&rig);
    close(fd);
}

/* Sets that arrive together; some of them, wherever they stand, are not stored or not at once. */
static void a_run_of_sets(void **state)
{
    enum { ROUNDS = 20, TOO_LARGE = 1100 };
    char *large = rig_value(TOO_LARGE, 1);
    char request[2 * TOO_LARGE];
    struct rig rig;
    rig_start(&rig, engine_of(state), "-I 1024");
    int fd = rig_connect(&rig);
    (void)snprintf(request, sizeof(request),
                   "set a 5 0 1\r\n1\r\n"
                   "set b 0 0 1 noreply\r\n2\r\n"
                   "set large 0 0 3\r\nabc\r\n"
                   "set gone 0 -1 1\r\n3\r\n"
                   "set large 0 0 %d\r\n%s\r\n"
                   "set a 7 0 2\r\n11\r\n"
                   "set d 0 0 1\r\n44\r\n"
                   "set e 0 0 0\r\n\r\n"
                   "get a b gone large d e\r\n",
                   TOO_LARGE, large);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        rig_ask(fd, request,
                "STORED\r\n"
                "STORED\r\n"
                "STORED\r\n"
                "SERVER_ERROR object too large for cache\r\n"
                "STORED\r\n"
                "CLIENT_ERROR bad data chunk\r\n"
                "ERROR\r\n" /* the newline behind it */
                "STORED\r\n"
                "VALUE a 7 2\r\n11\r\nVALUE b 0 1\r\n2\r\nVALUE e 0 0\r\n\r\nEND\r\n");
    }
    assert_int_equal(rig_stat(fd, "cmd_set"), 6 * ROUNDS);
    rig_stop(&rig);
    close(fd);
    free(large);
}

/* More keys than one look-up takes, more than one buffer holds, hits and misses mixed. */
static void a_long_get(void **state)
{
    enum { KEYS = 1000 };
    struct rig rig;
    char text[64];
    rig_start(&rig, engine_of(state), "");
    int fd = rig_connect(&rig);
    for (int i = 0; i < KEYS; i += 2) {
        (void)snprintf(text, sizeof(text), "set a_rather_long_key_%d 0 0 4 noreply\r\n%04d\r\n", i,
                       i);
        rig_send(fd, text);
    }
    for (int round = 0; round < 2; round++) {
        rig_send(fd, round == 0 ? "gets" : "get");
        for (int i = 0; i < KEYS; i++) {
            (void)snprintf(text, sizeof(text), " a_rather_long_key_%d", i);
            rig_send(fd, text);
        }
        rig_send(fd, "\r\nmn\r\n");
        for (int i = 0; i < KEYS; i += 2) {
            (void)snprintf(text, sizeof(text), "VALUE a_rather_long_key_%d 0 4", i);
            const char *line = rig_line(fd);
            assert_int_equal(strncmp(line, text, strlen(text)), 0);
            assert_int_equal(strlen(line) > strlen(text), round == 0);
            (void)snprintf(text, sizeof(text), "%04d\r\n", i);
            rig_expect(fd, text);
        }
        rig_expect(fd, "END\r\nMN\r\n");
    }
    assert_int_equal(rig_stat(fd, "cmd_get"), 2 * KEYS);
    assert_int_equal(rig_stat(fd, "get_hits"), KEYS);
    assert_int_equal(rig_stat(fd, "get_misses"), KEYS);
    rig_stop(&rig);
    close(fd);
}

/* A request that is run twice is counted once. */
static void every_command_is_counted_once(void **state)
{
    struct rig rig;
    rig_start(&rig, engine_of(state), "-D :");
    int fd = rig_connect(&rig);
    rig_ask(fd, "set p:a 0 0 1\r\n1\r\nappend p:a 0 0 1\r\n2\r\nincr p:a 1\r\n",
            "STORED\r\nSTORED\r\n13\r\n");
    rig_ask(fd, "get p:a p:b\r\nmg p:a v\r\nma p:a\r\nmd p:a I\r\ndelete p:a\r\n",
            "VALUE p:a 0 2\r\n13\r\nEND\r\nVA 2\r\n13\r\nHD\r\nHD\r\nDELETED\r\n");
    assert_int_equal(rig_stat(fd, "cmd_set"), 2);
    assert_int_equal(rig_stat(fd, "cmd_get"), 3);
    assert_int_equal(rig_stat(fd, "get_hits"), 2);
    assert_int_equal(rig_stat(fd, "cmd_meta"), 3);
    assert_int_equal(rig_stat(fd, "incr_hits"), 2);
    assert_int_equal(rig_stat(fd, "delete_hits"), 2);
    rig_ask(fd, "stats detail dump\r\n", "PREFIX p get 2 hit 1 set 2 del 1\r\nEND\r\n");
    rig_stop(&rig);
    close(fd);
}

/*
 * Reads that arrive together are answered in runs: hits, misses, values that are lent, both
 * dialects, the winner of a stale item, and what stands between them, all in their order.
 */
static void reads_that_arrive_together(void **state)
{
    enum { LARGE_SIZE = 9000 };
    char *large = rig_value(LARGE_SIZE, 1);
    struct rig rig;
    rig_start(&rig, engine_of(state), "");
    int fd = rig_connect(&rig);
    rig_store(fd, "large", large, LARGE_SIZE);
    rig_ask(fd, "set a 5 0 3\r\nabc\r\nset b 0 0 0\r\n\r\n", "STORED\r\nSTORED\r\n");
    rig_send(fd, "get a\r\nget none\r\nget b\r\nget large\r\nget a\r\n"
                 "mg a v s f Oxy\r\nmg none v k\r\nmg none v q\r\nmg a\r\nmg large v\r\n"
                 "get a\r\nset a 0 0 1\r\nx\r\nget a\r\nmd a I\r\nmg a v\r\nmg a v\r\nget a\n"
                 "get a\r\nmn\r\n");
    rig_expect(fd, "VALUE a 5 3\r\nabc\r\nEND\r\nEND\r\nVALUE b 0 0\r\n\r\nEND\r\n"
                   "VALUE large 0 9000\r\n");
    rig_expect_bytes(fd, large, LARGE_SIZE);
    rig_expect(fd, "\r\nEND\r\nVALUE a 5 3\r\nabc\r\nEND\r\n"
                   "VA 3 s3 f5 Oxy\r\nabc\r\nEN knone\r\nHD\r\nVA 9000\r\n");
    rig_expect_bytes(fd, large, LARGE_SIZE);
    rig_expect(fd, "\r\nVALUE a 5 3\r\nabc\r\nEND\r\nSTORED\r\nVALUE a 0 1\r\nx\r\nEND\r\nHD\r\n"
                   "VA 1 X W\r\nx\r\nVA 1 Z X\r\nx\r\nVALUE a 0 1\r\nx\r\nEND\r\n"
                   "VALUE a 0 1\r\nx\r\nEND\r\nMN\r\n");
    assert_int_equal(rig_stat(fd, "cmd_get"), 16);
    assert_int_equal(rig_stat(fd, "get_hits"), 13);
    assert_int_equal(rig_stat(fd, "get_misses"), 3);
    assert_int_equal(rig_stat(fd, "cmd_meta"), 9);
    rig_stop(&rig);
    close(fd);
    free(large);
}

static void a_lost_cas_may_store_a_stale_value(void **state)
{
    struct rig rig;
    rig_start(&rig, engine_of(state), "");
    int fd = rig_connect(&rig);
    rig_ask(fd, "ms a 1 E100\r\n1\r\nms a 1 E200\r\n2\r\n", "HD\r\nHD\r\n");
    /* Older than what is there, but named: stored as stale. Then one that is newer: refused. */
    rig_ask(fd, "ms a 1 I C100\r\n3\r\nmg a v\r\nms a 1 I C999999999\r\n4\r\nmg a v\r\n",
            "HD\r\nVA 1 X W\r\n3\r\nEX\r\nVA 1 Z X\r\n3\r\n");
    rig_ask(fd, "ms none 1 I C100\r\n3\r\nmn\r\n", "NF\r\nMN\r\n");
    rig_stop(&rig);
    close(fd);
}

/* While it waited for the engine another client took away what it was about. */
static void an_answer_is_never_the_next_ones(void **state)
{
    struct rig rig;
    char engine[512];
    (void)snprintf(engine, sizeof(engine), "%s:pend_us=30000", engine_of(state));
    rig_start(&rig, engine, "");
    int fd = rig_connect(&rig);
    int other = rig_connect(&rig);
    rig_ask(fd, "set b 0 0 1\r\nb\r\nms a 1 E100\r\n1\r\nms a 1 E200\r\n2\r\n",
            "STORED\r\nHD\r\nHD\r\n");
    rig_send(fd, "ms a 1 I C100\r\n3\r\nmg b v\r\n");
    rig_sleep_ms(5);
    rig_ask(other, "delete a\r\n", "DELETED\r\n");
    const char *line = rig_line(fd); /* depends on who was first */
    assert_true(strcmp(line, "NF") == 0 || strcmp(line, "HD") == 0);
    rig_expect(fd, "VA 1\r\nb\r\n");
    rig_stop(&rig);
    close(fd);
    close(other);
}

static void clients_that_leave_while_the_engine_works(void **state)
{
    struct rig rig;
    char engine[512];
    char *value = rig_value(20000, 1);
    (void)snprintf(engine, sizeof(engine), "%s:pend_us=20000", engine_of(state));
    rig_start(&rig, engine, "");
    int keeper = rig_connect(&rig);
    rig_store(keeper, "a", value, 20000);
    for (int i = 0; i < 20; i++) {
        int fd = rig_connect(&rig);
        switch (i % 4) {
        case 0:
            rig_send(fd, "get a a b a\r\nget a\r\n");
            break;
        case 1:
            rig_send(fd, "append a 0 0 1\r\nx\r\nmg a v\r\n");
            break;
        case 2:
            rig_send(fd, "append a 0 0 20000\r\n");
            rig_send_bytes(fd, value, 20000);
            rig_send(fd, "\r\nget a\r\n");
            break;
        default:
            rig_send(fd, "md a I\r\nma b\r\n");
            break;
        }
        if (i % 3 == 0) {
            struct linger reset = {.l_onoff = 1};
            assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
        }
        rig_sleep_ms(3);
        close(fd);
    }
    rig_ask(keeper, "mn\r\n", "MN\r\n");
    rig_stop(&rig);
    close(keeper);
    free(value);
}

static void stop(void **state, bool graceful)
{
    struct rig rig;
    char engine[512];
    int fds[8];
    (void)snprintf(engine, sizeof(engine), "%s:pend_us=30000", engine_of(state));
    rig_start(&rig, engine, "");
    for (int i = 0; i < 8; i++) {
        fds[i] = rig_connect(&rig);
        rig_ask(fds[i], "mn\r\n", "MN\r\n");
        rig_send(fds[i], i % 2 == 0 ? "get a b\r\nget c\r\n" : "append a 0 0 1\r\nx\r\n");
    }
    rig_sleep_ms(10);
    if (graceful) {
        rig_stop_gracefully(&rig);
    } else {
        rig_stop(&rig);
    }
    for (int i = 0; i < 8; i++) {
        close(fds[i]);
    }
}

static void stopped_while_the_engine_works(void **state)
{
    stop(state, false);
}

static void stopped_gracefully_while_the_engine_works(void **state)
{
    stop(state, true);
}

/* Only every third look-up waits: what needed no waiting must not overtake. */
static void some_answers_come_later(void **state)
{
    struct rig rig;
    char engine[512];
    (void)snprintf(engine, sizeof(engine), "%s:pend_every=3", engine_of(state));
    rig_start(&rig, engine, "");
    int fd = rig_connect(&rig);
    rig_ask(fd, "set n 0 0 1\r\n0\r\n", "STORED\r\n");
    for (int i = 0; i < 100; i++) {
        rig_send(fd, "incr n 1\r\nget n nothing\r\nmg n v\r\n");
    }
    for (int i = 1; i <= 100; i++) {
        char text[128];
        int size = i < 10 ? 1 : i < 100 ? 2 : 3;
        (void)snprintf(text, sizeof(text), "%d\r\nVALUE n 0 %d\r\n%d\r\nEND\r\nVA %d\r\n%d\r\n", i,
                       size, i, size, i);
        rig_expect(fd, text);
    }
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
        BOTH(text_commands_in_one_write),
        BOTH(text_commands_byte_by_byte),
        BOTH(meta_commands),
        BOTH(a_run_of_sets),
        BOTH(a_long_get),
        BOTH(every_command_is_counted_once),
        BOTH(reads_that_arrive_together),
        BOTH(a_lost_cas_may_store_a_stale_value),
        BOTH(an_answer_is_never_the_next_ones),
        BOTH(clients_that_leave_while_the_engine_works),
        BOTH(stopped_while_the_engine_works),
        BOTH(stopped_gracefully_while_the_engine_works),
        BOTH(some_answers_come_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
