/* SPDX-License-Identifier: BSD-3-Clause */
/* A lane's memory, its phases and its turns: see lane.h. */
#include "cli/mcbench/lane.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"

enum {
    DEPTH_MIN = 16,          /* requests: for storing keys, and for the open loop */
    CHUNK_SIZE = 256 * 1024, /* bytes that are written before they are sent */
    CHUNK_REQUESTS_MIN = 4,  /* of the largest size; they fill at most half of a chunk */
    ANSWER_HEAD_MAX = 513,   /* bytes; wire.h: the rest of an answer has request_size_max() + 512 */
    FILL_ROOM_MAX = 1 << 20, /* misses that await their set; further ones stay misses */
    TOUCHED_MAX = 64u << 20, /* bytes of an array that are touched beforehand */
    RETRY_EVERY_NS = 1000000, /* connections that could not be opened */
};

static const size_t array_max = (size_t)1 << 40; /* bytes of one array */

/* ---- memory ---- */

/* An array that takes real memory only where it is used. NULL: no memory. */
static void *reserve(size_t count, size_t size)
{
    const size_t bytes = count * size;
    void *memory;

    if (size > array_max / count) {
        return NULL;
    }
    memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
                      (bytes <= TOUCHED_MAX ? MAP_POPULATE : 0),
                  -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static void release(void *memory, size_t count, size_t size)
{
    if (memory != NULL) {
        (void)munmap(memory, count * size);
    }
}

static uint32_t fill_room_of(const struct bench_lane *lane)
{
    const uint64_t most = (uint64_t)lane->conn_count * lane->depth * lane->keys_max;
    uint32_t room = 1;

    while (room < most && room < FILL_ROOM_MAX) {
        room *= 2;
    }
    return room;
}

/* What the sizes of all arrays follow from. */
static void measure_rooms(struct bench_lane *lane)
{
    const struct bench_work *work = lane->work;
    size_t batch_room;

    lane->conn_count =
        work->connections / work->lanes + (lane->index < work->connections % work->lanes ? 1 : 0);
    lane->depth = work->pipeline > DEPTH_MIN ? work->pipeline : DEPTH_MIN;
    lane->keys_max =
        work->keys_per_get_max > work->keys_per_get ? work->keys_per_get_max : work->keys_per_get;
    lane->fill_room = fill_room_of(lane);
    lane->request_room = lane->wire->request_size_max(work);
    lane->chunk_room = CHUNK_SIZE;
    if (lane->chunk_room < CHUNK_REQUESTS_MIN * lane->request_room) {
        lane->chunk_room = CHUNK_REQUESTS_MIN * lane->request_room;
    }
    batch_room = lane->depth * lane->request_room;
    lane->out_room = batch_room < lane->chunk_room ? batch_room : lane->chunk_room;
    lane->rest_room = lane->request_room + ANSWER_HEAD_MAX;
}

static bool allocate(struct bench_lane *lane)
{
    const size_t conn_count = lane->conn_count;
    const size_t request_count = conn_count * lane->depth;

    lane->conns = reserve(conn_count, sizeof(*lane->conns));
    lane->requests = reserve(request_count, sizeof(*lane->requests));
    lane->rests = reserve(conn_count, lane->rest_room + BENCH_PLAIN_SLACK);
    lane->outs = reserve(conn_count, lane->out_room);
    if (lane->stage->secure != NULL) {
        lane->sessions = reserve(conn_count, sizeof(void *)); /* pointers */
    }
    lane->chunk = reserve(1, lane->chunk_room);
    lane->input = reserve(1, BENCH_INPUT_SIZE + BENCH_PLAIN_SLACK);
    lane->ready = reserve(conn_count, sizeof(*lane->ready));
    lane->fill_ring = reserve(lane->fill_room, sizeof(*lane->fill_ring));
    lane->service = bench_hist_create();
    if (lane->is_open) {
        lane->intended = bench_hist_create();
    }
    if (lane->keys_max > 1) {
        lane->numbers = reserve(request_count, lane->keys_max * sizeof(*lane->numbers));
    }
    return lane->conns != NULL && lane->requests != NULL && lane->rests != NULL &&
           lane->outs != NULL && lane->chunk != NULL && lane->input != NULL &&
           lane->ready != NULL && lane->fill_ring != NULL && lane->service != NULL &&
           (lane->stage->secure == NULL || lane->sessions != NULL) &&
           (!lane->is_open || lane->intended != NULL) &&
           (lane->keys_max == 1 || lane->numbers != NULL);
}

struct bench_lane *bench_lane_create(struct bench_stage *stage, const struct bench_work *work,
                                     uint32_t index)
{
    struct bench_lane *lane = calloc(1, sizeof(*lane));

    if (lane == NULL) {
        return NULL;
    }
    lane->stage = stage;
    lane->work = work;
    lane->wire = stage->wire;
    lane->index = index;
    lane->is_open = lane->work->arrival != BENCH_CLOSED;
    lane->fills = lane->work->fill_miss;
    lane->epoll = epoll_create1(EPOLL_CLOEXEC);
    measure_rooms(lane);
    if (lane->epoll < 0 || !allocate(lane)) {
        bench_lane_destroy(&lane);
        return NULL;
    }
    for (uint32_t i = 0; i < lane->conn_count; i++) {
        lane->conns[i].fd = -1;
    }
    bench_draw_init(&lane->draw, work,
                    work == &stage->plan->work ? BENCH_SPACE_VALUES : BENCH_SPACE_PROBES, index);
    bench_plain_init(&lane->plain, work, lane->draw.space);
    return lane;
}

void bench_lane_destroy(struct bench_lane **lane)
{
    struct bench_lane *old = *lane;

    if (old == NULL) {
        return;
    }
    for (uint32_t i = 0; old->conns != NULL && i < old->conn_count; i++) {
        if (old->conns[i].fd >= 0) {
            (void)close(old->conns[i].fd);
        }
        if (old->sessions != NULL) {
            bench_secure_close(&old->sessions[i]);
        }
    }
    if (old->epoll >= 0) {
        (void)close(old->epoll);
    }
    release(old->conns, old->conn_count, sizeof(*old->conns));
    release(old->requests, (size_t)old->conn_count * old->depth, sizeof(*old->requests));
    release(old->numbers, (size_t)old->conn_count * old->depth,
            old->keys_max * sizeof(*old->numbers));
    release(old->rests, old->conn_count, old->rest_room + BENCH_PLAIN_SLACK);
    release(old->outs, old->conn_count, old->out_room);
    release(old->sessions, old->conn_count, sizeof(void *));
    release(old->chunk, 1, old->chunk_room);
    release(old->input, 1, BENCH_INPUT_SIZE + BENCH_PLAIN_SLACK);
    release(old->ready, old->conn_count, sizeof(*old->ready));
    release(old->fill_ring, old->fill_room, sizeof(*old->fill_ring));
    bench_schedule_fini(&old->schedule);
    bench_hist_destroy(&old->service);
    bench_hist_destroy(&old->intended);
    free(old);
    *lane = NULL;
}

/* ---- turns ---- */

static enum bench_ending ending_of(const struct bench_lane *lane)
{
    return (enum bench_ending)atomic_load_explicit(&lane->stage->ending, memory_order_relaxed);
}

/* What need not be done in every turn. */
static bool check_now_and_then(struct bench_lane *lane, uint64_t now_ns)
{
    const uint32_t asked_count =
        atomic_load_explicit(&lane->stage->ask_count, memory_order_relaxed);

    if (asked_count != lane->asked_count) {
        lane->asked_count = asked_count;
        atomic_store_explicit(
            &lane->p99_ns,
            bench_hist_percentile(lane->is_open ? lane->intended : lane->service, 99),
            memory_order_relaxed);
    }
    if (lane->closed_count > 0 && !lane->is_stopping && !bench_lane_retry(lane)) {
        return false;
    }
    return bench_lane_check_stall(lane, now_ns);
}

/* Turns until that moment, or until the run is ended from outside; until_idle: or until nothing is under way. */
static bool turn_until(struct bench_lane *lane, uint64_t end_ns, bool until_idle)
{
    const bool sends_due = lane->is_open && !lane->is_storing;
    uint64_t now_ns = base_clock_monotonic_ns();

    while (now_ns < end_ns && (!until_idle || lane->active_count > 0)) {
        const enum bench_ending ending = ending_of(lane);
        bool has_sent = false;
        uint32_t event_count;
        uint64_t next_ns;

        if (ending == BENCH_FAILED || (ending == BENCH_CUT && !lane->is_stopping)) {
            break;
        }
        if (sends_due && !lane->is_stopping && !bench_lane_send_due(lane, now_ns, &has_sent)) {
            return false;
        }
        if (!bench_lane_turn(lane, &event_count)) {
            return false;
        }
        next_ns = base_clock_monotonic_ns();
        if (event_count > 0 || has_sent) {
            lane->busy_ns += next_ns - now_ns;
        }
        now_ns = next_ns;
        if (now_ns >= lane->check_at_ns && !check_now_and_then(lane, now_ns)) {
            return false;
        }
    }
    return true;
}

static bool start_batches(struct bench_lane *lane)
{
    for (uint32_t i = 0; i < lane->conn_count; i++) {
        if (!bench_lane_start_batch(lane, &lane->conns[i])) {
            return false;
        }
    }
    return true;
}

/* ---- phases ---- */

bool bench_lane_pin(struct bench_lane *lane, uint32_t number)
{
    const struct bench_plan *plan = lane->stage->plan;
    cpu_set_t set;
    int error;
    char what[64];

    if (plan->cpu_count == 0) {
        return true;
    }
    CPU_ZERO(&set);
    CPU_SET((size_t)plan->cpus[number % plan->cpu_count], &set);
    error = pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
    if (error == 0) {
        return true;
    }
    (void)snprintf(what, sizeof(what), "cannot be loaded from CPU %d",
                   plan->cpus[number % plan->cpu_count]);
    return bench_lane_fail(lane, NULL, error, what);
}

static bool prepare(struct bench_lane *lane)
{
    const struct bench_plan *plan = lane->stage->plan;

    if (!bench_lane_pin(lane, lane->index)) {
        return false;
    }
    if (lane->is_open && !plan->populate_only) {
        const int status = bench_schedule_init(&lane->schedule, lane->work, lane->index,
                                               plan->warmup_ns + plan->window_ns);

        if (status != 0) {
            return bench_lane_fail(lane, NULL, -status, "cannot be asked so much for so long");
        }
    }
    return bench_lane_connect(lane);
}

bool bench_lane_store(struct bench_lane *lane)
{
    lane->is_storing = true;
    lane->stores_left = bench_draw_store_count(&lane->draw);
    if (!start_batches(lane) || !turn_until(lane, UINT64_MAX, true)) {
        return false;
    }
    lane->is_storing = false;
    for (uint32_t i = 0; i < lane->conn_count; i++) {
        lane->conns[i].issued_count = 0;
    }
    return true;
}

static void begin_window(struct bench_lane *lane)
{
    memset(&lane->counts, 0, sizeof(lane->counts));
    bench_hist_reset(lane->service);
    lane->is_counting = true;
    bench_lane_time_read(lane->busy_ns, &lane->from);
}

/*
 * Counts end here; what is under way in an open loop, and was due in the window, is still timed. What was due and could not be sent
 * has taken at least as long as it has waited by now: so much is recorded, or the worst of an overload would be missing.
 */
static void end_window(struct bench_lane *lane)
{
    bench_lane_time_read(lane->busy_ns, &lane->to);
    lane->is_counting = false;
    lane->result = lane->counts;
    if (lane->is_open) {
        const uint64_t end_ns =
            lane->to.wall_ns < lane->stage->end_ns ? lane->to.wall_ns : lane->stage->end_ns;

        lane->record_to_ns = end_ns;
        while (bench_pace_due(&lane->pace, end_ns) > 0) {
            const uint64_t due_ns = bench_pace_take(&lane->pace);

            if (due_ns >= lane->record_from_ns) {
                bench_hist_record(lane->intended, lane->to.wall_ns - due_ns);
                lane->unsent++;
            }
        }
    }
}

static bool measure(struct bench_lane *lane)
{
    const struct bench_stage *stage = lane->stage;

    lane->record_from_ns = stage->count_ns;
    lane->record_to_ns = stage->end_ns;
    if (lane->is_open) {
        bench_pace_init(&lane->pace, lane->schedule.due_ns, lane->schedule.count, stage->start_ns);
        bench_lane_offer_all(lane, stage->start_ns);
    }
    while (base_clock_monotonic_ns() < stage->start_ns) {
        /* all lanes start together */
    }
    if ((!lane->is_open && !start_batches(lane)) || !turn_until(lane, stage->count_ns, false)) {
        return false;
    }
    begin_window(lane);
    if (!turn_until(lane, stage->end_ns, false)) {
        return false;
    }
    end_window(lane);
    lane->is_stopping = true;
    return turn_until(lane, UINT64_MAX, true) &&
           (ending_of(lane) == BENCH_FAILED || bench_lane_hear_silence(lane));
}

void *bench_lane_main(void *argument)
{
    struct bench_lane *lane = argument;
    const struct bench_plan *plan = lane->stage->plan;
    struct bench_gate *gate = &lane->stage->gate;
    bool is_well = prepare(lane);

    if (!bench_gate_pass(gate, is_well)) {
        return NULL;
    }
    is_well = !(plan->populate || plan->populate_only) || bench_lane_store(lane);
    if (!bench_gate_pass(gate, is_well) || !bench_gate_pass(gate, true)) {
        return NULL;
    }
    if (!plan->populate_only && ending_of(lane) == BENCH_GOES_ON) {
        (void)measure(lane);
    }
    return NULL;
}
