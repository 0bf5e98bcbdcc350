/* SPDX-License-Identifier: BSD-3-Clause */
/* One run: see run.h. Starts the lanes, watches, and adds up. */
#include "cli/mcbench/run.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "cli/mcbench/judge.h"
#include "cli/mcbench/lane.h"
#include "cli/mcbench/process.h"
#include "cli/mcbench/progress.h"

enum {
    LANES_MAX = 1024,
    DESCRIPTORS_SPARE = 32, /* besides connections and epolls: files that are read meanwhile */
};

static const uint64_t stall_default_ns = 10000000000;
static const uint64_t start_delay_ns = 5000000; /* so that no lane is late for the start */
static const uint64_t nap_ns = 20000000;        /* between two looks at what goes on */
static const uint64_t second_ns = 1000000000;

struct run {
    const struct bench_plan *plan;
    struct bench_stage stage;
    struct bench_work probe_work;
    uint32_t lane_count; /* of `lanes`: the plan's, and the measuring lane behind them */
    uint32_t thread_count;
    struct bench_lane **lanes;
    pthread_t *threads;
    struct bench_progress progress;
    uint64_t shown_ns; /* when the progress line was last written */
    bool is_cut;
    /* At the window's ends. */
    struct bench_threads server_from, server_to;
    uint64_t stolen_from, stolen_to, total_from, total_to;
};

/* ---- while it runs ---- */

static bool has_failed(struct run *run)
{
    return atomic_load_explicit(&run->stage.ending, memory_order_relaxed) == BENCH_FAILED;
}

static uint64_t answered(const struct run *run)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < run->plan->work.lanes; i++) {
        sum += atomic_load_explicit(&run->lanes[i]->answered_count, memory_order_relaxed);
    }
    return sum;
}

/* Sleeps a little; SIGINT cuts the run. */
static void nap(struct run *run, uint64_t length_ns)
{
    const struct timespec length = {.tv_sec = (time_t)(length_ns / second_ns),
                                    .tv_nsec = (long)(length_ns % second_ns)};
    sigset_t interrupt;

    if (!run->plan->interruptible) {
        (void)nanosleep(&length, NULL);
        return;
    }
    (void)sigemptyset(&interrupt);
    (void)sigaddset(&interrupt, SIGINT);
    if (sigtimedwait(&interrupt, NULL, &length) == SIGINT) {
        uint32_t goes_on = BENCH_GOES_ON;

        run->is_cut = true;
        (void)atomic_compare_exchange_strong_explicit(&run->stage.ending, &goes_on, BENCH_CUT,
                                                      memory_order_relaxed, memory_order_relaxed);
    }
}

static uint64_t store_count(const struct run *run)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < run->plan->work.lanes; i++) {
        sum += bench_draw_store_count(&run->lanes[i]->draw);
    }
    return sum;
}

/* The line, once a second. from_ns: when the phase began that takes length_ns; 0: keys are stored. */
static void show_progress(struct run *run, uint64_t from_ns, uint64_t length_ns,
                          uint64_t answered_before)
{
    const uint64_t now_ns = base_clock_monotonic_ns();
    struct bench_progress_state state = {
        .elapsed_s = (double)(now_ns - from_ns) / (double)second_ns,
        .length_s = (double)length_ns / (double)second_ns,
        .answered = answered(run) - answered_before,
    };

    if (!run->progress.is_shown || now_ns < run->shown_ns + second_ns || now_ns < from_ns) {
        return;
    }
    run->shown_ns = now_ns;
    state.answered_per_s = (double)state.answered / state.elapsed_s;
    if (length_ns == 0) {
        state.expected = store_count(run);
    }
    for (uint32_t i = 0; i < run->plan->work.lanes; i++) {
        const uint64_t p99_ns = atomic_load_explicit(&run->lanes[i]->p99_ns, memory_order_relaxed);

        state.p99_ns = p99_ns > state.p99_ns ? p99_ns : state.p99_ns;
    }
    bench_progress_show(&run->progress, &state);
    (void)atomic_fetch_add_explicit(&run->stage.ask_count, 1, memory_order_relaxed);
}

