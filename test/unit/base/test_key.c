/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Keys of every size up to a few times 16, compared and copied: each byte counts, none beyond the
 * size is looked at or written. Allocated as long as they are, for the sanitizers to look on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/key.h"

enum { SIZE_MAX_TESTED = 70 };

static char *make(size_t size)
{
    char *bytes = malloc(size + (size == 0 ? 1 : 0));

    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (char)(i * 37 + 200);
    }
    return bytes;
}

static void every_byte_is_compared(void **state)
{
    (void)state;
    for (size_t size = 0; size <= SIZE_MAX_TESTED; size++) {
        char *a = make(size);
        char *b = make(size);

        assert_true(base_key_equal(a, b, size));
        for (size_t i = 0; i < size; i++) {
            b[i] = (char)(b[i] ^ (1 << i % 8));
            assert_false(base_key_equal(a, b, size));
            b[i] = a[i];
        }
        free(a);
        free(b);
    }
}

static void every_byte_is_copied(void **state)
{
    (void)state;
    for (size_t size = 0; size <= SIZE_MAX_TESTED; size++) {
        char *from = make(size);
        char to[SIZE_MAX_TESTED + 2];

        memset(to, '#', sizeof(to));
        assert_ptr_equal(base_key_copy(to + 1, from, size), to + 1 + size);
        assert_memory_equal(to + 1, from, size);
        assert_int_equal(to[0], '#');
        for (size_t i = size + 1; i < sizeof(to); i++) {
            assert_int_equal(to[i], '#');
        }
        free(from);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_is_compared),
        cmocka_unit_test(every_byte_is_copied),
    };

    return cmocka_run_group_tests_name("base-key", tests, NULL, NULL);
}
