/* SPDX-License-Identifier: BSD-3-Clause */
/* Each format of traces: what it says, wherever it is cut, and what it refuses, with the place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "cli/mcbench/trace.h"

enum { REQUESTS_MAX = 64 };

struct parsed {
    uint32_t count;
    struct bench_trace_request requests[REQUESTS_MAX];
    enum bench_trace_result result; /* the last */
    char complaint[BENCH_TRACE_ERROR_MAX];
};

/* All of `input`, of which `step` bytes more are seen each time the parser wants more. */
static void parse(enum bench_trace_format format, struct base_slice input, size_t step,
                  struct parsed *ret)
{
    struct bench_trace_parser parser;
    size_t begin = 0;
    size_t end = 0;

    *ret = (struct parsed){0};
    bench_trace_init(&parser, format);
    for (;;) {
        const struct base_slice seen = {input.data + begin, end - begin};
        size_t consumed = 0;

        ret->result = bench_trace_parse(&parser, seen, end == input.size, &consumed,
                                        &ret->requests[ret->count], ret->complaint);
        if (ret->result == BENCH_TRACE_MORE) {
            assert_true(end < input.size);
            end = input.size - end < step ? input.size : end + step;
            continue;
        }
        if (ret->result != BENCH_TRACE_DONE) {
            return;
        }
        begin += consumed;
        assert_true(begin <= end);
        ret->count++;
        assert_int_equal(parser.offset, begin);
        assert_true(ret->count < REQUESTS_MAX);
    }
}

static void parse_text(enum bench_trace_format format, const char *text, struct parsed *ret)
{
    parse(format, (struct base_slice){text, strlen(text)}, SIZE_MAX / 2, ret);
}

static void expect_numbers(const struct parsed *parsed, uint32_t count, const uint64_t *numbers)
{
    assert_int_equal(parsed->result, BENCH_TRACE_END);
    assert_int_equal(parsed->count, count);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(parsed->requests[i].number, numbers[i]);
        assert_int_equal(parsed->requests[i].op, BENCH_TRACE_READ);
        assert_int_equal(parsed->requests[i].key.size, 0);
        assert_false(parsed->requests[i].has_sizes);
    }
}

static void test_ids_are_big_endian_and_may_be_cut_anywhere(void **state)
{
    static const char bytes[] = "\x00\x00\x00\x01\xff\xfe\xfd\xfc\x01\x02\x03\x04\x05\x06\x07\x08";
    const struct base_slice input = {bytes, 16};
    struct parsed parsed;

    (void)state;
    for (size_t step = 1; step <= 16; step++) {
        parse(BENCH_TRACE_ID32, input, step, &parsed);
        expect_numbers(&parsed, 4, (const uint64_t[]){1, 0xfffefdfc, 0x01020304, 0x05060708});
        parse(BENCH_TRACE_ID64, input, step, &parsed);
        expect_numbers(&parsed, 2, (const uint64_t[]){0x1fffefdfc, 0x0102030405060708});
    }
}

static void test_an_id_that_is_cut_off_is_an_error_with_its_offset(void **state)
{
    struct parsed parsed;

    (void)state;
    parse(BENCH_TRACE_ID32, (struct base_slice){"\0\0\0\1\0\0", 6}, 6, &parsed);
    assert_int_equal(parsed.result, BENCH_TRACE_BAD);
    assert_int_equal(parsed.count, 1);
    assert_string_equal(parsed.complaint, "offset 4: ends within a number of 4 bytes");
    parse(BENCH_TRACE_ID64, (struct base_slice){"\0\0\0\1\0\0\0", 7}, 7, &parsed);
    assert_int_equal(parsed.result, BENCH_TRACE_BAD);
    parse(BENCH_TRACE_ID64, (struct base_slice){"", 0}, 1, &parsed);
    assert_int_equal(parsed.result, BENCH_TRACE_END);
}

static void test_extents_are_blocks_one_by_one(void **state)
{
    static const char lines[] = "5 3 0 1\n18446744073709551600 1\r\n  7\t2 x y";
    struct parsed parsed;

    (void)state;
    for (size_t step = 1; step <= sizeof(lines); step++) {
        parse(BENCH_TRACE_EXTENTS, (struct base_slice){lines, sizeof(lines) - 1}, step, &parsed);
        expect_numbers(&parsed, 6, (const uint64_t[]){5, 6, 7, 18446744073709551600u, 7, 8});
    }
}

static void test_wrong_extents_name_their_line(void **state)
{
    struct parsed parsed;

    (void)state;
    parse_text(BENCH_TRACE_EXTENTS, "5 1\n6\n", &parsed);
    assert_int_equal(parsed.count, 1);
    assert_string_equal(parsed.complaint,
                        "line 2: does not begin with two numbers, first block and count");
    parse_text(BENCH_TRACE_EXTENTS, "5 1\n\n5 1\n", &parsed);
    assert_int_equal(parsed.result, BENCH_TRACE_BAD);
    parse_text(BENCH_TRACE_EXTENTS, "5 0\n", &parsed);
    assert_string_equal(parsed.complaint, "line 1: 0 blocks; 1..16777216 are possible");
    parse_text(BENCH_TRACE_EXTENTS, "5 16777217\n", &parsed);
    assert_int_equal(parsed.result, BENCH_TRACE_BAD);
    parse_text(BENCH_TRACE_EXTENTS, "18446744073709551615 2\n", &parsed);
    assert_int_equal(parsed.result, BENCH_TRACE_BAD);
    parse_text(BENCH_TRACE_EXTENTS, "-5 2\n", &parsed);
    assert_int_equal(parsed.result, BENCH_TRACE_BAD);
}

