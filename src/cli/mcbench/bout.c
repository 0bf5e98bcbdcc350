/* SPDX-License-Identifier: BSD-3-Clause */
/* One server under a trace, and its size: see bout.h. */
#include "cli/mcbench/bout.h"

#include <errno.h>
#include <stdio.h>

#include "base/check.h"

enum {
    PROBES_MAX = 8,  /* short replays to find a size */
    REPEATS_MAX = 6, /* whole replays that went beyond the target */
    PROBE_STORED =
        3, /* a short replay stores so many times the target: the cache is full, every size class met */
};

static void ask(const struct bench_process *process, struct bench_bout *bout)
{
    const struct {
        const char *name;
        uint64_t *field;
    } rows[] = {
        {"curr_items", &bout->items}, {"bytes", &bout->bytes}, {"evictions", &bout->evictions}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (!bench_process_stat(process, rows[i].name, rows[i].field)) {
            *rows[i].field = 0;
        }
    }
}

static int replay_on(const struct bench_bout_plan *plan, struct bench_process *process,
                     struct bench_bout *bout, char *complaint)
{
    struct bench_replay_plan replay = plan->replay;
    int error = bench_source_rewind(plan->source, complaint);

    if (error != 0) {
        return error;
    }
    replay.address = process->address;
    error = bench_replay_run(&replay, plan->source, &bout->result, complaint);
    if (error != 0) {
        return error;
    }
    ask(process, bout);
    if (process->pid != 0) {
        (void)bench_process_memory(process->pid, &bout->rss_kib, &bout->peak_rss_kib);
    }
    return 0;
}

int bench_bout_run(const struct bench_bout_plan *plan, uint64_t memory_mb,
                   struct bench_bout *ret_bout, char complaint[static BENCH_REPLAY_ERROR_MAX])
{
    struct bench_process process = {0};
    int error = 0;

    *ret_bout = (struct bench_bout){.memory_mb = plan->line == NULL ? 0 : memory_mb};
    if (plan->line == NULL) {
        (void)snprintf(process.address, sizeof(process.address), "%s", plan->replay.address);
        return replay_on(plan, &process, ret_bout, complaint);
    }
    error = bench_process_start(&process, plan->name, plan->line, plan->unix_socket, memory_mb,
                                plan->cpu, complaint);
    if (error != 0) {
        return error;
    }
    (void)snprintf(ret_bout->version, sizeof(ret_bout->version), "%s", process.version);
    error = replay_on(plan, &process, ret_bout, complaint);
    (void)bench_process_stop(&process);
    return error;
}

/* Peak memory of a short replay. */
static int probe(const struct bench_bout_plan *plan, uint64_t memory_mb, uint64_t target_kib,
                 uint64_t *ret_peak_kib, char *complaint)
{
    struct bench_bout_plan brief = *plan;
    struct bench_bout bout;
    int error;

    brief.replay.filled_max = target_kib * 1024 * PROBE_STORED;
    error = bench_bout_run(&brief, memory_mb, &bout, complaint);
    if (error == 0) {
        *ret_peak_kib = bout.peak_rss_kib;
        bench_replay_result_fini(&bout.result);
    }
    return error;
}

/* At least 1, but 0 from there on. */
static uint64_t moved(uint64_t memory_mb, int64_t step)
{
    const int64_t sum = (int64_t)memory_mb + step;

    return sum >= 1 ? (uint64_t)sum : memory_mb > 1 ? 1 : 0;
}

/* The size that comes nearest, or nearest from below. 0 in *ret_memory_mb: none does. */
static int find_size(const struct bench_bout_plan *plan, enum bench_bout_fit fit,
                     uint64_t target_kib, uint64_t *ret_memory_mb, char *complaint)
{
    uint64_t memory_mb = target_kib / 1024;
    uint64_t best_mb = 0;
    uint64_t best_off = UINT64_MAX;

    for (uint32_t i = 0; i < PROBES_MAX && memory_mb > 0; i++) {
        uint64_t peak_kib = 0;
        int64_t off; /* KiB above the target */
        int64_t step;
        const int error = probe(plan, memory_mb, target_kib, &peak_kib, complaint);

        if (error != 0) {
            return error;
        }
        off = (int64_t)peak_kib - (int64_t)target_kib;
        if ((off <= 0 || fit == BENCH_BOUT_NEAREST) &&
            (uint64_t)(off < 0 ? -off : off) < best_off) {
            best_off = (uint64_t)(off < 0 ? -off : off);
            best_mb = memory_mb;
        }
        /* A MiB more is a MiB more, nearly: rounded towards less, then a step at a time. */
        step = off > 0 ? -((off + 1023) / 1024) : -off / 1024;
        if (step == 0 || (best_mb != 0 && best_mb != memory_mb)) {
            break;
        }
        memory_mb = moved(memory_mb, step);
    }
    *ret_memory_mb = best_mb;
    return 0;
}

int bench_bout_fit(const struct bench_bout_plan *plan, enum bench_bout_fit fit, uint64_t target_kib,
                   struct bench_bout *ret_bout, char complaint[static BENCH_REPLAY_ERROR_MAX])
{
    uint64_t memory_mb = 0;
    int error = find_size(plan, fit, target_kib, &memory_mb, complaint);

    CHECK(plan->line != NULL);
    for (uint32_t i = 0; error == 0 && memory_mb > 0 && i < REPEATS_MAX; i++) {
        error = bench_bout_run(plan, memory_mb, ret_bout, complaint);
        if (error != 0 || fit == BENCH_BOUT_NEAREST || ret_bout->peak_rss_kib <= target_kib) {
            return error;
        }
        bench_replay_result_fini(&ret_bout->result);
        memory_mb =
            moved(memory_mb, -(int64_t)((ret_bout->peak_rss_kib - target_kib + 1023) / 1024));
    }
    if (error == 0) {
        (void)snprintf(complaint, BENCH_REPLAY_ERROR_MAX,
                       "%s cannot do with %llu KiB of resident memory; --tenants makes the working "
                       "set, and so its share, larger",
                       plan->name, (unsigned long long)target_kib);
        error = -ERANGE;
    }
    return error;
}
