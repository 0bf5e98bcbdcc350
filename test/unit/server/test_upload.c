/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Values longer than what has arrived: received in the engine's room, or in blocks when there is
 * none; cut into pieces, broken, and given up half-way.
 */
#include "rig.h"

#include <sys/socket.h>

enum { SIZE = 300000 };

static const char *engine_of(void **state)
{
    return *state;
}

/* "set big 0 0 SIZE\r\n", value and end, in pieces of `step` bytes. */
static void send_in_pieces(int fd, const char *verb, const char *value, size_t size, size_t step)
{
    char line[128];
    (void)snprintf(line, sizeof(line), "%s big 0 0 %zu\r\n", verb, size);
    rig_send(fd, line);
    for (size_t at = 0; at < size; at += step) {
        rig_send_bytes(fd, value + at, size - at < step ? size - at : step);
        if (step < 1000) {
            rig_sleep_ms(0);
        }
    }
}

static void a_value_in_one_write(void **state)
{
    struct rig rig;
    char *value = rig_value(SIZE, 1);
    rig_start(&rig, engine_of(state), "");
    int fd = rig_connect(&rig);
    rig_store(fd, "big", value, SIZE);
    rig_send(fd, "get big\r\n");
    rig_expect_value(fd, "big", value, SIZE);
    rig_expect(fd, "END\r\n");
    assert_int_equal(rig_stat(fd, "fake_open"), 0);
    rig_stop(&rig);
    close(fd);
    free(value);
}

/* Its last bytes, its \r and its \n come one by one, and the next request right behind. */
static void a_value_byte_by_byte(void **state)
{
    enum { SMALL = 6000 };
    struct rig rig;
    char *value = rig_value(SMALL, 2);
    rig_start(&rig, engine_of(state), "");
    int fd = rig_connect(&rig);
    send_in_pieces(fd, "set", value, SMALL, 1);
    rig_send(fd, "\r");
    rig_sleep_ms(2);
    rig_ask(fd, "\nmn\r\n", "STORED\r\nMN\r\n");
    rig_send(fd, "get big\r\n");
    rig_expect_value(fd, "big", value, SMALL);
    rig_expect(fd, "END\r\n");
    rig_stop(&rig);
    close(fd);
    free(value);
}

/* Every way in which a value can be cut off at the buffer's end, with a pipeline behind it. */
static void sizes_around_the_buffers(void **state)
{
    static const size_t sizes[] = {4093,  4094,  4095,  8190,  16368,
                                   16383, 16384, 32766, 32767, 65536};
    struct rig rig;
    rig_start(&rig, engine_of(state), "");
    int fd = rig_connect(&rig);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char *value = rig_value(sizes[i], (unsigned)i);
        send_in_pieces(fd, "set", value, sizes[i], 5000);
        rig_ask(fd, "\r\nmn\r\n", "STORED\r\nMN\r\n");
        rig_send(fd, "get big\r\n");
        rig_expect_value(fd, "big", value, sizes[i]);
        rig_expect(fd, "END\r\n");
        free(value);
    }
    rig_stop(&rig);
    close(fd);
}

static void append_and_prepend(void **state)
{
    struct rig rig;
    char *value = rig_value(3 * SIZE, 3);
    rig_start(&rig, engine_of(state), "");
    int fd = rig_connect(&rig);
    rig_store(fd, "big", value + SIZE, SIZE);
    send_in_pieces(fd, "append", value + 2 * (size_t)SIZE, SIZE, 7000);
    rig_ask(fd, "\r\n", "STORED\r\n");
    send_in_pieces(fd, "prepend", value, SIZE, 7000);
    rig_ask(fd, "\r\n", "STORED\r\n");
    rig_send(fd, "get big\r\n");
    rig_expect_value(fd, "big", value, 3 * (size_t)SIZE);
    rig_expect(fd, "END\r\n");
    send_in_pieces(fd, "append", value, SIZE, 7000); /* more than -I */
    rig_ask(fd, "\r\n", "NOT_STORED\r\n");
    assert_int_equal(rig_stat(fd, "fake_open"), 0);
    rig_stop(&rig);
    close(fd);
    free(value);
}

static void every_mode(void **state)
{
    struct rig rig;
    char *value = rig_value(SIZE, 4);
    rig_start(&rig, engine_of(state), "");
    int fd = rig_connect(&rig);
    send_in_pieces(fd, "replace", value, SIZE, 50000);
    rig_ask(fd, "\r\n", "NOT_STORED\r\n");
    send_in_pieces(fd, "append", value, SIZE, 50000);
    rig_ask(fd, "\r\n", "NOT_STORED\r\n");
    send_in_pieces(fd, "add", value, SIZE, 50000);
    rig_ask(fd, "\r\n", "STORED\r\n");
    send_in_pieces(fd, "add", value, SIZE, 50000);
    rig_ask(fd, "\r\n", "NOT_STORED\r\n");
    rig_send(fd, "ms big 300000 C77 I\r\n");
    rig_send_bytes(fd, value, SIZE);
    rig_ask(fd, "\r\n", "EX\r\n");
    rig_send(fd, "ms none 300000 C77 I\r\n");
    rig_send_bytes(fd, value, SIZE);
    rig_ask(fd, "\r\n", "NF\r\n");
    assert_int_equal(rig_stat(fd, "fake_open"), 0);
    rig_stop(&rig);
    close(fd);
    free(value);
}