/* Until that moment; false when the run has ended before, for whatever reason. */
static bool watch_until(struct run *run, uint64_t moment_ns, uint64_t answered_before)
{
    const struct bench_stage *stage = &run->stage;
    uint64_t now_ns;

    while ((now_ns = base_clock_monotonic_ns()) < moment_ns) {
        if (has_failed(run) || run->is_cut) {
            return false;
        }
        nap(run, moment_ns - now_ns < nap_ns ? moment_ns - now_ns : nap_ns);
        show_progress(run, stage->start_ns, stage->end_ns - stage->start_ns, answered_before);
    }
    return true;
}

/* Until all lanes have come to the next gate; false when one has failed before. */
static bool await_gate(struct run *run, bool shows_storing)
{
    const uint64_t number = bench_gate_arrive(&run->stage.gate, true);
    const uint64_t from_ns = base_clock_monotonic_ns();
    enum bench_gate_state state;

    while ((state = bench_gate_look(&run->stage.gate, number)) == BENCH_GATE_CLOSED) {
        nap(run, nap_ns);
        if (shows_storing) {
            show_progress(run, from_ns, 0, 0);
        }
    }
    return state == BENCH_GATE_OPEN;
}

static void sample(const struct run *run, struct bench_threads *ret_server, uint64_t *ret_stolen,
                   uint64_t *ret_total)
{
    if (run->plan->server == 0 || !bench_process_threads(run->plan->server, ret_server)) {
        ret_server->count = 0;
    }
    if (!bench_lane_time_read_stolen(ret_stolen, ret_total)) {
        *ret_stolen = 0;
        *ret_total = 0;
    }
}

static void watch(struct run *run)
{
    const struct bench_plan *plan = run->plan;
    struct bench_stage *stage = &run->stage;
    uint64_t answered_before;

    if (!await_gate(run, false) || !await_gate(run, true)) {
        return;
    }
    answered_before = answered(run);
    stage->start_ns = base_clock_monotonic_ns() + start_delay_ns;
    stage->count_ns = stage->start_ns + plan->warmup_ns;
    stage->end_ns = stage->count_ns + plan->window_ns;
    (void)bench_gate_arrive(&stage->gate, true);
    if (plan->populate_only) {
        return;
    }
    (void)watch_until(run, stage->count_ns, answered_before);
    sample(run, &run->server_from, &run->stolen_from, &run->total_from);
    (void)watch_until(run, stage->end_ns, answered_before);
    sample(run, &run->server_to, &run->stolen_to, &run->total_to);
}

/* ---- what came of it ---- */

static struct bench_cpu sum_threads(const struct bench_threads *threads)
{
    struct bench_cpu sum = {0, 0};

    for (size_t i = 0; i < threads->count; i++) {
        sum.run_ns += threads->rows[i].cpu.run_ns;
        sum.wait_ns += threads->rows[i].cpu.wait_ns;
    }
    return sum;
}

static uint64_t since(uint64_t from, uint64_t to)
{
    return to > from ? to - from : 0; /* the sum of threads falls when one ends */
}

/* Turns are timed by the clock on the wall; a CPU that is taken away is taken from all turns alike. */
static uint64_t busy_run_ns(const struct bench_lane_time *from, const struct bench_lane_time *to)
{
    const double wall_ns = (double)since(from->wall_ns, to->wall_ns);
    const double busy_ns = (double)since(from->busy_ns, to->busy_ns);

    return wall_ns > 0
               ? (uint64_t)((double)since(from->cpu.run_ns, to->cpu.run_ns) * busy_ns / wall_ns)
               : 0;
}

static void add_lane(struct bench_result *result, const struct bench_lane *lane)
{
    const struct bench_counts *counts = &lane->result;

    result->requests += counts->requests;
    result->keys += counts->keys;
    result->hits += counts->hits;
    result->misses += counts->misses;
    for (uint32_t verb = 0; verb < BENCH_VERB_COUNT; verb++) {
        result->per_verb[verb] += counts->per_verb[verb];
    }
    result->value_bytes += counts->value_bytes;
    result->refused += counts->refused;
    result->reconnects += counts->reconnects;
    result->late += counts->late;
    result->unsent += lane->unsent;
    result->wall_ns += since(lane->from.wall_ns, lane->to.wall_ns);
    result->load.run_ns += since(lane->from.cpu.run_ns, lane->to.cpu.run_ns);
    result->load.wait_ns += since(lane->from.cpu.wait_ns, lane->to.cpu.wait_ns);
    result->load_user_ns += since(lane->from.user_ns, lane->to.user_ns);
    result->load_busy_ns += busy_run_ns(&lane->from, &lane->to);
    bench_hist_merge(result->service, lane->service);
    if (result->intended != NULL) {
        bench_hist_merge(result->intended, lane->intended);
    }
}

