/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The contract of net/loop.h about bytes, the same cases on both kinds of loop: input, output,
 * pressure, lending, direct receive.
 */
#include "rig.h"

#include "rig_tls.h"

#include <stdio.h>
#include <sys/socket.h>

enum { REPLY_SIZE = 10 * 1000, BIG_SIZE = 4 * 1024 * 1024 };

static char big[BIG_SIZE];

/*
 * A server of lines, one letter each, with enough verbs to reach every call:
 *   e TEXT   echo the line           p   pause (the line is answered "P")
 *   g        REPLY_SIZE bytes of big l N lend N bytes of big between two headers
 *   r N      take N bytes directly, answer with them      c N   the same in targets of 1000
 */
static void start_receive(struct rig_conn *conn, size_t size, size_t target)
{
    free(conn->memory);
    conn->memory = malloc(size);
    assert_non_null(conn->memory);
    conn->size = size;
    conn->total = 0;
    conn->number = target;
    net_stream_receive(&conn->stream, conn->memory, target < size ? target : size);
}

static void lines_on_received(struct net_stream *stream)
{
    struct rig_conn *conn = rig_of(stream);
    size_t left = conn->size - conn->total;
    size_t target = conn->number;
    size_t done = target < left ? target : left;
    conn->total += done;
    left -= done;
    if (left > 0) {
        net_stream_receive(stream, conn->memory + conn->total, target < left ? target : left);
        return;
    }
    net_stream_write(stream, conn->memory, conn->size);
}

static void lines_command(struct rig_conn *conn, const char *line, size_t size)
{
    struct net_stream *stream = &conn->stream;
    size_t number = size > 2 ? strtoul(line + 2, NULL, 10) : 0;
    switch (line[0]) {
    case 'e':
        net_stream_write(stream, line, size);
        break;
    case 'p':
        net_stream_write(stream, "P\n", 2);
        net_stream_pause(stream);
        break;
    case 'g':
        net_stream_write(stream, big, REPLY_SIZE);
        break;
    case 'l': {
        char *room = net_stream_room(stream, 6);
        assert_non_null(room);
        memcpy(room, "HEAD\r\n", 6);
        net_stream_wrote(stream, 6);
        rig_lend(conn, big, number);
        net_stream_write(stream, "\r\nTAIL", 6);
        break;
    }
    case 'r':
        start_receive(conn, number, number);
        break;
    case 'c':
        start_receive(conn, number, 1000);
        break;
    default:
        fail_msg("a line came out wrong: %.*s", (int)size, line);
    }
}

static size_t lines_on_data(struct net_stream *stream, char *data, size_t size)
{
    struct rig_conn *conn = rig_of(stream);
    size_t used = 0;
    conn->calls++;
    while (used < size && stream->receive_to == NULL && !net_stream_is_full(stream)) {
        const char *end = memchr(data + used, '\n', size - used);
        if (end == NULL) {
            break;
        }
        size_t line = (size_t)(end + 1 - (data + used));
        bool pause = data[used] == 'p';
        lines_command(conn, data + used, line);
        used += line;
        if (pause) {
            break;
        }
    }
    return used;
}

static void lines_on_drained(struct net_stream *stream)
{
    rig_of(stream)->step++;
}

static const struct net_stream_handler LINES = {.on_data = lines_on_data,
                                                .on_received = lines_on_received,
                                                .on_drained = lines_on_drained,
                                                .on_close = rig_closed};

static void start(struct rig *rig, void **state, uint32_t output_max)
{
    rig_start(rig, (struct rig_plan){
                       .kind = rig_kind_of(state), .output_max = output_max, .handler = &LINES});
}

/* Sends `size` bytes and expects just these back. */
static void expect_echo(int fd, const char *data, size_t size)
{
    char *in = malloc(size);
    assert_non_null(in);
    rig_send(fd, data, size);
    rig_recv(fd, in, size);
    assert_memory_equal(in, data, size);
    free(in);
}

static void echo_rounds(int fd)
{
    char line[3000];
    for (unsigned round = 0; round < 200; round++) {
        size_t size = 3 + round * 13 % (sizeof(line) - 3);
        memset(line, 'a' + (int)(round % 26), size);
        line[0] = 'e';
        line[size - 1] = '\n';
        expect_echo(fd, line, size);
    }
}

