/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The windows of a replay.
 *
 * A window is a list of slots, in the order of their answers: fills first, then reads that are asked again, then new requests of
 * the trace. What a read's miss means is decided when all answers are there (settle()).
 */
#include "cli/mcbench/replay.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/mcbench/connect.h"
#include "cli/mcbench/replay_wire.h"

enum {
    INPUT_SIZE = 256 * 1024,    /* bytes at first; it grows to what the largest value takes */
    OUTPUT_SIZE = 256 * 1024,   /* likewise */
    SILENCE_MAX_MS = 60 * 1000, /* then the server is taken for dead */
    SLOTS_MAX = 2 * BENCH_REPLAY_WINDOW_MAX, /* a window, and a fill for each of the last one's */
};

struct slot {
    struct bench_source_request request;
    enum bench_replay_answer answer;
    uint64_t size;  /* of a hit's value */
    bool is_fill;   /* no request of the trace */
    bool is_filled; /* MISS, and its fill is on the way */
};

struct replay {
    const struct bench_replay_plan *plan;
    struct bench_source *source;
    struct bench_replay_result *result;
    char *complaint;
    int fd;
    struct slot *slots, *next_slots; /* SLOTS_MAX each */
    uint32_t slot_count, next_count;
    uint32_t again_count; /* of the next slots: reads that are asked again */
    char *out;
    size_t out_room, out_size, out_sent; /* bytes */
    char *in;
    size_t in_room, in_begin, in_end; /* bytes */
    uint64_t sent_ns;                 /* when the window's sending began */
    uint64_t started_ns, shown_ns;
    struct bench_source_request held; /* the first of the next window, if is_held */
    bool is_held;
    bool at_end; /* of the source */
};

static int complain(struct replay *replay, int error, const char *what)
{
    (void)snprintf(replay->complaint, BENCH_REPLAY_ERROR_MAX, "%s: %s", replay->plan->address,
                   what);
    return error;
}

/* ---- bytes ---- */

static int make_room(struct replay *replay, char **bytes, size_t *room, size_t wanted)
{
    size_t bigger = *room;
    char *moved;

    while (bigger < wanted) {
        bigger *= 2;
    }
    if (bigger == *room) {
        return 0;
    }
    moved = realloc(*bytes, bigger);
    if (moved == NULL) {
        return complain(replay, -ENOMEM, "no memory");
    }
    *bytes = moved;
    *room = bigger;
    return 0;
}

static int write_slots(struct replay *replay)
{
    replay->out_size = replay->out_sent = 0;
    for (uint32_t i = 0; i < replay->slot_count; i++) {
        const struct bench_source_request *request = &replay->slots[i].request;
        const int error = make_room(replay, &replay->out, &replay->out_room,
                                    replay->out_size + BENCH_REPLAY_LINE_MAX + request->value_size);

        if (error != 0) {
            return error;
        }
        replay->out_size +=
            bench_replay_write(replay->plan->protocol, request, replay->out + replay->out_size);
    }
    return 0;
}

static int send_some(struct replay *replay)
{
    while (replay->out_sent < replay->out_size) {
        const ssize_t count = send(replay->fd, replay->out + replay->out_sent,
                                   replay->out_size - replay->out_sent, MSG_NOSIGNAL);

        if (count < 0) {
            return errno == EAGAIN || errno == EINTR
                       ? 0
                       : complain(replay, -errno, strerrordesc_np(errno));
        }
        replay->out_sent += (size_t)count;
    }
    return 0;
}

static int receive_some(struct replay *replay)
{
    ssize_t count;

    if (replay->in_begin > 0) {
        memmove(replay->in, replay->in + replay->in_begin, replay->in_end - replay->in_begin);
        replay->in_end -= replay->in_begin;
        replay->in_begin = 0;
    }
    if (replay->in_end == replay->in_room) {
        const int error = make_room(replay, &replay->in, &replay->in_room, replay->in_room + 1);

        if (error != 0) {
            return error;
        }
    }
    count = recv(replay->fd, replay->in + replay->in_end, replay->in_room - replay->in_end, 0);
    if (count == 0) {
        return complain(replay, -ECONNRESET, "the server closed the connection");
    }
    if (count < 0) {
        return errno == EAGAIN || errno == EINTR ? 0
                                                 : complain(replay, -errno, strerrordesc_np(errno));
    }
    replay->in_end += (size_t)count;
    return 0;
}

