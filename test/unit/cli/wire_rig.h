/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the tests of both wires need: workloads, requests, answers put together by other means than
 * the wires', and the walks over an answer: cut at every place, wrong in every byte.
 */
#ifndef LARDER_TEST_WIRE_RIG_H
#define LARDER_TEST_WIRE_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "cli/mcbench/value.h"
#include "cli/mcbench/wire.h"

enum { RIG_ROOM = 1 << 18, RIG_SLACK = 64 };

/* Bytes that are put together piece by piece. */
struct rig_text {
    char data[RIG_ROOM];
    size_t size;
};

BASE_UNUSED static struct bench_work rig_work(enum bench_protocol protocol)
{
    return (struct bench_work){
        .protocol = protocol,
        .shares = {[BENCH_GET] = 1},
        .keys_per_get = 1,
        .keys_per_get_max = BENCH_GET_KEYS_MAX,
        .key_count = 1000000,
        .key_sizes = {BENCH_SIZE_FIXED, 32, 32},
        .value_sizes = {BENCH_SIZE_FIXED, 100, 100},
        .connections = 1,
        .pipeline = 16,
        .lanes = 1,
    };
}

BASE_UNUSED static struct bench_request rig_request(enum bench_verb verb, uint64_t number)
{
    return (struct bench_request){
        .verb = verb,
        .space = verb == BENCH_INCR     ? BENCH_SPACE_COUNTERS
                 : verb == BENCH_DELETE ? BENCH_SPACE_DELETED
                                        : BENCH_SPACE_VALUES,
        .key_count = 1,
        .numbers = {number},
        .version = 99,
    };
}

BASE_UNUSED static struct bench_request rig_many(uint16_t key_count, const uint64_t *numbers)
{
    struct bench_request request = rig_request(BENCH_GET, numbers[0]);

    request.key_count = key_count;
    request.more_numbers = numbers;
    return request;
}

BASE_UNUSED BASE_PRINTF(2, 3) static void rig_add(struct rig_text *text, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    text->size +=
        (size_t)vsnprintf(text->data + text->size, RIG_ROOM - text->size, format, arguments);
    va_end(arguments);
    assert_true(text->size < RIG_ROOM);
}

/* A key's text, with a NUL. */
BASE_UNUSED static const char *rig_key(const struct bench_work *work, enum bench_space space,
                                       uint64_t number)
{
    static char text[BENCH_KEY_SIZE_MAX + 1];

    text[bench_keys_write(work, space, number, text)] = '\0';
    return text;
}

/* A value of that key, in some version, and "\r\n". */
BASE_UNUSED static void rig_add_value(struct rig_text *text, const struct bench_work *work,
                                      uint64_t number)
{
    const uint32_t size = bench_keys_value_size(work, number);

    assert_true(text->size + size < RIG_ROOM);
    bench_value_write(BENCH_SPACE_VALUES, number, 7, text->data + text->size, size);
    text->size += size;
    rig_add(text, "\r\n");
}

BASE_UNUSED static int rig_flags(uint64_t number)
{
    return (int)(1 + number % 8);
}

/* What is asked, as a string. */
/* The largest get, and the largest set, fit into the room that they are said to take, whatever the sizes. */
BASE_UNUSED static void rig_assert_room(struct bench_work *work, bool is_quiet)
{
    const struct bench_wire *wire = bench_wire_of(work->protocol);
    uint64_t numbers[BENCH_GET_KEYS_MAX];

    for (uint64_t i = 0; i < BENCH_GET_KEYS_MAX; i++) {
        numbers[i] = UINT32_MAX - i;
    }
    for (uint32_t value_size = 0; value_size < 100000; value_size = value_size * 10 + 9) {
        for (uint32_t key_size = 16; key_size <= 250; key_size += 117) {
            const struct bench_request get = rig_many(BENCH_GET_KEYS_MAX, numbers);
            struct bench_request set = rig_request(BENCH_SET, UINT32_MAX);
            char *out;
            size_t room;

            work->key_sizes.min = key_size;
            work->value_sizes.min = value_size;
            set.ttl_s = UINT32_MAX;
            set.quiet = is_quiet;
            room = wire->request_size_max(work);
            out = malloc(room);
            assert_non_null(out);
            assert_true(wire->write(work, &get, out) <= room);
            assert_true(wire->write(work, &set, out) <= room);
            free(out);
        }
    }
}

BASE_UNUSED static void rig_assert_written(const struct bench_work *work,
                                           const struct bench_request *request,
                                           const struct rig_text *expected)
{
    const struct bench_wire *wire = bench_wire_of(work->protocol);
    const size_t room = wire->request_size_max(work);
    char *out = malloc(room);
    size_t size;

    assert_non_null(out);
    size = wire->write(work, request, out);
    assert_true(size <= room);
    assert_int_equal(size, expected->size);
    assert_memory_equal(out, expected->data, size);
    free(out);
}

/* Reads a copy that ends where it ends, for the sanitizers. */
BASE_UNUSED static enum bench_answer rig_read(const struct bench_work *work,
                                              struct bench_request *request, const char *data,
                                              size_t size, size_t *ret_consumed,
                                              struct bench_outcome *outcome)
{
    char *copy = malloc(size > 0 ? size : 1);
    enum bench_answer answer;

