/* SPDX-License-Identifier: BSD-3-Clause */
/* The empty server's answers are what the wires expect of a server that has everything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/mcbench/canned.h"
#include "cli/mcbench/wire.h"

enum { ROOM = 8 << 20, KEYS = 50 };

static char asked[ROOM];
static char said[ROOM];
static char flat[ROOM];
static char value[(64 << 10) + 2];
static struct bench_canned_out out;

static struct bench_work work_of(enum bench_protocol protocol, uint32_t value_size)
{
    return (struct bench_work){
        .protocol = protocol,
        .shares = {1, 1, 1, 1},
        .keys_per_get = KEYS,
        .keys_per_get_max = KEYS,
        .key_count = 1000,
        .key_sizes = {BENCH_SIZE_FIXED, 32, 32},
        .value_sizes = {BENCH_SIZE_FIXED, value_size, value_size},
        .connections = 1,
        .pipeline = 1,
        .lanes = 1,
        .trust_values = true,
    };
}

static struct bench_canned canned_of(uint32_t value_size)
{
    memset(value, 'e', value_size);
    memcpy(value + value_size, "\r\n", 2);
    return (struct bench_canned){value, value_size};
}

/* Puts what was answered behind what is in `flat`, and makes room, as the server does when it sends. */
static size_t flush(size_t used)
{
    const size_t size = bench_canned_close(&out);
    const size_t start = used;

    if (out.piece_count == 0) {
        memcpy(flat + used, out.bytes, size);
        used += size;
    }
    for (size_t i = 0; i < out.piece_count; i++) {
        memcpy(flat + used, out.pieces[i].iov_base, out.pieces[i].iov_len);
        used += out.pieces[i].iov_len;
    }
    assert_int_equal(used - start, size);
    bench_canned_reset(&out);
    return used;
}

static void reset(void)
{
    bench_canned_reset(&out);
    out.bytes = said;
    out.room = sizeof(said);
}

/* Requests go in `step` bytes at a time. */
static struct base_slice answer(const struct bench_canned *canned, size_t size, size_t step)
{
    uint64_t skip = 0;
    size_t used = 0;
    size_t at = 0;
    size_t end = 0;

    reset();
    while (at < size) {
        size_t consumed = 0;

        if (end < size) {
            end = step < size - end ? end + step : size;
        }
        do {
            at += consumed;
            assert_true(bench_canned_answer(canned, (struct base_slice){asked + at, end - at},
                                            &skip, &consumed, &out));
            used = flush(used);
        } while (consumed > 0);
        assert_true(at == size || end < size);
    }
    assert_int_equal(skip, 0);
    return (struct base_slice){flat, used};
}

/* One request of each verb, written and read by the wire. */
static void expect_accepted(enum bench_protocol protocol, uint32_t value_size, bool quiet,
                            size_t step)
{
    const struct bench_wire *wire = bench_wire_of(protocol);
    struct bench_work work = work_of(protocol, value_size);
    const struct bench_canned canned = canned_of(value_size);
    struct bench_request requests[BENCH_VERB_COUNT + 1] = {
        {.verb = BENCH_GET, .key_count = KEYS},
        {.verb = BENCH_SET, .key_count = 1, .numbers = {7}, .quiet = quiet},
        {.verb = BENCH_DELETE, .key_count = 1, .numbers = {8}, .space = BENCH_SPACE_DELETED},
        {.verb = BENCH_INCR, .key_count = 1, .numbers = {9}, .space = BENCH_SPACE_COUNTERS},
        {.verb = BENCH_SET, .key_count = 1, .numbers = {10}},
    };
    static struct bench_outcome outcome;
    struct base_slice answers;
    uint64_t numbers[KEYS];
    size_t size = 0;

    work.noreply = quiet;
    for (size_t i = 0; i < KEYS; i++) {
        numbers[i] = i * 19;
    }
    requests[0].more_numbers = numbers;
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        size += wire->write(&work, &requests[i], asked + size);
    }
    answers = answer(&canned, size, step);
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        size_t consumed;

        memset(&outcome, 0, sizeof(outcome));
        assert_int_equal(wire->read(&work, &requests[i], answers, &consumed, &outcome),
                         BENCH_ANSWER_DONE);
        answers.data += consumed;
        answers.size -= consumed;
        if (i == 0) {
            assert_int_equal(outcome.hits, KEYS);
            assert_int_equal(outcome.value_bytes, (uint64_t)KEYS * value_size);
        }
    }
    assert_int_equal(answers.size, 0);
}

static void the_wires_accept_it(void **state)
{
    static const uint32_t sizes[] = {0, 1, 100, 4096, 4097, 65536};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (int quiet = 0; quiet < 2; quiet++) {
            expect_accepted(BENCH_TEXT, sizes[i], quiet != 0, SIZE_MAX / 2);
            expect_accepted(BENCH_META, sizes[i], quiet != 0, SIZE_MAX / 2);
        }
    }
}