/* ---- answers ---- */

static int wrong_answer(struct replay *replay, const struct slot *slot, const char *what)
{
    char sentence[BENCH_REPLAY_ANSWER_ERROR_MAX + BASE_KEY_SIZE_MAX + 100];

    (void)snprintf(sentence, sizeof(sentence), "request %llu, key %.*s: %s",
                   (unsigned long long)replay->result->requests, (int)slot->request.key_size,
                   slot->request.key, what);
    return complain(replay, -EBADMSG, sentence);
}

/* As many answers as are there, from slot *done on. */
static int read_answers(struct replay *replay, uint32_t *done)
{
    const uint64_t now_ns = base_clock_monotonic_ns();

    while (*done < replay->slot_count) {
        struct slot *slot = &replay->slots[*done];
        char what[BENCH_REPLAY_ANSWER_ERROR_MAX];
        const struct base_slice input = {replay->in + replay->in_begin,
                                         replay->in_end - replay->in_begin};
        size_t consumed = 0;

        slot->answer = bench_replay_read(replay->plan->protocol, &slot->request, input, &consumed,
                                         &slot->size, what);
        if (slot->answer == BENCH_REPLAY_MORE) {
            return 0;
        }
        if (slot->answer == BENCH_REPLAY_WRONG) {
            return wrong_answer(replay, slot, what);
        }
        if (slot->answer == BENCH_REPLAY_REFUSED && replay->result->refusal[0] == '\0') {
            (void)snprintf(replay->result->refusal, BENCH_REPLAY_REFUSAL_MAX, "%s", what);
        }
        replay->in_begin += consumed;
        bench_hist_record(replay->result->latency, now_ns - replay->sent_ns);
        (*done)++;
    }
    return replay->in_begin == replay->in_end
               ? 0
               : complain(replay, -EBADMSG, "bytes behind the last answer");
}

/* Sends the window and reads all its answers. Both at once: neither side waits for the other to read. */
static int exchange(struct replay *replay)
{
    uint32_t done = 0;
    int error = write_slots(replay);

    replay->sent_ns = base_clock_monotonic_ns();
    if (error == 0) {
        error = send_some(replay);
    }
    while (error == 0 && done < replay->slot_count) {
        struct pollfd poll_fd = {.fd = replay->fd, .events = POLLIN};
        int count;

        poll_fd.events |= replay->out_sent < replay->out_size ? POLLOUT : 0;
        count = poll(&poll_fd, 1, SILENCE_MAX_MS);
        if (count == 0) {
            return complain(replay, -ETIMEDOUT, "no answer within a minute");
        }
        if (count > 0 && (poll_fd.revents & POLLOUT) != 0) {
            error = send_some(replay);
        }
        if (error == 0 && count > 0 && (poll_fd.revents & ~POLLOUT) != 0) {
            error = receive_some(replay);
            if (error == 0) {
                error = read_answers(replay, &done);
            }
        }
    }
    return error;
}

/* ---- what the answers mean ---- */

static void count_store(struct bench_replay_result *result, const struct slot *slot)
{
    if (slot->answer == BENCH_REPLAY_REFUSED) {
        result->refused++;
    } else if (slot->answer == BENCH_REPLAY_DONE) {
        result->stored_bytes += slot->request.key_size + slot->request.value_size;
    }
}

static void count_read(struct bench_replay_result *result, const struct slot *slot)
{
    result->requests++;
    result->reads++;
    if (slot->answer == BENCH_REPLAY_HIT) {
        result->hits++;
        result->hit_bytes += slot->size;
        result->read_bytes += slot->size;
    } else {
        result->misses++;
        result->read_bytes += slot->request.value_size;
    }
}