static double stolen_share(const struct run *run)
{
    const uint64_t total = since(run->total_from, run->total_to);

    return total == 0 ? 0 : (double)since(run->stolen_from, run->stolen_to) / (double)total;
}

/* How long something else had the server's CPU. As many of its threads count as it has used CPUs. */
static uint64_t disturbed_ns(const struct run *run, const struct bench_result *result)
{
    if (run->server_from.count == 0 || result->wall_ns == 0) {
        return 0;
    }
    return bench_process_disturbed_ns(&run->server_from, &run->server_to,
                                      (size_t)(result->server.run_ns / result->wall_ns) + 1);
}

static int collect(struct run *run, struct bench_result *ret_result)
{
    const uint32_t lane_count = run->plan->work.lanes;
    struct bench_result result = {.is_cut = run->is_cut};
    const struct bench_cpu from = sum_threads(&run->server_from);
    const struct bench_cpu to = sum_threads(&run->server_to);

    result.service = bench_hist_create();
    if (run->lanes[0]->is_open) {
        result.intended = bench_hist_create();
    }
    if (run->plan->probe) {
        result.probe = bench_hist_create();
    }
    if (result.service == NULL || (run->lanes[0]->is_open && result.intended == NULL) ||
        (run->plan->probe && result.probe == NULL)) {
        bench_result_fini(&result);
        return -ENOMEM;
    }
    CHECK(lane_count > 0); /* check_plan() */
    for (uint32_t i = 0; i < lane_count; i++) {
        add_lane(&result, run->lanes[i]);
    }
    result.wall_ns /= lane_count; /* the same for all, but for the length of a turn */
    if (run->plan->probe) {
        bench_hist_merge(result.probe, run->lanes[lane_count]->service);
    }
    if (run->server_from.count > 0 && run->server_to.count > 0) {
        result.server.run_ns = since(from.run_ns, to.run_ns);
        result.server.wait_ns = since(from.wait_ns, to.wait_ns);
    }
    if (!run->plan->populate_only) {
        bench_judge(run->plan, &result, disturbed_ns(run, &result), stolen_share(run));
    }
    *ret_result = result;
    return 0;
}

/* The first lane that says why it failed. */
static int find_failure(const struct run *run, char complaint[static BENCH_COMPLAINT_MAX])
{
    for (uint32_t i = 0; i < run->lane_count; i++) {
        if (run->lanes[i]->error != 0) {
            memcpy(complaint, run->lanes[i]->complaint, BENCH_COMPLAINT_MAX);
            return run->lanes[i]->error;
        }
    }
    return 0;
}

/* ---- before and after ---- */

static int start_threads(struct run *run)
{
    for (uint32_t i = 0; i < run->lane_count; i++) {
        const int error = pthread_create(
            &run->threads[i], NULL,
            i < run->plan->work.lanes ? bench_lane_main : bench_lane_probe_main, run->lanes[i]);

        if (error != 0) {
            /* Those that are there wait at the first gate, and leave. */
            (void)bench_gate_arrive(&run->stage.gate, false);
            return -error;
        }
        run->thread_count++;
    }
    return 0;
}

static int create_lanes(struct run *run)
{
    const uint32_t lane_count = run->plan->work.lanes;

    run->lane_count = lane_count + (run->plan->probe ? 1 : 0);
    run->lanes = calloc(run->lane_count, sizeof(struct bench_lane *));
    run->threads = calloc(run->lane_count, sizeof(pthread_t));
    if (run->lanes == NULL || run->threads == NULL) {
        return -ENOMEM;
    }
    bench_lane_probe_work(&run->plan->work, &run->probe_work);
    for (uint32_t i = 0; i < run->lane_count; i++) {
        const struct bench_work *work = i < lane_count ? &run->plan->work : &run->probe_work;

        run->lanes[i] = bench_lane_create(&run->stage, work, i < lane_count ? i : 0);
        if (run->lanes[i] == NULL) {
            return -ENOMEM;
        }
    }
    return 0;
}

