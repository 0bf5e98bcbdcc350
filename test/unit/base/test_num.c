/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers at the borders of their types, what is no number, and the way there and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/rand.h"

static struct base_slice slice(const char *text)
{
    return (struct base_slice){text, strlen(text)};
}

/* What no function may take. */
static const char *const broken[] = {
    "",
    "-",
    "--1",
    "+1",
    " 1",
    "1 ",
    "a",
    "1a",
    "0x10",
    "1.0",
    "\t",
    "1\r",
    "/1",
    "1:",
    "\xb1",
    "1-",
    "- 1",
    "99999999999999999999999999999999",
    "-99999999999999999999999999999999",
};

static void test_broken_text_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        uint32_t u32 = 7;
        uint64_t u64 = 7;
        int32_t i32 = 7;
        int64_t i64 = 7;
        uint64_t size = 7;

        assert_false(base_num_parse_u32(slice(broken[i]), &u32));
        assert_false(base_num_parse_u64(slice(broken[i]), &u64));
        assert_false(base_num_parse_i32(slice(broken[i]), &i32));
        assert_false(base_num_parse_i64(slice(broken[i]), &i64));
        assert_false(base_num_parse_size(slice(broken[i]), &size));
        assert_true(u32 == 7 && u64 == 7 && i32 == 7 && i64 == 7 && size == 7);
    }
    /* A NUL is a byte like any other. */
    assert_false(base_num_parse_u64(BASE_SLICE("1\0"), &(uint64_t){0}));
}

static void test_u64_range(void **state)
{
    uint64_t value = 0;

    (void)state;
    assert_true(base_num_parse_u64(slice("0"), &value));
    assert_true(value == 0);
    assert_true(base_num_parse_u64(slice("9999999999999999999"), &value));
    assert_true(value == 9999999999999999999ull);
    assert_true(base_num_parse_u64(slice("18446744073709551615"), &value));
    assert_true(value == UINT64_MAX);
    assert_true(base_num_parse_u64(slice("0000000000000000000000000000042"), &value));
    assert_true(value == 42);
    assert_false(base_num_parse_u64(slice("18446744073709551616"), &value));
    assert_false(base_num_parse_u64(slice("18446744073709551620"), &value));
    assert_false(base_num_parse_u64(slice("-0"), &value));
    assert_true(value == 42);
}

static void test_u32_range(void **state)
{
    uint32_t value = 0;

    (void)state;
    assert_true(base_num_parse_u32(slice("4294967295"), &value));
    assert_true(value == UINT32_MAX);
    assert_false(base_num_parse_u32(slice("4294967296"), &value));
    assert_false(base_num_parse_u32(slice("18446744073709551615"), &value));
    assert_false(base_num_parse_u32(slice("-1"), &value));
    assert_true(value == UINT32_MAX);
}

static void test_signed_range(void **state)
{
    int64_t i64 = 0;
    int32_t i32 = 0;

    (void)state;
    assert_true(base_num_parse_i64(slice("9223372036854775807"), &i64));
    assert_true(i64 == INT64_MAX);
    assert_true(base_num_parse_i64(slice("-9223372036854775808"), &i64));
    assert_true(i64 == INT64_MIN);
    assert_false(base_num_parse_i64(slice("9223372036854775808"), &i64));
    assert_false(base_num_parse_i64(slice("-9223372036854775809"), &i64));
    assert_true(base_num_parse_i64(slice("-0"), &i64));
    assert_true(i64 == 0);
    assert_true(base_num_parse_i32(slice("2147483647"), &i32));
    assert_true(i32 == INT32_MAX);
    assert_true(base_num_parse_i32(slice("-2147483648"), &i32));
    assert_true(i32 == INT32_MIN);
    assert_false(base_num_parse_i32(slice("2147483648"), &i32));
    assert_false(base_num_parse_i32(slice("-2147483649"), &i32));
}

static void test_sizes(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {
        {"0", 0},           {"1048576", 1048576},  {"1k", 1024},
        {"512K", 524288},   {"1m", 1048576},       {"64M", 67108864},
        {"2g", 2147483648}, {"3T", 3298534883328}, {"16777215t", 18446742974197923840ull},
    };
    static const char *const bad[] = {"k", "1kb", "1 k", "-1k", "1kk", "16777216t", "k1"};

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        uint64_t bytes = 1;

        assert_true(base_num_parse_size(slice(good[i].text), &bytes));
        assert_true(bytes == good[i].bytes);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint64_t bytes;

        assert_false(base_num_parse_size(slice(bad[i]), &bytes));
    }
}

/* Writes the number beside printf()'s opinion, and reads it again. */
static void assert_written(uint64_t value)
{
    char expected[32];
    char written[BASE_NUM_TEXT_MAX + 1];
    int64_t read_signed = 0;
    uint64_t read = 0;
    size_t size;

    memset(written, '#', sizeof(written));
    size = base_num_write_u64(written, value);
    (void)snprintf(expected, sizeof(expected), "%" PRIu64, value);
    assert_int_equal(size, strlen(expected));
    assert_memory_equal(written, expected, size);
    assert_int_equal(written[size], '#');
    assert_true(base_num_parse_u64((struct base_slice){written, size}, &read));
    assert_true(read == value);

    memset(written, '#', sizeof(written));
    size = base_num_write_i64(written, (int64_t)value);
    (void)snprintf(expected, sizeof(expected), "%" PRId64, (int64_t)value);
    assert_int_equal(size, strlen(expected));
    assert_memory_equal(written, expected, size);
    assert_int_equal(written[size], '#');
    assert_true(base_num_parse_i64((struct base_slice){written, size}, &read_signed));
    assert_true(read_signed == (int64_t)value);
}

static void test_writing(void **state)
{
    struct base_rand rand;
    uint64_t power = 1;

    (void)state;
    for (uint64_t value = 0; value < 12000; value++) {
        assert_written(value);
    }
    for (int digits = 1; digits <= 20; digits++) {
        assert_written(power - 1);
        assert_written(power);
        assert_written(0 - power);
        power *= 10;
    }
    assert_written(UINT64_MAX);
    assert_written((uint64_t)INT64_MIN);
    base_rand_init(&rand, 1);
    for (int i = 0; i < 20000; i++) {
        assert_written(base_rand_u64(&rand) >> base_rand_below(&rand, 64));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_broken_text_is_refused),
        cmocka_unit_test(test_u64_range),
        cmocka_unit_test(test_u32_range),
        cmocka_unit_test(test_signed_range),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_writing),
    };

    return cmocka_run_group_tests_name("base/num", tests, NULL, NULL);
}