static struct slot *add_next(struct replay *replay, const struct slot *slot)
{
    struct slot *next = &replay->next_slots[replay->next_count++];

    next->request = slot->request;
    next->is_fill = false;
    next->is_filled = false;
    return next;
}

/* The last request for the same key before slot `at` in the window; NULL: none. */
static struct slot *find_earlier(struct replay *replay, uint32_t at)
{
    const uint64_t number = replay->slots[at].request.number;

    for (uint32_t i = at; i-- > 0;) {
        if (replay->slots[i].request.number == number) {
            return &replay->slots[i];
        }
    }
    return NULL;
}

/*
 * A miss. Sent one by one, its fill would have come before the window's later reads of the key: they are asked again behind it.
 * First the fills, then those: settle() goes over the slots twice.
 */
static void settle_miss(struct replay *replay, uint32_t at)
{
    struct slot *slot = &replay->slots[at];
    const struct slot *earlier = find_earlier(replay, at);
    struct slot *fill;

    if (earlier != NULL && earlier->is_filled) {
        slot->is_filled = true;
        return; /* asked again */
    }
    count_read(replay->result, slot);
    slot->is_filled = true;
    fill = add_next(replay, slot);
    fill->request.op = BENCH_TRACE_WRITE;
    fill->is_fill = true;
    replay->result->fills++;
}

static bool is_asked_again(struct replay *replay, uint32_t at)
{
    const struct slot *slot = &replay->slots[at];
    const struct slot *earlier;

    if (!slot->is_filled) {
        return false;
    }
    earlier = find_earlier(replay, at);
    return earlier != NULL && earlier->is_filled;
}

/* Counts the window, and begins the next one with its fills and with what is asked again. */
static void settle(struct replay *replay)
{
    struct bench_replay_result *result = replay->result;
    bool has_misses = false;

    replay->next_count = replay->again_count = 0;
    for (uint32_t i = 0; i < replay->slot_count; i++) {
        const struct slot *slot = &replay->slots[i];

        if (slot->request.op == BENCH_TRACE_READ) {
            if (slot->answer == BENCH_REPLAY_MISS) {
                settle_miss(replay, i);
                has_misses = true;
            } else {
                count_read(result, slot);
            }
            continue;
        }
        if (slot->request.op != BENCH_TRACE_DELETE) {
            count_store(result, slot);
        }
        if (!slot->is_fill) {
            result->requests++;
            result->deletes += slot->request.op == BENCH_TRACE_DELETE ? 1 : 0;
            result->writes += slot->request.op == BENCH_TRACE_DELETE ? 0 : 1;
        }
    }
    for (uint32_t i = 0; has_misses && i < replay->slot_count; i++) {
        if (is_asked_again(replay, i)) {
            (void)add_next(replay, &replay->slots[i]);
            replay->again_count++;
            result->again++;
        }
    }
}

/* ---- the run ---- */

/*
 * A write or delete of a key that the window reads waits for the next one: whether that read brings a fill, which comes first, is
 * not known yet.
 */
static bool has_to_wait(const struct replay *replay, const struct bench_source_request *request)
{
    for (uint32_t i = 0; request->op != BENCH_TRACE_READ && i < replay->slot_count; i++) {
        if (replay->slots[i].request.op == BENCH_TRACE_READ &&
            replay->slots[i].request.number == request->number) {
            return true;
        }
    }
    return false;
}

/* The held request, or the source's next; as bench_source_next(). */
static int next_request(struct replay *replay, struct bench_source_request *request)
{
    if (replay->is_held) {
        *request = replay->held;
        replay->is_held = false;
        return 1;
    }
    return bench_source_next(replay->source, request, replay->complaint);
}

