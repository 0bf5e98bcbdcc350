/* SPDX-License-Identifier: BSD-3-Clause */
/* Where threads meet: see gate.h. */
#include "cli/mcbench/gate.h"

#include "base/check.h"

void bench_gate_init(struct bench_gate *gate, uint32_t party_count)
{
    *gate = (struct bench_gate){.party_count = party_count};
    CHECK(pthread_mutex_init(&gate->lock, NULL) == 0);
    CHECK(pthread_cond_init(&gate->opened, NULL) == 0);
}

void bench_gate_fini(struct bench_gate *gate)
{
    CHECK(pthread_cond_destroy(&gate->opened) == 0);
    CHECK(pthread_mutex_destroy(&gate->lock) == 0);
}

/* lock is held. */
static uint64_t arrive(struct bench_gate *gate, bool is_well)
{
    const uint64_t number = gate->opened_count;

    gate->has_failed = gate->has_failed || !is_well;
    gate->arrived_count++;
    if (gate->arrived_count == gate->party_count && !gate->has_failed) {
        gate->arrived_count = 0;
        gate->opened_count++;
    }
    if (gate->has_failed || gate->opened_count != number) {
        CHECK(pthread_cond_broadcast(&gate->opened) == 0);
    }
    return number;
}

/* lock is held. A gate that everybody has reached is open even when somebody fails behind it. */
static enum bench_gate_state look(const struct bench_gate *gate, uint64_t number)
{
    if (gate->opened_count > number) {
        return BENCH_GATE_OPEN;
    }
    return gate->has_failed ? BENCH_GATE_FAILED : BENCH_GATE_CLOSED;
}

bool bench_gate_pass(struct bench_gate *gate, bool is_well)
{
    enum bench_gate_state state;
    uint64_t number;

    CHECK(pthread_mutex_lock(&gate->lock) == 0);
    number = arrive(gate, is_well);
    while ((state = look(gate, number)) == BENCH_GATE_CLOSED) {
        CHECK(pthread_cond_wait(&gate->opened, &gate->lock) == 0);
    }
    CHECK(pthread_mutex_unlock(&gate->lock) == 0);
    return state == BENCH_GATE_OPEN;
}

uint64_t bench_gate_arrive(struct bench_gate *gate, bool is_well)
{
    uint64_t number;

    CHECK(pthread_mutex_lock(&gate->lock) == 0);
    number = arrive(gate, is_well);
    CHECK(pthread_mutex_unlock(&gate->lock) == 0);
    return number;
}

enum bench_gate_state bench_gate_look(struct bench_gate *gate, uint64_t number)
{
    enum bench_gate_state state;

    CHECK(pthread_mutex_lock(&gate->lock) == 0);
    state = look(gate, number);
    CHECK(pthread_mutex_unlock(&gate->lock) == 0);
    return state;
}
