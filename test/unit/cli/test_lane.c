/* SPDX-License-Identifier: BSD-3-Clause */
/* A lane on one end of a pair of sockets, the test on the other: whatever pieces answers come in, and however full a socket is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/num.h"
#include "cli/mcbench/lane.h"

enum { KEYS = 50, INPUT_MAX = 1 << 22 };

struct rig {
    struct bench_plan plan;
    struct bench_stage stage;
    struct bench_lane *lane;
    int peer; /* the server's end of the only connection */
    char *input;
    size_t input_size;
};

static void set_up(struct rig *rig, enum bench_arrival arrival, uint32_t pipeline,
                   uint32_t value_size)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = 0};
    int ends[2];

    *rig = (struct rig){.plan = {.address = "the test",
                                 .work = {.shares = {[BENCH_GET] = 1},
                                          .keys_per_get = 1,
                                          .keys_per_get_max = 1,
                                          .key_count = KEYS,
                                          .key_sizes = {BENCH_SIZE_FIXED, 32, 32},
                                          .value_sizes = {BENCH_SIZE_FIXED, value_size, value_size},
                                          .connections = 1,
                                          .pipeline = pipeline,
                                          .lanes = 1,
                                          .arrival = arrival,
                                          .rate = 1000}}};
    rig->stage.plan = &rig->plan;
    rig->stage.wire = bench_wire_of(BENCH_TEXT);
    rig->stage.stall_ns = UINT64_MAX / 2;
    rig->input = malloc(INPUT_MAX);
    assert_non_null(rig->input);
    rig->lane = bench_lane_create(&rig->stage, &rig->plan.work, 0);
    assert_non_null(rig->lane);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    rig->lane->conns[0].fd = ends[0];
    assert_int_equal(epoll_ctl(rig->lane->epoll, EPOLL_CTL_ADD, ends[0], &event), 0);
    rig->peer = ends[1];
    rig->lane->is_counting = true;
}

static void tear_down(struct rig *rig)
{
    bench_lane_destroy(&rig->lane);
    assert_null(rig->lane);
    (void)close(rig->peer);
    free(rig->input);
}

static void turn(struct rig *rig)
{
    uint32_t event_count;

    assert_true(bench_lane_turn(rig->lane, &event_count));
}

/* What the lane has sent so far is in rig->input. */
static void receive(struct rig *rig)
{
    ssize_t got;

    while ((got = recv(rig->peer, rig->input + rig->input_size, INPUT_MAX - rig->input_size, 0)) >
           0) {
        rig->input_size += (size_t)got;
    }
}

static uint32_t count_lines(const struct rig *rig, const char *start)
{
    uint32_t count = 0;
    const char *end = rig->input + rig->input_size;

    for (const char *at = rig->input; at + strlen(start) <= end; at++) {
        count += memcmp(at, start, strlen(start)) == 0;
    }
    return count;
}

static void send_bytes(struct rig *rig, const char *bytes, size_t size)
{
    assert_int_equal(send(rig->peer, bytes, size, 0), (ssize_t)size);
}

/* The right answer to the request that is `at` behind the oldest. Returns its size. */
static size_t write_hit(const struct rig *rig, uint32_t at, char *out)
{
    const struct bench_request *request = bench_lane_request(rig->lane, &rig->lane->conns[0], at);
    /* The value is that of a set of the same key: what stands behind the set's line. */
    struct bench_request set = *request;
    static char words[1 << 20];
    size_t size, line_size;
    char *value;
    char key[64];

    set.verb = BENCH_SET;
    set.version = 5;
    size = rig->stage.wire->write(&rig->plan.work, &set, words);
    value = (char *)memchr(words, '\n', size) + 1;
    assert_int_equal(sscanf(words, "set %63s", key), 1);
    line_size = (size_t)sprintf(out, "VALUE %s %c %u\r\n", key, words[5 + strlen(key)],
                                rig->plan.work.value_sizes.min);
    memcpy(out + line_size, value, size - (size_t)(value - words));
    line_size += size - (size_t)(value - words);
    memcpy(out + line_size, "END\r\n", 5);
    return line_size + 5;
}