static void test_echo(void **state)
{
    struct rig rig;
    start(&rig, state, 0);
    int tcp = rig_connect_tcp(&rig);
    int local = rig_connect_unix(&rig);
    echo_rounds(tcp);
    echo_rounds(local);
    close(tcp);
    rig_wait(&rig.closed, 1);
    assert_int_equal(rig.close_reasons[NET_CLOSE_PEER], 1);
    rig_stop(&rig);
    assert_true(rig_is_ended(local));
    close(local);
    assert_int_equal(rig.close_reasons[NET_CLOSE_LOCAL], 1);
}

static void test_bytes_one_by_one(void **state)
{
    struct rig rig;
    start(&rig, state, 0);
    int fd = rig_connect_unix(&rig);
    char line[] = "e one byte after the other\n";
    char in[sizeof(line)];
    for (unsigned i = 0; i < 20; i++) {
        for (size_t at = 0; at < sizeof(line) - 1; at++) {
            rig_send(fd, line + at, 1);
        }
    }
    for (unsigned i = 0; i < 20; i++) {
        rig_recv(fd, in, sizeof(line) - 1);
        assert_memory_equal(in, line, sizeof(line) - 1);
    }
    close(fd);
    rig_stop(&rig);
}

/* Lines of every kind of length in one burst: what a receive cut off comes out whole. */
static void test_burst(void **state)
{
    enum { BURST_SIZE = 600 * 1024 };
    struct rig rig;
    start(&rig, state, UINT32_MAX);
    int fd = rig_connect_tcp(&rig);
    size_t size = 0;
    char *data = malloc(BURST_SIZE);
    assert_non_null(data);
    for (unsigned i = 0; size + BASE_BLOCK_ROOM < BURST_SIZE; i++) {
        size_t line = i % 50 == 49 ? BASE_BLOCK_ROOM - 1 : 3 + i * 7 % 2000;
        memset(data + size, 'a' + (int)(i % 26), line);
        data[size] = 'e';
        data[size + line - 1] = '\n';
        size += line;
    }
    expect_echo(fd, data, size);
    rig_stop(&rig);
    close(fd);
    free(data);
}

static void resume_last(void *arg)
{
    struct rig *rig = arg;
    assert_non_null(rig->last);
    net_stream_resume(&rig->last->stream);
    net_stream_resume(&rig->last->stream);
}

static void test_pause(void **state)
{
    struct rig rig;
    start(&rig, state, 0);
    int fd = rig_connect_unix(&rig);
    char line[1000], in[1000];
    memset(line, 'x', sizeof(line));
    line[0] = 'e';
    line[sizeof(line) - 1] = '\n';
    for (unsigned round = 0; round < 20; round++) {
        rig_send(fd, "p\n", 2);
        for (unsigned i = 0; i < 60; i++) {
            rig_send(fd, line, sizeof(line));
        }
        rig_recv(fd, in, 2);
        assert_memory_equal(in, "P\n", 2);
        if (round < 3) {
            rig_sleep_ms(20);
            assert_int_equal(rig_try_recv(fd, in, 1), -1);
        }
        rig_call(&rig, resume_last, &rig);
        for (unsigned i = 0; i < 60; i++) {
            rig_recv(fd, in, sizeof(in));
            assert_memory_equal(in, line, sizeof(line));
        }
    }
    close(fd);
    rig_wait(&rig.closed, 1);
    rig_stop(&rig);
}

struct usage {
    struct rig *rig;
    uint64_t unsent;
    uint64_t full_count;
    uint32_t blocks, drained;
};

static void read_usage(void *arg)
{
    struct usage *usage = arg;
    usage->blocks = net_loop_pool(usage->rig->loop)->used_count;
    usage->full_count = net_loop_counters(usage->rig->loop)->paused;
    usage->unsent = usage->rig->last == NULL ? 0 : net_stream_unsent(&usage->rig->last->stream);
    usage->drained = usage->rig->last == NULL ? 0 : usage->rig->last->step;
}

static struct usage usage_of(struct rig *rig)
{
    struct usage usage = {.rig = rig};
    rig_call(rig, read_usage, &usage);
    return usage;
}