static void test_keys_are_lines(void **state)
{
    struct parsed parsed;

    (void)state;
    parse_text(BENCH_TRACE_KEYS, "one\ntwo\r\none", &parsed);
    assert_int_equal(parsed.result, BENCH_TRACE_END);
    assert_int_equal(parsed.count, 3);
    assert_memory_equal(parsed.requests[1].key.data, "two", 3);
    assert_int_equal(parsed.requests[1].key.size, 3);
    assert_int_equal(parsed.requests[0].number, parsed.requests[2].number);
    assert_int_equal(parsed.requests[0].number, base_hash_key(BASE_SLICE("one")));
    parse_text(BENCH_TRACE_KEYS, "one\n\ntwo\n", &parsed);
    assert_string_equal(parsed.complaint, "line 2: a key of 0 bytes; 1..250 are possible");
    parse_text(BENCH_TRACE_KEYS, "one\ntw o\n", &parsed);
    assert_string_equal(parsed.complaint, "line 2: byte 0x20 in a key");
}

static void test_twitter_lines(void **state)
{
    static const char lines[] = "0,nz:eeW511W3dz3,19,3000,1,get,0\n"
                                "17,a,b,,4,0,2,set,3600\r\n"
                                "18,k,1,7,2,add,1\n18,k,1,7,2,incr,1\n18,k,1,7,2,delete,0";
    static const enum bench_trace_op ops[] = {BENCH_TRACE_READ, BENCH_TRACE_WRITE, BENCH_TRACE_ADD,
                                              BENCH_TRACE_CHANGE, BENCH_TRACE_DELETE};
    struct parsed parsed;

    (void)state;
    for (size_t step = 1; step <= sizeof(lines); step += 7) {
        parse(BENCH_TRACE_TWITTER, (struct base_slice){lines, sizeof(lines) - 1}, step, &parsed);
        assert_int_equal(parsed.result, BENCH_TRACE_END);
        assert_int_equal(parsed.count, 5);
        for (uint32_t i = 0; i < 5; i++) {
            assert_int_equal(parsed.requests[i].op, ops[i]);
            assert_true(parsed.requests[i].has_sizes);
        }
        assert_true(base_slice_equal(parsed.requests[0].key, BASE_SLICE("nz:eeW511W3dz3")));
        assert_int_equal(parsed.requests[0].key_size, 19);
        assert_int_equal(parsed.requests[0].value_size, 3000);
        assert_true(base_slice_equal(parsed.requests[1].key, BASE_SLICE("a,b,")));
        assert_int_equal(parsed.requests[1].time_s, 17);
        assert_int_equal(parsed.requests[1].ttl_s, 3600);
    }
}

static void test_wrong_twitter_lines_name_their_line(void **state)
{
    static const struct {
        const char *line;
        const char *complaint;
    } wrong[] = {
        {"0,k,1,2,3,get", "line 2: not time,key,key size,value size,client,operation,TTL"},
        {"", "line 2: not time,key,key size,value size,client,operation,TTL"},
        {",,,,,,", "line 2: time, key size, value size or TTL is not a number"},
        {"0,k,1,-2,3,get,0", "line 2: time, key size, value size or TTL is not a number"},
        {"0,k,1,2,3,get,4294967296", "line 2: time, key size, value size or TTL is not a number"},
        {"0,k,1,2,3,steal,0", "line 2: unknown operation 'steal'"},
        {"0,,1,2,3,get,0", "line 2: a key of 0 bytes; 1..250 are possible"},
        {"0,k\tk,1,2,3,get,0", "line 2: byte 0x09 in a key"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char text[256];
        struct parsed parsed;

        (void)snprintf(text, sizeof(text), "0,k,1,2,3,get,0\n%s\n0,k,1,2,3,get,0\n", wrong[i].line);
        parse_text(BENCH_TRACE_TWITTER, text, &parsed);
        assert_int_equal(parsed.result, BENCH_TRACE_BAD);
        assert_int_equal(parsed.count, 1);
        assert_string_equal(parsed.complaint, wrong[i].complaint);
    }
}

static void test_a_line_without_end_is_an_error(void **state)
{
    static char text[BENCH_TRACE_LINE_MAX + 1];
    struct parsed parsed;

    (void)state;
    memset(text, 'k', sizeof(text));
    parse(BENCH_TRACE_KEYS, (struct base_slice){text, sizeof(text)}, 1000, &parsed);
    assert_int_equal(parsed.result, BENCH_TRACE_BAD);
    assert_string_equal(parsed.complaint, "line 1: longer than 4096 bytes");
}

static void test_formats_have_names(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < BENCH_TRACE_FORMATS; i++) {
        const char *name = bench_trace_format_name((enum bench_trace_format)i);
        enum bench_trace_format found = BENCH_TRACE_FORMATS;

        assert_true(bench_trace_find_format((struct base_slice){name, strlen(name)}, &found));
        assert_int_equal(found, i);
    }
    assert_false(bench_trace_find_format(BASE_SLICE("id"), &(enum bench_trace_format){0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids_are_big_endian_and_may_be_cut_anywhere),
        cmocka_unit_test(test_an_id_that_is_cut_off_is_an_error_with_its_offset),
        cmocka_unit_test(test_extents_are_blocks_one_by_one),
        cmocka_unit_test(test_wrong_extents_name_their_line),
        cmocka_unit_test(test_keys_are_lines),
        cmocka_unit_test(test_twitter_lines),
        cmocka_unit_test(test_wrong_twitter_lines_name_their_line),
        cmocka_unit_test(test_a_line_without_end_is_an_error),
        cmocka_unit_test(test_formats_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