static void requests_come_in_pieces(void **state)
{
    (void)state;
    expect_accepted(BENCH_TEXT, 100, false, 1);
    expect_accepted(BENCH_META, 100, true, 1);
    expect_accepted(BENCH_TEXT, 5000, true, 7);
    expect_accepted(BENCH_META, 5000, false, 701);
}

static void values_are_compared_when_they_are_not_trusted(void **state)
{
    const struct bench_wire *wire = bench_wire_of(BENCH_TEXT);
    struct bench_work work = work_of(BENCH_TEXT, 100);
    const struct bench_canned canned = canned_of(100);
    struct bench_request request = {.verb = BENCH_GET, .key_count = 1, .numbers = {7}};
    static struct bench_outcome outcome;
    size_t consumed;
    struct base_slice answers;

    (void)state;
    answers = answer(&canned, wire->write(&work, &request, asked), SIZE_MAX / 2);
    work.trust_values = false;
    assert_int_equal(wire->read(&work, &request, answers, &consumed, &outcome), BENCH_ANSWER_WRONG);
}

static bool is_refused(const char *text, struct bench_canned canned)
{
    uint64_t skip = 0;
    size_t consumed;

    reset();
    return !bench_canned_answer(&canned, (struct base_slice){text, strlen(text)}, &skip, &consumed,
                                &out);
}

static void what_is_no_request_ends_the_connection(void **state)
{
    const struct bench_canned canned = canned_of(100);
    char *line = malloc(BENCH_CANNED_LINE_MAX + 1);

    (void)state;
    assert_non_null(line);
    assert_true(is_refused("GET / HTTP/1.1\r\n", canned));
    assert_true(is_refused("quit\r\n", canned));
    assert_true(is_refused("set a 1 0 x\r\n", canned));
    assert_true(is_refused("set a 1 0 18446744073709551615\r\n", canned));
    assert_true(is_refused("ms a\r\n", canned));
    assert_true(is_refused("\r\n", canned));
    memset(line, 'a', BENCH_CANNED_LINE_MAX);
    line[BENCH_CANNED_LINE_MAX] = '\0';
    assert_true(is_refused(line, canned));
    memcpy(line, "get ", 4);
    line[BENCH_CANNED_LINE_MAX - 1] = '\n';
    assert_true(is_refused(line, canned)); /* a key of more than 250 bytes */
    for (size_t i = 0; i <= BENCH_CANNED_KEYS_MAX; i++) {
        memcpy(line + 4 + 2 * i, "a ", 2);
    }
    memcpy(line + 4 + (size_t)2 * BENCH_CANNED_KEYS_MAX, "\r\n", 3);
    assert_false(is_refused(line, canned));
    memcpy(line + 4 + (size_t)2 * BENCH_CANNED_KEYS_MAX, "a\r\n", 4);
    assert_true(is_refused(line, canned));
    free(line);
}

static void answers_stay_in_their_room(void **state)
{
    const struct bench_canned canned = canned_of(100);
    const size_t count = 20000;
    uint64_t skip = 0;
    size_t consumed;

    (void)state;
    for (size_t i = 0; i < count; i++) {
        memcpy(asked + 7 * i, "get a\r\n", 7);
    }
    reset();
    out.room = bench_canned_room(&canned) - 1;
    assert_true(bench_canned_answer(&canned, (struct base_slice){asked, 7 * count}, &skip,
                                    &consumed, &out));
    assert_int_equal(consumed, 0);
    out.room = bench_canned_room(&canned) + 1000;
    assert_true(bench_canned_answer(&canned, (struct base_slice){asked, 7 * count}, &skip,
                                    &consumed, &out));
    assert_int_equal(consumed % 7, 0);
    assert_in_range(consumed, 7, 100);
    assert_in_range(out.used, 1001, out.room);
    /* One that has many large values: pieces run out first. */
    reset();
    assert_true(bench_canned_answer(&(struct bench_canned){value, 5000},
                                    (struct base_slice){asked, 7 * count}, &skip, &consumed, &out));
    assert_in_range(consumed, 7, 7 * 100);
    assert_in_range(out.piece_count, 2, BENCH_CANNED_PIECES_MAX - 1);
}

static void keys_are_echoed_once(void **state)
{
    const struct bench_canned canned = canned_of(3);
    struct base_slice answers;

    (void)state;
    memcpy(asked, "mg key k k k Oxy f\r\nmn\r\nversion\r\nstats\r\n", 40);
    answers = answer(&canned, 40, SIZE_MAX / 2);
    assert_int_equal(answers.size, 51);
    assert_memory_equal(answers.data,
                        "VA 3 kkey Oxy f1\r\neee\r\nMN\r\nVERSION 0 (empty)\r\nEND\r\n",
                        answers.size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_wires_accept_it),
        cmocka_unit_test(requests_come_in_pieces),
        cmocka_unit_test(values_are_compared_when_they_are_not_trusted),
        cmocka_unit_test(what_is_no_request_ends_the_connection),
        cmocka_unit_test(answers_stay_in_their_room),
        cmocka_unit_test(keys_are_echoed_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
