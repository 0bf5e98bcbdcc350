/* SPDX-License-Identifier: BSD-3-Clause */
/* A broken rule ends the process and is named; a kept one does nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "aborts.h"
#include "base/check.h"

enum { MAGIC = 0x11223344 };

struct thing {
    uint32_t magic;
};

static const char error_file[] = "check-error.txt";

static void break_rule(void)
{
    CHECK(1 + 1 == 3);
}

static void reach_never(void)
{
    NEVER("two suns");
}

static void use_wrong_object(void)
{
    struct thing thing = {MAGIC + 1};

    CHECK_OBJ(&thing, MAGIC);
}

static void use_no_object(void)
{
    struct thing *thing = NULL;

    CHECK_OBJ(thing, MAGIC);
}

static void assert_said(const char *text)
{
    char said[512] = "";
    FILE *file = fopen(error_file, "r");

    assert_non_null(file);
    assert_true(fread(said, 1, sizeof(said) - 1, file) > 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(remove(error_file), 0);
    assert_non_null(strstr(said, text));
    assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
}

static void test_kept_rules_pass(void **state)
{
    struct thing thing = {MAGIC};

    (void)state;
    CHECK(thing.magic == MAGIC);
    CHECK_OBJ(&thing, MAGIC);
}

static void test_broken_rules_abort(void **state)
{
    (void)state;
    assert_true(aborts(break_rule, error_file));
    assert_said("check failed: 1 + 1 == 3, in break_rule() at ");
    assert_true(aborts(reach_never, error_file));
    assert_said("never: two suns");
    assert_true(aborts(use_wrong_object, error_file));
    assert_said("in use_wrong_object()");
    assert_true(aborts(use_no_object, error_file));
    assert_said("in use_no_object()");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kept_rules_pass),
        cmocka_unit_test(test_broken_rules_abort),
    };

    return cmocka_run_group_tests_name("base/check", tests, NULL, NULL);
}