/* New requests behind what settle() has begun. */
static int take_requests(struct replay *replay)
{
    const struct bench_replay_plan *plan = replay->plan;
    struct slot *slots = replay->slots;

    replay->slots = replay->next_slots;
    replay->next_slots = slots;
    replay->slot_count = replay->next_count;
    if ((plan->requests_max != 0 && replay->result->requests >= plan->requests_max) ||
        (plan->filled_max != 0 && replay->result->stored_bytes >= plan->filled_max)) {
        replay->at_end = true;
    }
    /* Fills come on top of the window, reads that are asked again do not: so it stays bounded. */
    for (uint32_t i = replay->again_count; i < plan->window && !replay->at_end; i++) {
        struct slot *slot = &replay->slots[replay->slot_count];
        const int result = next_request(replay, &slot->request);

        if (result < 0) {
            return result;
        }
        if (result == 1 && has_to_wait(replay, &slot->request)) {
            replay->held = slot->request;
            replay->is_held = true;
            break;
        }
        slot->is_fill = slot->is_filled = false;
        replay->at_end = result == 0;
        replay->slot_count += (uint32_t)result;
    }
    return 0;
}

static void show_progress(struct replay *replay)
{
    const struct bench_replay_result *result = replay->result;
    const uint64_t now_ns = replay->sent_ns;

    if (now_ns - replay->shown_ns < 1000000000 || result->reads == 0) {
        return;
    }
    (void)fprintf(stderr, "\r%s: %.1f M requests, hit ratio %.4f, %.0f k/s ", replay->plan->address,
                  (double)result->requests / 1e6, (double)result->hits / (double)result->reads,
                  (double)result->requests * 1e6 / (double)(now_ns - replay->started_ns + 1));
    replay->shown_ns = now_ns;
}

static int go(struct replay *replay)
{
    int error = take_requests(replay);

    replay->started_ns = replay->shown_ns = base_clock_monotonic_ns();
    while (error == 0 && replay->slot_count > 0) {
        error = exchange(replay);
        if (error == 0) {
            settle(replay);
            error = take_requests(replay);
        }
        if (replay->plan->progress) {
            show_progress(replay);
        }
    }
    if (replay->plan->progress) {
        (void)fputs("\r\x1b[K", stderr);
    }
    replay->result->wall_ns = base_clock_monotonic_ns() - replay->started_ns;
    return error;
}

static int open_connection(struct replay *replay)
{
    struct bench_target target;
    int error = bench_connect_resolve(replay->plan->address, &target, replay->complaint);

    if (error != 0) {
        return error;
    }
    replay->fd = bench_connect_start(&target, 0);
    return replay->fd < 0 ? complain(replay, replay->fd, strerrordesc_np(-replay->fd)) : 0;
}

int bench_replay_run(const struct bench_replay_plan *plan, struct bench_source *source,
                     struct bench_replay_result *ret_result,
                     char complaint[static BENCH_REPLAY_ERROR_MAX])
{
    struct replay replay = {.plan = plan,
                            .source = source,
                            .result = ret_result,
                            .complaint = complaint,
                            .fd = -1,
                            .out_room = OUTPUT_SIZE,
                            .in_room = INPUT_SIZE};
    int error;

    *ret_result = (struct bench_replay_result){.latency = bench_hist_create()};
    replay.slots = malloc(SLOTS_MAX * sizeof(*replay.slots));
    replay.next_slots = malloc(SLOTS_MAX * sizeof(*replay.next_slots));
    replay.out = malloc(replay.out_room);
    replay.in = malloc(replay.in_room);
    if (ret_result->latency == NULL || replay.slots == NULL || replay.next_slots == NULL ||
        replay.out == NULL || replay.in == NULL) {
        error = complain(&replay, -ENOMEM, "no memory");
    } else {
        error = open_connection(&replay);
    }
    if (error == 0) {
        error = go(&replay);
    }
    if (replay.fd >= 0) {
        (void)close(replay.fd);
    }
    free(replay.slots);
    free(replay.next_slots);
    free(replay.out);
    free(replay.in);
    if (error != 0) {
        bench_replay_result_fini(ret_result);
    }
    return error;
}

void bench_replay_result_fini(struct bench_replay_result *result)
{
    bench_hist_destroy(&result->latency);
}
