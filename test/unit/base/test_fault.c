/* SPDX-License-Identifier: BSD-3-Clause */
/* Failure points fail when told, once, and are told by a call or by the environment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#ifndef LARDER_FAULTS
#define LARDER_FAULTS 1 /* the points themselves, whatever the build has chosen */
#endif
#include <stdlib.h>

#include "aborts.h"
#include "base/fault.h"

static void test_environment(void **state)
{
    (void)state;
    assert_false(BASE_FAULT("from-env"));
    assert_true(BASE_FAULT("from-env"));
    assert_false(BASE_FAULT("from-env"));
    assert_true(BASE_FAULT("other"));
    assert_true(base_fault_pass_count("from-env") == 3);
}

static void test_fails_at_the_nth_pass(void **state)
{
    (void)state;
    assert_false(BASE_FAULT("point"));
    base_fault_set("point", 3);
    assert_true(base_fault_pass_count("point") == 0);
    assert_false(BASE_FAULT("point"));
    assert_false(BASE_FAULT("point"));
    assert_false(BASE_FAULT("poin"));
    assert_true(BASE_FAULT("point"));
    assert_false(BASE_FAULT("point"));
    assert_true(base_fault_pass_count("point") == 4);
}

static void test_zero_turns_off(void **state)
{
    (void)state;
    base_fault_set("off", 1);
    base_fault_set("off", 0);
    for (int i = 0; i < 10; i++) {
        assert_false(BASE_FAULT("off"));
    }
}

static void set_list(const char *list)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread */
    assert_int_equal(setenv("LARDER_FAULTS", list, 1), 0);
}

static void read_broken_list(void)
{
    BASE_FAULT("from-env");
}

static void test_broken_list_is_fatal(void **state)
{
    static const char *const broken[] = {"name", "name:", ":1", "name:x", "name:1,,", "name:1;b:2"};

    (void)state;
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        set_list(broken[i]);
        assert_true(aborts(read_broken_list, "/dev/null"));
    }
    set_list("from-env:2,other:1");
    assert_false(aborts(read_broken_list, "/dev/null"));
}

int main(void)
{
    /* In this order: the list is read once per process, at the first pass. */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_broken_list_is_fatal),
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_fails_at_the_nth_pass),
        cmocka_unit_test(test_zero_turns_off),
    };

    return cmocka_run_group_tests_name("base/fault", tests, NULL, NULL);
}
