/* SPDX-License-Identifier: BSD-3-Clause */
/* Copies past the caches: every byte of every length, wherever it begins, and not one more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/copy.h"

enum { MARGIN = 128, SIZE_MAX_TRIED = 70000, ROOM = SIZE_MAX_TRIED + 2 * MARGIN };

static char from[ROOM], to[ROOM];

static void check(size_t from_offset, size_t to_offset, size_t size)
{
    memset(to, '#', ROOM);
    base_copy_past(to + MARGIN + to_offset, from + from_offset, size);
    assert_memory_equal(to + MARGIN + to_offset, from + from_offset, size);
    for (size_t i = 0; i < MARGIN / 2; i++) {
        assert_int_equal(to[MARGIN + to_offset - 1 - i], '#');
        assert_int_equal(to[MARGIN + to_offset + size + i], '#');
    }
    /* The same without the question how many bytes there are. */
    memset(to, '#', size + 2 * MARGIN);
    base_copy_past_caches(to + MARGIN + to_offset, from + from_offset, size);
    assert_memory_equal(to + MARGIN + to_offset, from + from_offset, size);
    assert_int_equal(to[MARGIN + to_offset - 1], '#');
    assert_int_equal(to[MARGIN + to_offset + size], '#');
}

static void test_lengths(void **state)
{
    (void)state;
    for (size_t size = 0; size < 300; size++) {
        check(0, 0, size);
        check(5, 63, size);
    }
    for (size_t size = BASE_COPY_PAST_MIN - 3; size < BASE_COPY_PAST_MIN + 70; size++) {
        check(3, 1, size);
    }
    check(7, 9, 65536);
    check(0, 0, SIZE_MAX_TRIED);
}

static void test_offsets(void **state)
{
    (void)state;
    for (size_t offset = 0; offset < 64; offset++) {
        check(offset, 0, 1100);
        check(0, offset, 1100);
        check(offset, 63 - offset, 1024 + offset);
    }
}

int main(void)
{
    for (size_t i = 0; i < ROOM; i++) {
        from[i] = (char)(i * 31 + i / 251);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_offsets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
