/* SPDX-License-Identifier: BSD-3-Clause */
/* Keys as memcached's metadump shows them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

static void test_every_byte(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        const char raw = (char)byte;
        char expected[8];
        char out[3];
        size_t size;

        /* The rule in memcached's words: isalnum() in the C locale, and four more. */
        if (byte != 0 && (isalnum(byte) != 0 || strchr("-._~", byte) != NULL)) {
            (void)snprintf(expected, sizeof(expected), "%c", byte);
        } else {
            (void)snprintf(expected, sizeof(expected), "%%%02X", (unsigned int)byte);
        }
        size = base_text_uri_encode(out, sizeof(out), (struct base_slice){&raw, 1});
        assert_int_equal(size, strlen(expected));
        assert_memory_equal(out, expected, size);
    }
}

static void test_whole_keys(void **state)
{
    static const char expected[] = "user%3A42%2F%C3%A9t%C3%A9%25~";
    char out[64];

    (void)state;
    assert_int_equal(
        base_text_uri_encode(out, sizeof(out), BASE_SLICE("user:42/\xc3\xa9t\xc3\xa9%~")),
        sizeof(expected) - 1);
    assert_memory_equal(out, expected, sizeof(expected) - 1);
    assert_int_equal(base_text_uri_encode(out, sizeof(out), BASE_SLICE("")), 0);
}

static void test_never_writes_past_its_room(void **state)
{
    char out[8];

    (void)state;
    memset(out, '#', sizeof(out));
    assert_int_equal(base_text_uri_encode(out, 0, BASE_SLICE("a")), 0);
    assert_int_equal(base_text_uri_encode(out, 3, BASE_SLICE("a b")), 1);
    assert_memory_equal(out, "a#######", 8);
    assert_int_equal(base_text_uri_encode(out, 4, BASE_SLICE("a bc")), 4);
    assert_memory_equal(out, "a%20####", 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_whole_keys),
        cmocka_unit_test(test_never_writes_past_its_room),
    };

    return cmocka_run_group_tests_name("base/text", tests, NULL, NULL);
}