    assert_non_null(copy);
    memcpy(copy, data, size);
    *ret_consumed = 12345678;
    answer = bench_wire_of(work->protocol)
                 ->read(work, request, (struct base_slice){copy, size}, ret_consumed, outcome);
    if (answer != BENCH_ANSWER_WRONG) {
        assert_true(*ret_consumed <= size);
    }
    free(copy);
    return answer;
}

/* The whole answer at once, with what belongs to the next request behind it. */
BASE_UNUSED static void rig_assert_answer(const struct bench_work *work,
                                          struct bench_request request,
                                          const struct rig_text *answer, enum bench_answer expected,
                                          uint32_t hits, uint32_t misses)
{
    static struct bench_outcome outcome;
    static struct rig_text more;
    size_t consumed;

    outcome = (struct bench_outcome){0};
    more = *answer;
    rig_add(&more, "VALUE");
    assert_int_equal(rig_read(work, &request, more.data, more.size, &consumed, &outcome), expected);
    assert_int_equal(consumed, answer->size);
    assert_int_equal(outcome.hits, hits);
    assert_int_equal(outcome.misses, misses);
}

/* The answer arrives in two parts, cut at every place, and byte by byte. */
BASE_UNUSED static void rig_assert_splits(const struct bench_work *work,
                                          const struct bench_request *request,
                                          const struct rig_text *answer, enum bench_answer expected)
{
    static struct bench_outcome whole, parts;
    struct bench_request copy = *request;
    size_t consumed, first, second;

    whole = (struct bench_outcome){0};
    assert_int_equal(rig_read(work, &copy, answer->data, answer->size, &consumed, &whole),
                     expected);
    assert_int_equal(consumed, answer->size);
    for (size_t cut = 0; cut < answer->size; cut++) {
        copy = *request;
        parts = (struct bench_outcome){0};
        assert_int_equal(rig_read(work, &copy, answer->data, cut, &first, &parts),
                         BENCH_ANSWER_MORE);
        assert_int_equal(
            rig_read(work, &copy, answer->data + first, answer->size - first, &second, &parts),
            expected);
        assert_int_equal(first + second, answer->size);
        assert_int_equal(parts.hits, whole.hits);
        assert_int_equal(parts.misses, whole.misses);
        assert_int_equal(parts.value_bytes, whole.value_bytes);
        assert_memory_equal(parts.missed, whole.missed, whole.misses * sizeof whole.missed[0]);
    }
    copy = *request;
    parts = (struct bench_outcome){0};
    first = 0;
    for (size_t cut = 0; cut < answer->size; cut++) {
        assert_int_equal(rig_read(work, &copy, answer->data + first, cut - first, &second, &parts),
                         BENCH_ANSWER_MORE);
        first += second;
    }
    assert_int_equal(
        rig_read(work, &copy, answer->data + first, answer->size - first, &second, &parts),
        expected);
    assert_int_equal(parts.hits, whole.hits);
    assert_int_equal(parts.misses, whole.misses);
}

/* Every byte of the answer, as every other byte, but for `lenient_size` bytes from lenient_at on. */
BASE_UNUSED static void rig_assert_corruptions(const struct bench_work *work,
                                               const struct bench_request *request,
                                               const struct rig_text *answer, size_t lenient_at,
                                               size_t lenient_size)
{
    static struct bench_outcome outcome;
    static struct rig_text wrong;
    size_t consumed;

    wrong = *answer;
    for (size_t at = 0; at < answer->size; at++) {
        for (int other = 1; other < 256; other++) {
            struct bench_request copy = *request;
            enum bench_answer result;

            if (at - lenient_at < lenient_size && at >= lenient_at) {
                continue;
            }
            wrong.data[at] = (char)(answer->data[at] ^ other);
            outcome.hits = outcome.misses = 0;
            outcome.value_bytes = 0;
            memset(outcome.complaint, 0, sizeof outcome.complaint);
            result = rig_read(work, &copy, wrong.data, wrong.size, &consumed, &outcome);
            if (result != BENCH_ANSWER_WRONG) {
                fail_msg("byte %zu as %02x gives %d, %zu bytes consumed", at,
                         (unsigned char)wrong.data[at], (int)result, consumed);
            }
            assert_non_null(strstr(outcome.complaint, ": expected "));
        }
        wrong.data[at] = answer->data[at];
    }
}

/* An answer of that text has that result, and its complaint holds the words. */
BASE_UNUSED static void rig_assert_complaint(const struct bench_work *work,
                                             struct bench_request request, const char *answer,
                                             enum bench_answer expected, const char *words)
{
    static struct bench_outcome outcome;
    size_t consumed;

    outcome = (struct bench_outcome){0};
    assert_int_equal(rig_read(work, &request, answer, strlen(answer), &consumed, &outcome),
                     expected);
    if (expected == BENCH_ANSWER_REFUSED) {
        assert_int_equal(consumed, strlen(answer));
    }
    if (strstr(outcome.complaint, words) == NULL) {
        fail_msg("'%s' is not in '%s'", words, outcome.complaint);
    }
}

#endif
