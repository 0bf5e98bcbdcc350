/* SPDX-License-Identifier: BSD-3-Clause */
/* The generators give the published sequences, and bounded numbers are spread evenly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "aborts.h"
#include "base/rand.h"

static void test_golden_sequence(void **state)
{
    /* The start of xoshiro256** from the state 1 2 3 4 by the reference code. */
    static const uint64_t expected[] = {
        11520ull,
        0ull,
        1509978240ull,
        1215971899390074240ull,
        1216172134540287360ull,
        607988272756665600ull,
    };
    struct base_rand rand = {{1, 2, 3, 4}};

    (void)state;
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        assert_true(base_rand_u64(&rand) == expected[i]);
    }
}

static void test_seeding(void **state)
{
    /* The start of splitmix64 from 1234567 by the reference code. */
    static const uint64_t expected[4] = {6457827717110365317ull, 3203168211198807973ull,
                                         9817491932198370423ull, 4593380528125082431ull};
    struct base_rand rand;

    (void)state;
    base_rand_init(&rand, 1234567);
    for (size_t i = 0; i < 4; i++) {
        assert_true(rand.state[i] == expected[i]);
    }
}

static void test_below_is_even(void **state)
{
    enum { BOUND = 10, DRAWS = 100000 };
    uint32_t counts[BOUND] = {0};
    struct base_rand rand;

    (void)state;
    base_rand_init(&rand, 7);
    for (int i = 0; i < DRAWS; i++) {
        const uint64_t number = base_rand_below(&rand, BOUND);

        assert_true(number < BOUND);
        counts[number]++;
    }
    for (int i = 0; i < BOUND; i++) {
        /* 10,000 expected, standard deviation 95. */
        assert_in_range(counts[i], 9500, 10500);
    }
}

static void test_below_at_the_borders(void **state)
{
    struct base_rand rand;

    (void)state;
    base_rand_init(&rand, 7);
    for (int i = 0; i < 100; i++) {
        assert_true(base_rand_below(&rand, 1) == 0);
        assert_true(base_rand_below(&rand, 2) < 2);
        assert_true(base_rand_below(&rand, (1ull << 63) + 1) <= 1ull << 63);
        assert_true(base_rand_below(&rand, UINT64_MAX) < UINT64_MAX);
    }
}

static void draw_below_zero(void)
{
    struct base_rand rand;

    base_rand_init(&rand, 7);
    base_rand_below(&rand, 0);
}

static void test_no_number_is_below_zero(void **state)
{
    (void)state;
    assert_true(aborts(draw_below_zero, "/dev/null"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_sequence),         cmocka_unit_test(test_seeding),
        cmocka_unit_test(test_below_is_even),           cmocka_unit_test(test_below_at_the_borders),
        cmocka_unit_test(test_no_number_is_below_zero),
    };

    return cmocka_run_group_tests_name("base/rand", tests, NULL, NULL);
}