/* The threads: from their start to their end. */
static int run_lanes(struct run *run, char complaint[static BENCH_COMPLAINT_MAX])
{
    int status = create_lanes(run);

    if (status != 0) {
        (void)snprintf(complaint, BENCH_COMPLAINT_MAX,
                       "no memory for %u connections with %u requests each",
                       run->plan->work.connections, run->plan->work.pipeline);
        return status;
    }
    bench_gate_init(&run->stage.gate, run->lane_count + 1);
    status = start_threads(run);
    if (status == 0) {
        watch(run);
    } else {
        (void)snprintf(complaint, BENCH_COMPLAINT_MAX, "cannot start a thread: %s",
                       strerrordesc_np(-status));
    }
    for (uint32_t i = 0; i < run->thread_count; i++) {
        CHECK(pthread_join(run->threads[i], NULL) == 0);
    }
    bench_gate_fini(&run->stage.gate);
    bench_progress_clear(&run->progress);
    return status != 0 ? status : find_failure(run, complaint);
}

static int check_plan(const struct bench_plan *plan, char complaint[static BENCH_COMPLAINT_MAX])
{
    const struct bench_work *work = &plan->work;

    if (work->lanes == 0 || work->lanes > LANES_MAX || work->connections < work->lanes) {
        (void)snprintf(
            complaint, BENCH_COMPLAINT_MAX,
            "%u connections for %u threads: each needs one, and %d threads are the limit",
            work->connections, work->lanes, LANES_MAX);
        return -EINVAL;
    }
    if (plan->probe && !(plan->probe_rate > 0)) {
        (void)snprintf(complaint, BENCH_COMPLAINT_MAX, "the measuring lane needs a rate");
        return -EINVAL;
    }
    return 0;
}

static int execute(struct run *run, struct bench_result *ret_result,
                   char complaint[static BENCH_COMPLAINT_MAX])
{
    const struct bench_plan *plan = run->plan;
    int status = check_plan(plan, complaint);

    if (status == 0) {
        status = bench_connect_resolve(plan->address, &run->stage.target, complaint);
    }
    if (status == 0 && plan->tls) {
        status = bench_secure_create(plan->tls_ca, plan->tls_insecure, plan->address,
                                     &run->stage.secure, complaint);
    }
    if (status == 0) {
        status = bench_connect_reserve(
            plan->work.connections + plan->work.lanes + 2 + DESCRIPTORS_SPARE, complaint);
    }
    if (status == 0) {
        bench_connect_spread(&run->stage.target, plan->work.connections,
                             plan->work.requests_per_connection > 0);
        status = run_lanes(run, complaint);
    }
    return status == 0 ? collect(run, ret_result) : status;
}

int bench_run(const struct bench_plan *plan, struct bench_result *ret_result,
              char complaint[static BENCH_COMPLAINT_MAX])
{
    struct run *run = calloc(1, sizeof(*run));
    sigset_t interrupt, before;
    int status;

    complaint[0] = '\0';
    if (run == NULL) {
        return -ENOMEM;
    }
    run->plan = plan;
    run->stage.plan = plan;
    run->stage.wire = bench_wire_of(plan->work.protocol);
    run->stage.stall_ns = plan->stall_ns != 0 ? plan->stall_ns : stall_default_ns;
    bench_progress_init(&run->progress, plan->progress);
    (void)sigemptyset(&interrupt);
    (void)sigaddset(&interrupt, SIGINT);
    if (plan->interruptible) {
        CHECK(pthread_sigmask(SIG_BLOCK, &interrupt, &before) == 0);
    }
    status = execute(run, ret_result, complaint);
    if (plan->interruptible) {
        CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    }
    for (uint32_t i = 0; run->lanes != NULL && i < run->lane_count; i++) {
        bench_lane_destroy(&run->lanes[i]);
    }
    bench_secure_destroy(&run->stage.secure);
    free(run->lanes);
    free(run->threads);
    free(run);
    return status;
}

void bench_result_fini(struct bench_result *result)
{
    bench_hist_destroy(&result->service);
    bench_hist_destroy(&result->intended);
    bench_hist_destroy(&result->probe);
}