/* A peer that asks for 50 MB and does not read costs output_max and its requests, no more. */
static void test_pressure(void **state)
{
    enum { REQUESTS = 5000, OUTPUT_MAX = 256 * 1024 };
    struct rig rig;
    start(&rig, state, OUTPUT_MAX);
    int fd = rig_connect_tcp(&rig);
    for (unsigned i = 0; i < REQUESTS; i++) {
        rig_send(fd, "g\n", 2);
    }
    /* Until the sockets are full and the stream, too: nothing moves any more. */
    struct usage usage = usage_of(&rig);
    struct usage before = {.full_count = 0};
    while (usage.full_count == 0 || usage.unsent == 0 || usage.unsent != before.unsent) {
        before = usage;
        rig_sleep_ms(20);
        usage = usage_of(&rig);
    }
    assert_true(usage.unsent > 0 && usage.unsent <= OUTPUT_MAX + REPLY_SIZE);
    assert_true(usage.blocks <= (OUTPUT_MAX + REPLY_SIZE) / BASE_BLOCK_ROOM + 8);
    char in[REPLY_SIZE];
    for (unsigned i = 0; i < REQUESTS; i++) {
        rig_recv(fd, in, sizeof(in));
        assert_memory_equal(in, big, sizeof(in));
    }
    expect_echo(fd, "e still there\n", 14);
    usage = usage_of(&rig);
    assert_int_equal(usage.unsent, 0);
    assert_int_equal(usage.blocks, 0);
    assert_true(usage.drained > 0);
    close(fd);
    rig_stop(&rig);
}

static void expect_lent(int fd, char *in, size_t size)
{
    rig_recv(fd, in, 6);
    assert_memory_equal(in, "HEAD\r\n", 6);
    rig_recv(fd, in, size);
    assert_memory_equal(in, big, size);
    rig_recv(fd, in, 6);
    assert_memory_equal(in, "\r\nTAIL", 6);
}

static void lend_rounds(int fd, bool slow)
{
    static const char requests[] = "l 5000\nl 0\nl 4194304\nl 1\ne x\nl 300000\nl 17000\n";
    static const size_t sizes[] = {5000, 0, BIG_SIZE, 1, 0, 300000, 17000};
    char *in = malloc(BIG_SIZE);
    assert_non_null(in);
    for (unsigned round = 0; round < 4; round++) {
        rig_send(fd, requests, sizeof(requests) - 1);
        if (slow) {
            rig_sleep_ms(30);
        }
        for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            if (i == 4) {
                rig_recv(fd, in, 4);
                assert_memory_equal(in, "e x\n", 4);
            } else {
                expect_lent(fd, in, sizes[i]);
            }
        }
    }
    free(in);
}

static void test_lend(void **state)
{
    for (unsigned slow = 0; slow < 2; slow++) {
        struct rig rig;
        /* A bound beyond everything and one that stops after every large reply. */
        start(&rig, state, slow != 0 ? UINT32_MAX : 1000);
        int tcp = rig_connect_tcp(&rig);
        int local = rig_connect_unix(&rig);
        lend_rounds(tcp, slow != 0);
        lend_rounds(local, slow != 0);
        assert_true(net_loop_counters(rig.loop)->lent_copied > 0);
        assert_int_equal(usage_of(&rig).blocks, 0);
        rig_stop(&rig); /* checks that nothing was lent when the loop waited */
        close(tcp);
        close(local);
    }
}

/* More pieces than one system call takes. */
static void test_lend_many(void **state)
{
    struct rig rig;
    start(&rig, state, 0);
    int fd = rig_connect_tcp(&rig);
    char in[7000];
    for (unsigned i = 0; i < 300; i++) {
        rig_send(fd, "l 6000\n", 7);
    }
    for (unsigned i = 0; i < 300; i++) {
        expect_lent(fd, in, 6000);
    }
    close(fd);
    rig_stop(&rig);
}

/* ---- output to another stream while that one's is on its way ---- */

static struct rig_conn *first_conn;

static void remember_first(struct rig_conn *conn)
{
    if (first_conn == NULL) {
        first_conn = conn;
    }
}

static size_t other_on_data(struct net_stream *stream, char *data, size_t size)
{
    (void)data;
    struct rig_conn *other = rig_of(stream)->rig->last;
    assert_ptr_not_equal(other, first_conn);
    if (rig_of(stream)->step++ % 2 == 0) {
        net_stream_pause(stream); /* the first time: keep it for later */
        return 0;
    }
    net_stream_write(&other->stream, "two,", 4);
    rig_lend(other, big, 100);
    net_stream_write(&other->stream, "three,", 6);
    rig_lend(other, big, 200);
    net_stream_settle(&other->stream);
    /* Takes over whatever was given back too early. */
    net_stream_write(stream, big, REPLY_SIZE);
    return size;
}