static void test_answers_in_single_bytes(void **state)
{
    struct rig rig;
    char answer[400];
    size_t size;

    (void)state;
    set_up(&rig, BENCH_CLOSED, 3, 100);
    assert_true(bench_lane_start_batch(rig.lane, &rig.lane->conns[0]));
    receive(&rig);
    assert_int_equal(count_lines(&rig, "get "), 3);
    for (uint32_t request = 0; request < 2; request++) {
        size = write_hit(&rig, 0, answer);
        for (size_t i = 0; i < size; i++) {
            assert_int_equal(rig.lane->counts.requests, request);
            send_bytes(&rig, answer + i, 1);
            turn(&rig);
        }
        assert_int_equal(rig.lane->counts.requests, request + 1);
    }
    receive(&rig);
    assert_int_equal(count_lines(&rig, "get "), 3); /* the batch is not answered yet */
    send_bytes(&rig, "END\r\n", 5);
    turn(&rig);
    assert_int_equal(rig.lane->counts.hits, 2);
    assert_int_equal(rig.lane->counts.misses, 1);
    assert_int_equal(bench_hist_count(rig.lane->service), 3);
    receive(&rig);
    assert_int_equal(count_lines(&rig, "get "), 6); /* and the next is out */
    assert_int_equal(rig.lane->active_count, 1);
    rig.lane->is_stopping = true;
    send_bytes(&rig, "END\r\nEND\r\nEND\r\n", 15);
    turn(&rig);
    assert_int_equal(rig.lane->active_count, 0);
    tear_down(&rig);
}

static void test_large_values_in_pieces(void **state)
{
    static char answer[200000];
    struct rig rig;
    size_t size;

    (void)state;
    set_up(&rig, BENCH_CLOSED, 1, 150000);
    rig.lane->is_stopping = true;
    assert_true(bench_lane_start_batch(rig.lane, &rig.lane->conns[0]));
    size = write_hit(&rig, 0, answer);
    for (size_t at = 0; at < size; at += 7001) {
        send_bytes(&rig, answer + at, size - at < 7001 ? size - at : 7001);
        turn(&rig);
    }
    assert_int_equal(rig.lane->counts.hits, 1);
    assert_int_equal(rig.lane->counts.value_bytes, 150000);
    tear_down(&rig);
}

static void test_a_full_socket(void **state)
{
    struct rig rig;

    (void)state;
    set_up(&rig, BENCH_CLOSED, 16, 100000);
    rig.plan.work.shares[BENCH_GET] = 0;
    rig.plan.work.shares[BENCH_SET] = 1;
    bench_draw_init(&rig.lane->draw, &rig.plan.work, BENCH_SPACE_VALUES, 0);
    rig.lane->is_stopping = true;
    assert_true(bench_lane_start_batch(rig.lane, &rig.lane->conns[0]));
    assert_true(rig.lane->conns[0].waits_for_room);
    for (int i = 0; i < 60 && count_lines(&rig, "set ") < 16; i++) {
        receive(&rig);
        turn(&rig);
    }
    receive(&rig);
    assert_false(rig.lane->conns[0].waits_for_room);
    assert_int_equal(rig.lane->conns[0].count, 16);
    assert_in_range(rig.input_size, 16 * 100000, 16 * 100100);
    for (int i = 0; i < 16; i++) {
        send_bytes(&rig, "STORED\r\n", 8);
    }
    turn(&rig);
    assert_int_equal(rig.lane->counts.per_verb[BENCH_SET], 16);
    assert_int_equal(rig.lane->active_count, 0);
    tear_down(&rig);
}

