/* SPDX-License-Identifier: BSD-3-Clause */
/* Values: every wrong byte is seen, at every place, in values of every size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/mcbench/value.h"

enum { SIZE_MAX_TESTED = 300, NUMBER = 123456, LARGE_SIZE = 65541 };

static enum bench_verdict check(const char *data, size_t size, uint64_t *ret_version)
{
    return bench_value_check(BENCH_SPACE_VALUES, NUMBER, (uint32_t)size,
                             (struct base_slice){data, size}, ret_version);
}

/* In memory that ends where the value does, for the sanitizers. */
static char *write_value(uint64_t version, uint32_t size)
{
    char *data = malloc(size > 0 ? size : 1);

    assert_non_null(data);
    bench_value_write(BENCH_SPACE_VALUES, NUMBER, version, data, size);
    return data;
}

static void test_what_is_written_is_right(void **state)
{
    (void)state;
    for (uint32_t size = 0; size <= SIZE_MAX_TESTED; size++) {
        char *data = write_value(77, size);
        uint64_t version = 5;

        assert_int_equal(check(data, size, &version), BENCH_VALUE_RIGHT);
        assert_int_equal(version, size < BENCH_VALUE_HEAD_SIZE ? 0 : 77);
        free(data);
    }
}

static void test_every_wrong_byte(void **state)
{
    (void)state;
    for (uint32_t size = 1; size <= SIZE_MAX_TESTED; size++) {
        char *data = write_value(77, size);
        uint64_t version = 5;

        for (uint32_t at = 0; at < size; at++) {
            for (uint32_t bit = 0; bit < 8; bit++) {
                data[at] = (char)(data[at] ^ 1 << bit);
                assert_int_not_equal(check(data, size, &version), BENCH_VALUE_RIGHT);
                data[at] = (char)(data[at] ^ 1 << bit);
            }
        }
        assert_int_equal(version, 5);
        free(data);
    }
}

static void test_every_wrong_byte_of_a_large_value(void **state)
{
    char *data = write_value(77, LARGE_SIZE);
    uint64_t version;

    (void)state;
    assert_int_equal(check(data, LARGE_SIZE, &version), BENCH_VALUE_RIGHT);
    for (uint32_t at = 0; at < LARGE_SIZE; at += at < 100 || at > LARGE_SIZE - 100 ? 1 : 61) {
        data[at] = (char)(data[at] ^ 0x10);
        assert_int_not_equal(check(data, LARGE_SIZE, &version), BENCH_VALUE_RIGHT);
        data[at] = (char)(data[at] ^ 0x10);
    }
    free(data);
}

static void test_verdicts(void **state)
{
    char *data = write_value(77, 100);
    uint64_t version = 5;

    (void)state;
    assert_int_equal(
        bench_value_check(BENCH_SPACE_VALUES, NUMBER, 99, (struct base_slice){data, 100}, &version),
        BENCH_VALUE_WRONG_SIZE);
    assert_int_equal(bench_value_check(BENCH_SPACE_VALUES, NUMBER + 1, 100,
                                       (struct base_slice){data, 100}, &version),
                     BENCH_VALUE_OTHER_KEY);
    assert_int_equal(bench_value_check(BENCH_SPACE_PROBES, NUMBER, 100,
                                       (struct base_slice){data, 100}, &version),
                     BENCH_VALUE_OTHER_KEY);
    /* The head of another size. */
    assert_int_equal(
        bench_value_check(BENCH_SPACE_VALUES, NUMBER, 99, (struct base_slice){data, 99}, &version),
        BENCH_VALUE_BAD_CHECKSUM);
    data[8] ^= 1;
    assert_int_equal(check(data, 100, &version), BENCH_VALUE_BAD_CHECKSUM);
    data[8] ^= 1;
    data[16] ^= 1;
    assert_int_equal(check(data, 100, &version), BENCH_VALUE_BAD_CHECKSUM);
    data[16] ^= 1;
    data[99] ^= 1;
    assert_int_equal(check(data, 100, &version), BENCH_VALUE_BAD_BODY);
    assert_int_equal(version, 5);
    for (int a = BENCH_VALUE_RIGHT; a <= BENCH_VALUE_BAD_BODY; a++) {
        for (int b = BENCH_VALUE_RIGHT; b < a; b++) {
            assert_string_not_equal(bench_value_verdict_text((enum bench_verdict)a),
                                    bench_value_verdict_text((enum bench_verdict)b));
        }
    }
    free(data);
}

/* A value that is half of one version and half of another is wrong, wherever it is torn. */
static void test_torn_values(void **state)
{
    char *old = write_value(1, 100);
    char *new = write_value(2, 100);
    uint64_t version;

    (void)state;
    for (uint32_t at = 9; at < 100; at++) {
        char torn[100];

        memcpy(torn, new, at);
        memcpy(torn + at, old + at, 100 - at);
        assert_int_not_equal(check(torn, 100, &version), BENCH_VALUE_RIGHT);
        memcpy(torn, old, at);
        memcpy(torn + at, new + at, 100 - at);
        assert_int_not_equal(check(torn, 100, &version), BENCH_VALUE_RIGHT);
    }
    free(old);
    free(new);
}

/* No word of a value is found at the same place in one of another version, or twice in one. */
static void test_words_differ(void **state)
{
    char *a = write_value(1, 1024);
    char *b = write_value(2, 1024);

    (void)state;
    for (size_t i = 8; i < 1024; i += 8) {
        assert_memory_not_equal(a + i, b + i, 8);
        for (size_t j = 8; j < i; j += 8) {
            assert_memory_not_equal(a + i, a + j, 8);
        }
    }
    free(a);
    free(b);
}

static void test_short_values_of_others(void **state)
{
    (void)state;
    for (uint32_t size = 8; size < BENCH_VALUE_HEAD_SIZE; size++) {
        char *data = write_value(77, size);
        uint64_t version;

        assert_int_equal(bench_value_check(BENCH_SPACE_VALUES, NUMBER + 1, size,
                                           (struct base_slice){data, size}, &version),
                         BENCH_VALUE_BAD_BODY);
        assert_int_equal(bench_value_check(BENCH_SPACE_VALUES, NUMBER, size - 1,
                                           (struct base_slice){data, size - 1}, &version),
                         BENCH_VALUE_BAD_BODY);
        free(data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_written_is_right),
        cmocka_unit_test(test_every_wrong_byte),
        cmocka_unit_test(test_every_wrong_byte_of_a_large_value),
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_torn_values),
        cmocka_unit_test(test_words_differ),
        cmocka_unit_test(test_short_values_of_others),
    };

    return cmocka_run_group_tests_name("mcbench/value", tests, NULL, NULL);
}