static void write_and_resume(void *arg)
{
    struct rig *rig = arg;
    net_stream_write(&rig->last->stream, "one,", 4); /* serviced first, */
    net_stream_resume(&first_conn->stream);          /* then on_data() of this one */
}

static void test_other_output(void **state)
{
    static const struct net_stream_handler handler = {.on_data = other_on_data,
                                                      .on_close = rig_closed};
    first_conn = NULL;
    struct rig rig;
    rig_start(&rig, (struct rig_plan){.kind = rig_kind_of(state),
                                      .handler = &handler,
                                      .on_open = remember_first});
    int first = rig_connect_unix(&rig);
    rig_wait(&rig.opened, 1);
    int second = rig_connect_unix(&rig);
    rig_wait(&rig.opened, 2);
    for (unsigned i = 0; i < 3; i++) {
        char in[REPLY_SIZE];
        rig_send(first, "x", 1);
        rig_sleep_ms(20);
        rig_call(&rig, write_and_resume, &rig);
        rig_recv(second, in, 314);
        assert_memory_equal(in, "one,two,", 8);
        assert_memory_equal(in + 8, big, 100);
        assert_memory_equal(in + 108, "three,", 6);
        assert_memory_equal(in + 114, big, 200);
        rig_recv(first, in, REPLY_SIZE);
        assert_memory_equal(in, big, REPLY_SIZE);
    }
    close(first);
    close(second);
    rig_stop(&rig);
}

/* ---- direct receive ---- */

static void receive_round(int fd, const char *verb, size_t size, size_t dribble, unsigned count)
{
    char *out = malloc(size), *in = malloc(size), line[32];
    assert_non_null(out);
    assert_non_null(in);
    rig_fill(out, size, (unsigned)size);
    int line_size = snprintf(line, sizeof(line), "%s %zu\n", verb, size);
    for (unsigned i = 0; i < count; i++) {
        rig_send(fd, line, (size_t)line_size);
        for (size_t at = 0; at < size; at += dribble) {
            rig_send(fd, out + at, size - at < dribble ? size - at : dribble);
        }
    }
    rig_send(fd, "e after it\n", 11);
    for (unsigned i = 0; i < count; i++) {
        rig_recv(fd, in, size);
        assert_memory_equal(in, out, size);
    }
    char last[11];
    rig_recv(fd, last, sizeof(last));
    assert_memory_equal(last, "e after it\n", sizeof(last));
    free(out);
    free(in);
}

static void test_receive(void **state)
{
    struct rig rig;
    start(&rig, state, UINT32_MAX);
    int fds[] = {rig_connect_tcp(&rig), rig_connect_unix(&rig)};
    for (unsigned i = 0; i < 2; i++) {
        receive_round(fds[i], "r", 1, 1, 10);
        receive_round(fds[i], "r", 100, 100, 50);
        receive_round(fds[i], "r", 20000, 999, 3);
        receive_round(fds[i], "r", 1024 * 1024, 1024 * 1024, 1);
        receive_round(fds[i], "r", 1024 * 1024, 7001, 1);
        receive_round(fds[i], "c", 100500, 3333, 2);
        receive_round(fds[i], "c", 100500, 100500, 2);
        receive_round(fds[i], "r", 3 * 1024 * 1024, 3 * 1024 * 1024, 1);
    }
    rig_stop(&rig);
    close(fds[0]);
    close(fds[1]);
}

/* The value and what follows it in the same segment as its line. */
static void test_receive_in_one_piece(void **state)
{
    struct rig rig;
    start(&rig, state, 0);
    int fd = rig_connect_unix(&rig);
    static const char requests[] = "r 5\n12345e x\nr 3\nabce y\nr 4\nhalf";
    char in[16];
    for (unsigned i = 0; i < 100; i++) {
        rig_send(fd, requests, sizeof(requests) - 1);
        rig_recv(fd, in, 5);
        assert_memory_equal(in, "12345", 5);
        rig_recv(fd, in, 4);
        assert_memory_equal(in, "e x\n", 4);
        rig_recv(fd, in, 3);
        assert_memory_equal(in, "abc", 3);
        rig_recv(fd, in, 4);
        assert_memory_equal(in, "e y\n", 4);
        rig_recv(fd, in, 4);
        assert_memory_equal(in, "half", 4);
    }
    close(fd);
    rig_stop(&rig);
}

