/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the threads of a run meet: everybody has connected, everybody has stored its keys, everybody may start.
 *
 * One gate after the other; each opens when all parties have arrived. Waiting sleeps; nothing is measured meanwhile.
 */
#ifndef LARDER_MCBENCH_GATE_H
#define LARDER_MCBENCH_GATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct bench_gate {
    pthread_mutex_t lock;
    pthread_cond_t opened;
    uint32_t party_count;   /* threads that meet */
    uint32_t arrived_count; /* at the gate that is closed */
    uint64_t opened_count;  /* gates that are open */
    bool has_failed;        /* somebody has: no further gate opens */
};

enum bench_gate_state { BENCH_GATE_CLOSED, BENCH_GATE_OPEN, BENCH_GATE_FAILED };

void bench_gate_init(struct bench_gate *gate, uint32_t party_count);
void bench_gate_fini(struct bench_gate *gate);

/* Waits for all the others. False, and without waiting, when somebody, be it the caller, has come with is_well false. */
bool bench_gate_pass(struct bench_gate *gate, bool is_well);

/* The same in two steps, for who has something else to do meanwhile: the gate's number, and how it is. */
uint64_t bench_gate_arrive(struct bench_gate *gate, bool is_well);
enum bench_gate_state bench_gate_look(struct bench_gate *gate, uint64_t number);

#endif