static void a_bad_end(void **state)
{
    struct rig rig;
    char *value = rig_value(SIZE, 5);
    rig_start(&rig, engine_of(state), "");
    int fd = rig_connect(&rig);
    rig_store(fd, "big", "old", 3);
    send_in_pieces(fd, "set", value, SIZE, 50000);
    rig_ask(fd, "xx", "CLIENT_ERROR bad data chunk\r\n");
    rig_ask(fd, "get big\r\n", "VALUE big 0 3\r\nold\r\nEND\r\n");
    assert_int_equal(rig_stat(fd, "bad_data_chunk"), 1);
    assert_int_equal(rig_stat(fd, "fake_open"), 0);
    rig_stop(&rig);
    close(fd);
    free(value);
}

static void clients_that_leave_half_way(void **state)
{
    struct rig rig;
    char *value = rig_value(SIZE, 6);
    rig_start(&rig, engine_of(state), "");
    int keeper = rig_connect(&rig);
    for (int i = 0; i < 10; i++) {
        int fd = rig_connect(&rig);
        send_in_pieces(fd, i % 2 == 0 ? "set" : "append", value, (size_t)20000 * (size_t)(i + 1),
                       6000);
        rig_send(fd, i == 3 ? "\r" : "");
        rig_sleep_ms(1);
        close(fd);
    }
    rig_wait_stat(keeper, "total_connections", 11);
    for (unsigned ms = 0; rig_stat(keeper, "curr_connections") > 1 && ms < 60000; ms += 2) {
        rig_sleep_ms(2);
    }
    assert_int_equal(rig_stat(keeper, "fake_open"), 0);
    rig_ask(keeper, "get big\r\n", "END\r\n");
    rig_stop(&rig);
    close(keeper);
    free(value);
}

/* Rooms that are open when the server stops. */
static void stopped_half_way(void **state)
{
    struct rig rig;
    int fds[4];
    char *value = rig_value(SIZE, 7);
    rig_start(&rig, engine_of(state), "");
    for (int i = 0; i < 4; i++) {
        fds[i] = rig_connect(&rig);
        rig_ask(fds[i], "mn\r\n", "MN\r\n");
        rig_send(fds[i], "set big 0 0 300000\r\n");
        rig_send_bytes(fds[i], value, 100000);
    }
    rig_sleep_ms(10);
    rig_stop(&rig);
    for (int i = 0; i < 4; i++) {
        close(fds[i]);
    }
    free(value);
}

static void refused_values_are_thrown_away(void **state)
{
    enum { TOO_LARGE = 2 << 20 };
    struct rig rig;
    char *value = rig_value(TOO_LARGE, 8);
    rig_start(&rig, engine_of(state), "");
    int fd = rig_connect(&rig);
    rig_store(fd, "big", "old", 3);
    send_in_pieces(fd, "set", value, TOO_LARGE, 60000);
    rig_ask(fd, "\r\nget big\r\n", "SERVER_ERROR object too large for cache\r\nEND\r\n");
    /* The same without an answer; what looks like a command in it is none. */
    memcpy(value + 1000, "\r\nflush_all\r\n", 13);
    rig_send(fd, "set big 0 0 2097152 noreply\r\n");
    rig_send_bytes(fd, value, TOO_LARGE);
    rig_ask(fd, "\r\nmn\r\n", "MN\r\n");
    assert_int_equal(rig_stat(fd, "cmd_flush"), 0);
    assert_int_equal(rig_stat(fd, "store_too_large"), 2);
    rig_stop(&rig);
    close(fd);
    free(value);
}

#define EACH(function)                                                                             \
    {.name = #function ", in a room", .test_func = function, .initial_state = rooms},              \
        {.name = #function ", in blocks", .test_func = function, .initial_state = blocks},         \
        {.name = #function ", busy", .test_func = function, .initial_state = busy},                \
    {                                                                                              \
        .name = #function ", later", .test_func = function, .initial_state = later                 \
    }

int main(void)
{
    char rooms[] = RIG_NOW;
    char blocks[] = RIG_NOW ":rooms_max=0";
    char busy[] = RIG_NOW ":rooms_max=1,busy_every=2";
    char later[] = RIG_LATER;
    const struct CMUnitTest tests[] = {
        EACH(a_value_in_one_write),
        EACH(a_value_byte_by_byte),
        EACH(sizes_around_the_buffers),
        EACH(append_and_prepend),
        EACH(every_mode),
        EACH(a_bad_end),
        EACH(clients_that_leave_half_way),
        EACH(stopped_half_way),
        EACH(refused_values_are_thrown_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