/* A burst of lines that is all there when the loop looks, and how it was taken. */
struct burst {
    struct rig *rig;
    int fd;
    const char *data;
    size_t size;
    uint64_t receives;
};

static void burst_send(void *arg)
{
    struct burst *burst = arg;
    rig_send(burst->fd, burst->data, burst->size);
    burst->receives = net_loop_counters(burst->rig->loop)->receives;
}

static void burst_count(void *arg)
{
    struct burst *burst = arg;
    burst->receives = net_loop_counters(burst->rig->loop)->receives - burst->receives;
}

/* Sends it and checks the echo; returns how many receives it took. */
static uint64_t burst_round(struct rig *rig, int fd, const char *data, size_t size)
{
    struct burst burst = {.rig = rig, .fd = fd, .data = data, .size = size};
    char *in = malloc(size);
    assert_non_null(in);
    rig_call(rig, burst_send, &burst);
    rig_recv(fd, in, size);
    assert_memory_equal(in, data, size);
    rig_call(rig, burst_count, &burst);
    free(in);
    return burst.receives;
}

/* What arrives together is received together, whichever way the loop receives small requests. */
static void test_receive_much(void **state)
{
    enum { LINE_SIZE = 1000, SIZE = 48 * LINE_SIZE };
    struct rig rig;
    if (rig_tls_usual() != NULL) {
        return; /* it counts receives of plain sockets */
    }
    start(&rig, state, 0);
    int fd = rig_connect_unix(&rig);
    char *lines = malloc(SIZE);
    assert_non_null(lines);
    memset(lines, 'x', SIZE);
    for (size_t at = 0; at < SIZE; at += LINE_SIZE) {
        lines[at] = 'e';
        lines[at + LINE_SIZE - 1] = '\n';
    }
    for (unsigned round = 0; round < 3; round++) {
        uint64_t first = burst_round(&rig, fd, lines, SIZE);
        assert_int_equal(first, rig_kind_of(state) == NET_LOOP_URING ? 3 : 1);
        for (unsigned i = 0; i < 10; i++) {
            assert_int_equal(burst_round(&rig, fd, lines, SIZE), 1);
        }
        /* One small request is no change of ways, two are. */
        assert_int_equal(burst_round(&rig, fd, lines, LINE_SIZE), 1);
        assert_int_equal(burst_round(&rig, fd, lines, SIZE), 1);
        assert_int_equal(burst_round(&rig, fd, lines, LINE_SIZE), 1);
        assert_int_equal(burst_round(&rig, fd, lines, LINE_SIZE), 1);
    }
    free(lines);
    close(fd);
    rig_stop(&rig);
}

/* A client that says it sends no more still gets its answer, however long. */
static void test_half_close(void **state)
{
    struct rig rig;
    start(&rig, state, 64 * 1024);
    for (unsigned i = 0; i < 2; i++) {
        int fd = i == 0 ? rig_connect_tcp(&rig) : rig_connect_unix(&rig);
        char *in = malloc(BIG_SIZE);
        assert_non_null(in);
        rig_send(fd, "l 4194304\nl 2000000\ne x\n", sizeof("l 4194304\nl 2000000\ne x\n") - 1);
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        rig_sleep_ms(20);
        expect_lent(fd, in, BIG_SIZE);
        expect_lent(fd, in, 2000000);
        rig_recv(fd, in, 4);
        assert_true(rig_is_ended(fd));
        close(fd);
        free(in);
    }
    rig_wait(&rig.closed, 2);
    assert_int_equal(rig.close_reasons[NET_CLOSE_PEER], 2);
    rig_stop(&rig);
}

int main(int argc, char **argv)
{
    enum net_loop_kind kind = rig_kind(argc, argv);
    rig_fill(big, sizeof(big), 7);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_echo, &kind),
        cmocka_unit_test_prestate(test_bytes_one_by_one, &kind),
        cmocka_unit_test_prestate(test_burst, &kind),
        cmocka_unit_test_prestate(test_pause, &kind),
        cmocka_unit_test_prestate(test_pressure, &kind),
        cmocka_unit_test_prestate(test_lend, &kind),
        cmocka_unit_test_prestate(test_lend_many, &kind),
        cmocka_unit_test_prestate(test_other_output, &kind),
        cmocka_unit_test_prestate(test_receive, &kind),
        cmocka_unit_test_prestate(test_receive_in_one_piece, &kind),
        cmocka_unit_test_prestate(test_receive_much, &kind),
        cmocka_unit_test_prestate(test_half_close, &kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
