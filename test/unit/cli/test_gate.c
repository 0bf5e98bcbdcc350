/* SPDX-License-Identifier: BSD-3-Clause */
/* Threads that meet: nobody passes before the last has come, and nobody waits for one that has failed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>

#include "cli/mcbench/gate.h"

enum { THREADS = 4, GATES = 50 };

struct party {
    struct bench_gate gate;
    _Atomic uint32_t arrived[GATES];
    uint32_t fails_at; /* gate; GATES: never */
    _Atomic uint32_t passed_count;
    _Atomic uint32_t was_early; /* passed before all had arrived */
};

static void *walk(void *argument)
{
    struct party *party = argument;

    for (uint32_t i = 0; i < GATES; i++) {
        const bool fails = i == party->fails_at && atomic_load(&party->arrived[i]) == 0;

        atomic_fetch_add(&party->arrived[i], 1);
        if (!bench_gate_pass(&party->gate, !fails)) {
            return NULL;
        }
        if (atomic_load(&party->arrived[i]) != THREADS) {
            atomic_fetch_add(&party->was_early, 1);
        }
        atomic_fetch_add(&party->passed_count, 1);
    }
    return NULL;
}

static void run(struct party *party)
{
    pthread_t threads[THREADS];

    bench_gate_init(&party->gate, THREADS);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, walk, party), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    bench_gate_fini(&party->gate);
}

static void test_all_pass_together(void **state)
{
    static struct party party = {.fails_at = GATES};

    (void)state;
    run(&party);
    assert_int_equal(party.passed_count, THREADS * GATES);
    assert_int_equal(party.was_early, 0);
}

static void test_a_failure_lets_everybody_go(void **state)
{
    static struct party party = {.fails_at = 10};

    (void)state;
    run(&party);
    assert_int_equal(party.passed_count, THREADS * 10);
}

static void test_arriving_without_waiting(void **state)
{
    struct bench_gate gate;
    uint64_t number;

    (void)state;
    bench_gate_init(&gate, 2);
    number = bench_gate_arrive(&gate, true);
    assert_int_equal(bench_gate_look(&gate, number), BENCH_GATE_CLOSED);
    assert_true(bench_gate_pass(&gate, true));
    assert_int_equal(bench_gate_look(&gate, number), BENCH_GATE_OPEN);
    number = bench_gate_arrive(&gate, true);
    assert_false(bench_gate_pass(&gate, false));
    assert_int_equal(bench_gate_look(&gate, number), BENCH_GATE_FAILED);
    assert_int_equal(bench_gate_look(&gate, number - 1), BENCH_GATE_OPEN);
    bench_gate_fini(&gate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_pass_together),
        cmocka_unit_test(test_a_failure_lets_everybody_go),
        cmocka_unit_test(test_arriving_without_waiting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