static void test_open_loop_sends_without_waiting_for_answers(void **state)
{
    static const uint64_t moments[40] = {[20] = 1000, [21] = UINT64_MAX / 2};
    struct rig rig;
    const uint64_t now_ns = base_clock_monotonic_ns();
    bool has_sent;

    (void)state;
    set_up(&rig, BENCH_POISSON, 1, 100);
    rig.lane->record_to_ns = UINT64_MAX;
    bench_pace_init(&rig.lane->pace, moments, 22, now_ns);
    bench_lane_offer_all(rig.lane, now_ns);
    assert_true(bench_lane_send_due(rig.lane, now_ns, &has_sent));
    assert_true(has_sent);
    receive(&rig);
    assert_int_equal(count_lines(&rig, "get "), 16); /* of 20 that are due: so many have room */
    assert_true(rig.lane->pace.is_blocked);
    send_bytes(&rig, "END\r\nEND\r\n", 10);
    turn(&rig);
    assert_int_equal(rig.lane->counts.misses, 2);
    assert_false(rig.lane->pace.is_blocked);
    assert_true(bench_lane_send_due(rig.lane, now_ns + 1000, &has_sent));
    receive(&rig);
    assert_int_equal(count_lines(&rig, "get "), 18);
    assert_int_equal(bench_pace_due(&rig.lane->pace, now_ns + 1000), 3); /* and one has come */
    assert_int_equal(bench_hist_count(rig.lane->intended), 2);
    tear_down(&rig);
}

static void test_misses_are_filled_first(void **state)
{
    struct rig rig;

    (void)state;
    set_up(&rig, BENCH_CLOSED, 2, 100);
    rig.lane->fills = true;
    assert_true(bench_lane_start_batch(rig.lane, &rig.lane->conns[0]));
    send_bytes(&rig, "END\r\nEND\r\n", 10);
    turn(&rig);
    receive(&rig);
    assert_int_equal(count_lines(&rig, "get "), 2);
    assert_int_equal(count_lines(&rig, "set "), 2);
    tear_down(&rig);
}

static void test_nobody_asked(void **state)
{
    struct rig rig;
    uint32_t event_count;

    (void)state;
    set_up(&rig, BENCH_CLOSED, 1, 100);
    rig.lane->is_stopping = true;
    assert_true(bench_lane_start_batch(rig.lane, &rig.lane->conns[0]));
    send_bytes(&rig, "END\r\nEND\r\n", 10);
    assert_false(bench_lane_turn(rig.lane, &event_count));
    assert_int_equal(rig.lane->error, -EBADMSG);
    assert_non_null(strstr(rig.lane->complaint, "the test answered wrong: an answer that nobody"));
    assert_int_equal(rig.stage.ending, BENCH_FAILED);
    tear_down(&rig);
}

static void test_a_stall(void **state)
{
    struct rig rig;
    const uint64_t now_ns = base_clock_monotonic_ns();

    (void)state;
    set_up(&rig, BENCH_CLOSED, 1, 100);
    rig.stage.stall_ns = 1000000000;
    assert_true(bench_lane_check_stall(rig.lane, now_ns + 2000000000)); /* nothing is awaited */
    assert_true(bench_lane_start_batch(rig.lane, &rig.lane->conns[0]));
    assert_true(bench_lane_check_stall(rig.lane, now_ns));
    assert_false(bench_lane_check_stall(rig.lane, base_clock_monotonic_ns() + 1000000000));
    assert_int_equal(rig.lane->error, -ETIMEDOUT);
    assert_non_null(strstr(rig.lane->complaint, "0 requests answered, 1 under way"));
    tear_down(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_in_single_bytes),
        cmocka_unit_test(test_large_values_in_pieces),
        cmocka_unit_test(test_a_full_socket),
        cmocka_unit_test(test_open_loop_sends_without_waiting_for_answers),
        cmocka_unit_test(test_misses_are_filled_first),
        cmocka_unit_test(test_nobody_asked),
        cmocka_unit_test(test_a_stall),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
