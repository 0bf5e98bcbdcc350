/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A lane's bytes: requests out, answers in.
 *
 * One send for what goes out together, one receive for what has come. Answers are read where they were received; what remains of an
 * answer that is not all there goes to the connection's own room, and the rest of a large one is then received right behind it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "cli/mcbench/lane.h"

enum {
    EVENTS_MAX = 128,
    DRAWN_MAX = 64, /* keys that are drawn together */
    REST_COPIED_MAX =
        4096, /* bytes in front of which the next are received into the common input */
};

/* ---- requests out ---- */

static char *out_of(const struct bench_lane *lane, const struct bench_conn *conn)
{
    return lane->outs + (size_t)(conn - lane->conns) * lane->out_room;
}

/* As send(), with TLS where there is. */
static ssize_t send_bytes(struct bench_lane *lane, const struct bench_conn *conn, const char *data,
                          size_t size)
{
    if (BASE_UNLIKELY(lane->sessions != NULL)) {
        return bench_secure_send(lane->sessions[conn - lane->conns], data, size);
    }
    return send(conn->fd, data, size, MSG_NOSIGNAL);
}

static ssize_t receive_bytes(struct bench_lane *lane, const struct bench_conn *conn, char *to,
                             size_t room)
{
    if (BASE_UNLIKELY(lane->sessions != NULL)) {
        return bench_secure_recv(lane->sessions[conn - lane->conns], to, room);
    }
    return recv(conn->fd, to, room, MSG_DONTWAIT);
}

/* errno is of one of these two. */
static bool lost(struct bench_lane *lane, const struct bench_conn *conn, const char *what)
{
    const int error = errno;
    char words[640];

    if (error != EPROTO || lane->sessions == NULL) {
        return bench_lane_fail(lane, conn, error, what);
    }
    (void)snprintf(words, sizeof(words), "%s: %s", what,
                   bench_secure_error(lane->sessions[conn - lane->conns]));
    return bench_lane_fail(lane, conn, error, words);
}

static bool watch(struct bench_lane *lane, struct bench_conn *conn, bool for_room)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)(conn - lane->conns)};

    conn->waits_for_room = for_room;
    if (for_room) {
        event.events |= EPOLLOUT;
    }
    if (epoll_ctl(lane->epoll, EPOLL_CTL_MOD, conn->fd, &event) != 0) {
        return bench_lane_fail(lane, conn, errno, "cannot wait for the connection");
    }
    return true;
}

/* Sends what the socket did not take earlier. */
static bool flush(struct bench_lane *lane, struct bench_conn *conn)
{
    while (conn->out_sent < conn->out_size) {
        const ssize_t sent = send_bytes(lane, conn, out_of(lane, conn) + conn->out_sent,
                                        conn->out_size - conn->out_sent);

        if (sent < 0) {
            return errno == EAGAIN || lost(lane, conn, "cannot be sent to");
        }
        conn->out_sent += (uint32_t)sent;
    }
    conn->out_size = 0;
    conn->out_sent = 0;
    return watch(lane, conn, false);
}

/* Sends the chunk; what the socket does not take becomes the connection's. */
static bool send_chunk(struct bench_lane *lane, struct bench_conn *conn, size_t size)
{
    ssize_t sent = send_bytes(lane, conn, lane->chunk, size);

    if (BASE_LIKELY(sent == (ssize_t)size)) {
        return true;
    }
    if (sent < 0) {
        if (errno != EAGAIN) {
            return lost(lane, conn, "cannot be sent to");
        }
        sent = 0;
    }
    conn->out_sent = 0;
    conn->out_size = (uint32_t)(size - (size_t)sent);
    CHECK(conn->out_size <= lane->out_room);
    memcpy(out_of(lane, conn), lane->chunk + sent, conn->out_size);
    return watch(lane, conn, true);
}

/* What is to be sent next, whatever that is. Its due_ns is set in an open loop only. */
static void take_request(struct bench_lane *lane, struct bench_request *request)
{
    if (BASE_UNLIKELY(lane->is_storing)) {
        CHECK(bench_draw_store(&lane->draw, request));
        return;
    }
    if (lane->fill_count > 0) {
        const struct bench_fill *fill = &lane->fill_ring[lane->fill_first];

        lane->fill_first = (lane->fill_first + 1) & (lane->fill_room - 1);
        lane->fill_count--;
        bench_draw_fill(&lane->draw, (enum bench_space)fill->space, fill->number, request);
        request->due_ns = fill->due_ns;
        return;
    }
    bench_draw_next(&lane->draw, request,
                    lane->numbers == NULL
                        ? NULL
                        : lane->numbers + (size_t)(request - lane->requests) * lane->keys_max);
    if (lane->is_open) {
        request->due_ns = bench_pace_take(&lane->pace);
    }
}

/* Writes one request of the mix, behind so many bytes; returns its size. */
static size_t write_one(const struct bench_lane *lane, struct bench_request *request, size_t size)
{
    if (lane->plain.is_on && request->verb == BENCH_GET && request->key_count == 1) {
        const uint64_t number = request->numbers[0];

        return bench_plain_write(&lane->plain, 1, &number, request, lane->chunk + size);
    }
    return lane->wire->write(lane->work, request, lane->chunk + size);
}

/* Is what goes out next nothing but plain gets? */
static bool asks_plain_gets(const struct bench_lane *lane)
{
    return lane->plain.is_on && !lane->is_storing && lane->fill_count == 0 &&
           bench_draw_is_gets(&lane->draw);
}

/*
 * Writes `count` plain gets, or as many as the chunk holds, drawn and written together; the first is that request of the ring. Returns
 * how many.
 */
static uint32_t write_gets(struct bench_lane *lane, const struct bench_conn *conn,
                           struct bench_request *request, uint32_t count, size_t *ret_size)
{
    struct bench_request *const ring = bench_lane_ring(lane, conn);
    uint64_t numbers[DRAWN_MAX];
    const size_t most = (lane->chunk_room - BENCH_FORM_MAX) / lane->plain.get_size;
    const uint32_t total = count < most ? count : (uint32_t)most;
    uint32_t left = total;

    *ret_size = 0;
    while (left > 0) {
        const uint32_t room = lane->depth - (uint32_t)(request - ring);
        uint32_t part = left < room ? left : room;

        part = part < DRAWN_MAX ? part : DRAWN_MAX;
        bench_draw_gets(&lane->draw, part, numbers);
        *ret_size +=
            bench_plain_write(&lane->plain, part, numbers, request, lane->chunk + *ret_size);
        for (uint32_t i = 0; lane->is_open && i < part; i++) {
            request[i].due_ns = bench_pace_take(&lane->pace);
        }
        left -= part;
        request = part == room ? ring : request + part;
    }
    return total;
}

/* Writes up to `count` requests of any kind, as send_some() says; returns how many. */
static uint32_t write_mix(struct bench_lane *lane, const struct bench_conn *conn,
                          struct bench_request *request, uint32_t count, bool is_whole,
                          size_t *ret_size)
{
    const struct bench_request *ring_end = bench_lane_ring(lane, conn) + lane->depth;
    uint32_t written_count = 0;
    size_t size = 0;
    bool is_full;

    do {
        take_request(lane, request);
        is_full = size + 2 * lane->request_room > lane->chunk_room;
        written_count++;
        if (request->quiet && (written_count == count || (is_full && is_whole))) {
            request->quiet = false;
        }
        size += write_one(lane, request, size);
        if (++request == ring_end) {
            request -= lane->depth;
        }
    } while (written_count < count && !is_full);
    *ret_size = size;
    return written_count;
}

/* Stamps `count` requests of the connection, from that one on: they go out now. */
static void stamp(struct bench_lane *lane, const struct bench_conn *conn,
                  struct bench_request *request, uint32_t count)
{
    struct bench_request *const ring = bench_lane_ring(lane, conn);
    const uint32_t room = lane->depth - (uint32_t)(request - ring);
    const struct bench_request *const end = request + (count < room ? count : room);
    const uint64_t now_ns = base_clock_monotonic_ns();

    for (; request < end; request++) {
        request->sent_ns = now_ns;
    }
    for (uint32_t i = room; i < count; i++) {
        ring[i - room].sent_ns = now_ns;
    }
}

/* Counts those of them that went out late. */
static void count_late(struct bench_lane *lane, const struct bench_conn *conn, uint32_t first,
                       uint32_t count)
{
    for (uint32_t i = first; i < first + count; i++) {
        const struct bench_request *request = bench_lane_request(lane, conn, i);

        lane->counts.late += bench_pace_is_late(&lane->pace, request->due_ns, request->sent_ns);
    }
}

/*
 * Writes and sends up to count > 0 requests, as many as one chunk holds; *ret_count: so many. is_whole: a chunk that ends early ends
 * with a request that is answered, because it is not known what goes out behind it; else only the last of all `count` must be one.
 */
static bool send_some(struct bench_lane *lane, struct bench_conn *conn, uint32_t count,
                      bool is_whole, uint32_t *ret_count)
{
    struct bench_request *const first = bench_lane_request(lane, conn, conn->count);
    size_t size;
    const uint32_t written_count = asks_plain_gets(lane)
                                       ? write_gets(lane, conn, first, count, &size)
                                       : write_mix(lane, conn, first, count, is_whole, &size);

    stamp(lane, conn, first, written_count);
    if (lane->is_open) {
        count_late(lane, conn, conn->count, written_count);
    }
    conn->count = (uint16_t)(conn->count + written_count);
    conn->issued_count += written_count;
    *ret_count = written_count;
    return send_chunk(lane, conn, size);
}

/* Closed loop: as much of the batch as the socket takes. */
static bool continue_batch(struct bench_lane *lane, struct bench_conn *conn)
{
    while (conn->planned > 0 && !conn->waits_for_room) {
        uint32_t sent_count;

        if (!send_some(lane, conn, conn->planned, false, &sent_count)) {
            return false;
        }
        conn->planned = (uint16_t)(conn->planned - sent_count);
    }
    return true;
}

bool bench_lane_start_batch(struct bench_lane *lane, struct bench_conn *conn)
{
    uint64_t count = lane->work->pipeline;

    if (lane->is_storing) {
        count = lane->stores_left < lane->depth ? lane->stores_left : lane->depth;
        lane->stores_left -= count;
    } else if (lane->work->requests_per_connection > 0) {
        const uint64_t left = lane->work->requests_per_connection - conn->issued_count;

        count = left < count ? left : count;
    }
    if (count == 0) {
        return true;
    }
    conn->planned = (uint16_t)count;
    lane->active_count++;
    return continue_batch(lane, conn);
}

/* ---- open loop ---- */

static uint32_t free_count(const struct bench_lane *lane, const struct bench_conn *conn)
{
    const uint32_t free = lane->depth - conn->count;
    const uint64_t limit = lane->work->requests_per_connection;

    if (conn->waits_for_room || conn->fd < 0) {
        return 0;
    }
    return limit > 0 && limit - conn->issued_count < free ? (uint32_t)(limit - conn->issued_count)
                                                          : free;
}

/* Queues a connection that has room for a request. */
static void offer(struct bench_lane *lane, struct bench_conn *conn, uint64_t now_ns)
{
    uint32_t last = lane->ready_first + lane->ready_count;

    if (!lane->is_open || lane->is_storing || conn->is_ready || free_count(lane, conn) == 0) {
        return;
    }
    if (last >= lane->conn_count) {
        last -= lane->conn_count;
    }
    lane->ready[last] = (uint32_t)(conn - lane->conns);
    lane->ready_count++;
    conn->is_ready = true;
    bench_pace_unblock(&lane->pace, now_ns);
}

void bench_lane_offer_all(struct bench_lane *lane, uint64_t now_ns)
{
    for (uint32_t i = 0; i < lane->conn_count; i++) {
        offer(lane, &lane->conns[i], now_ns);
    }
}

bool bench_lane_send_due(struct bench_lane *lane, uint64_t now_ns, bool *ret_has_sent)
{
    /* What becomes due meanwhile has its turn after the answers. */
    uint64_t due_count = bench_pace_due(&lane->pace, now_ns) + lane->fill_count;

    *ret_has_sent = due_count > 0 && lane->ready_count > 0;
    while (due_count > 0) {
        struct bench_conn *conn;
        uint32_t share;

        if (lane->ready_count == 0) {
            bench_pace_block(&lane->pace);
            return true;
        }
        conn = &lane->conns[lane->ready[lane->ready_first]];
        share = bench_pace_share(due_count, lane->ready_count, free_count(lane, conn));
        lane->ready_first = lane->ready_first + 1 == lane->conn_count ? 0 : lane->ready_first + 1;
        lane->ready_count--;
        conn->is_ready = false;
        if (conn->count == 0) {
            lane->active_count++;
        }
        if (!send_some(lane, conn, share, true, &share)) {
            return false;
        }
        due_count -= share;
        offer(lane, conn, now_ns);
    }
    return true;
}

/* ---- answers in ---- */

/* The misses from that index on. */
static void queue_fills(struct bench_lane *lane, enum bench_space space, uint32_t first,
                        uint64_t now_ns)
{
    for (uint32_t i = first; i < lane->outcome.misses && lane->fill_count < lane->fill_room; i++) {
        const uint32_t at = (lane->fill_first + lane->fill_count) & (lane->fill_room - 1);

        lane->fill_ring[at] = (struct bench_fill){(uint32_t)lane->outcome.missed[i], space, now_ns};
        lane->fill_count++;
    }
}

/* How long that request, and so many more that were sent with it, took. */
static inline void record(struct bench_lane *lane, const struct bench_request *request,
                          uint32_t count, uint64_t now_ns)
{
    if (!lane->is_open) {
        if (lane->is_counting) {
            bench_hist_record_all(lane->service, now_ns - request->sent_ns, count);
        }
    } else if (request->due_ns >= lane->record_from_ns && request->due_ns < lane->record_to_ns) {
        bench_hist_record_all(lane->service, now_ns - request->sent_ns, count);
        bench_hist_record_all(lane->intended, now_ns - request->due_ns, count);
    }
}

/* Takes the outcome of a request that is answered, and clears it for the next. */
static inline void account(struct bench_lane *lane, const struct bench_request *request,
                           uint64_t now_ns)
{
    struct bench_counts *counts = &lane->counts;
    struct bench_outcome *outcome = &lane->outcome;

    counts->per_verb[request->verb]++;
    if (request->verb == BENCH_GET) {
        counts->keys += request->key_count;
        counts->hits += outcome->hits;
        counts->misses += outcome->misses;
        counts->value_bytes += outcome->value_bytes;
        outcome->value_bytes = 0;
    }
    outcome->hits = 0;
    outcome->misses = 0;
    if (!request->quiet) { /* of those nobody knows how long they took */
        record(lane, request, 1, now_ns);
    }
}

/* So many plain gets have been hits, which all came at the same moment. Many have been sent together, too: one record for those. */
static void account_gets(struct bench_lane *lane, const struct bench_request *requests,
                         uint32_t count, uint64_t now_ns)
{
    struct bench_counts *counts = &lane->counts;

    counts->per_verb[BENCH_GET] += count;
    counts->keys += count;
    counts->hits += count;
    counts->value_bytes += (uint64_t)lane->plain.value_size * count;
    if (!lane->is_open && requests[0].sent_ns == requests[count - 1].sent_ns) {
        record(lane, requests, count, now_ns);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        record(lane, &requests[i], 1, now_ns);
    }
}

/* The connection has part_* of its oldest request: between two receives they are kept there. */
static void load_part(struct bench_lane *lane, const struct bench_conn *conn)
{
    lane->outcome.hits = conn->part_hits;
    lane->outcome.misses = conn->part_misses;
    lane->outcome.value_bytes = conn->part_bytes;
}

static void save_part(const struct bench_lane *lane, struct bench_conn *conn)
{
    conn->part_hits = (uint16_t)lane->outcome.hits;
    conn->part_misses = (uint16_t)lane->outcome.misses;
    conn->part_bytes = lane->outcome.value_bytes;
}

/*
 * The rarer outcomes. MORE: nothing is answered yet. REFUSED: counted; but a key that is not stored beforehand is missing later.
 * False when the lane has failed.
 */
BASE_COLD static bool take_rare(struct bench_lane *lane, struct bench_conn *conn,
                                const struct bench_request *request, enum bench_answer answer,
                                struct base_slice input)
{
    if (answer == BENCH_ANSWER_WRONG || (answer == BENCH_ANSWER_REFUSED && lane->is_storing)) {
        return bench_lane_fail_answer(lane, conn, request, input, lane->outcome.complaint);
    }
    lane->counts.refused += answer == BENCH_ANSWER_REFUSED;
    return true;
}

/* So many of the oldest requests are done with; they stand in the ring in one piece. */
static inline void advance(const struct bench_lane *lane, struct bench_conn *conn, uint32_t count)
{
    const uint32_t head = conn->head + count;

    conn->head = head == lane->depth ? 0 : (uint16_t)head;
    conn->count = (uint16_t)(conn->count - count);
}

/* Plain gets from the oldest request on, as many as are hits. False when that one is not. */
static inline bool read_gets(struct bench_lane *lane, struct bench_conn *conn,
                             const struct bench_request *requests, struct base_slice *input,
                             uint64_t now_ns)
{
    const uint32_t room = lane->depth - conn->head;
    const uint32_t count =
        bench_plain_read(&lane->plain, conn->count < room ? conn->count : room, requests, input);

    if (count == 0) {
        return false;
    }
    account_gets(lane, requests, count, now_ns);
    advance(lane, conn, count);
    return true;
}

/* All answers that are in the input. What stays of it belongs to one that is not all there. */
static bool read_some(struct bench_lane *lane, struct bench_conn *conn, struct base_slice *input,
                      uint64_t now_ns)
{
    struct bench_request *const ring = bench_lane_ring(lane, conn);
    struct base_slice rest = *input;
    enum bench_answer answer = BENCH_ANSWER_DONE;
    uint32_t queued_count = conn->part_misses;

    while (conn->count > 0 && rest.size > 0 && answer != BENCH_ANSWER_MORE) {
        struct bench_request *request = &ring[conn->head];
        size_t consumed = 0;

        if (request->letters != 0 && read_gets(lane, conn, request, &rest, now_ns)) {
            continue;
        }

        answer = lane->wire->read(lane->work, request, rest, &consumed, &lane->outcome);
        if (BASE_UNLIKELY(answer != BENCH_ANSWER_DONE) &&
            !take_rare(lane, conn, request, answer, rest)) {
            return false;
        }
        rest.data += consumed;
        rest.size -= consumed;
        request->letters = consumed > 0 ? 0 : request->letters;
        if (BASE_UNLIKELY(lane->outcome.misses > queued_count) && lane->fills) {
            queue_fills(lane, request->space, queued_count, now_ns);
        }
        if (BASE_LIKELY(answer != BENCH_ANSWER_MORE)) {
            account(lane, request, now_ns);
            queued_count = 0;
            advance(lane, conn, 1);
        }
    }
    *input = rest;
    return true;
}

static bool read_answers(struct bench_lane *lane, struct bench_conn *conn, struct base_slice *input,
                         uint64_t now_ns)
{
    const uint32_t before_count = conn->count;
    uint32_t answered_count;

    load_part(lane, conn);
    if (!read_some(lane, conn, input, now_ns)) {
        return false;
    }
    save_part(lane, conn);
    answered_count = before_count - conn->count;
    lane->counts.requests += answered_count;
    conn->answered_count += answered_count;
    /* The progress line reads it; this thread alone writes. */
    atomic_store_explicit(&lane->answered_count,
                          atomic_load_explicit(&lane->answered_count, memory_order_relaxed) +
                              answered_count,
                          memory_order_relaxed);
    if (conn->count == 0) {
        conn->head = 0; /* the same few requests again: they are in the cache */
        if (input->size > 0) {
            return bench_lane_fail_answer(lane, conn, NULL, *input,
                                          "an answer that nobody asked for");
        }
    }
    return true;
}

/* The batch is answered, or, in an open loop, all that was under way. */
static bool on_idle(struct bench_lane *lane, struct bench_conn *conn)
{
    const uint64_t limit = lane->work->requests_per_connection;

    lane->active_count--;
    if (lane->is_stopping) {
        return true;
    }
    if (limit > 0 && !lane->is_storing && conn->issued_count >= limit) {
        if (!bench_lane_reconnect(lane, conn)) {
            return false;
        }
        if (conn->fd < 0) {
            return true; /* bench_lane_retry() */
        }
    }
    return (lane->is_open && !lane->is_storing) || bench_lane_start_batch(lane, conn);
}

/* Keeps what was not read until more has come. */
static bool keep_rest(struct bench_lane *lane, struct bench_conn *conn, char *rest,
                      struct base_slice input)
{
    if (input.size >= lane->rest_room) {
        return bench_lane_fail_answer(lane, conn, bench_lane_request(lane, conn, 0), input,
                                      "the answer does not end");
    }
    if (input.size > 0 && input.data != rest) {
        memmove(rest, input.data, input.size);
    }
    conn->rest_size = (uint32_t)input.size;
    return true;
}

static bool on_input(struct bench_lane *lane, struct bench_conn *conn)
{
    char *rest = lane->rests + (size_t)(conn - lane->conns) * lane->rest_room;
    const bool is_copied = conn->rest_size <= REST_COPIED_MAX;
    char *input = is_copied ? lane->input : rest;
    const size_t room = is_copied ? BENCH_INPUT_SIZE : lane->rest_room;
    struct base_slice answers;
    uint64_t now_ns;
    ssize_t got;

    if (is_copied && conn->rest_size > 0) {
        memcpy(input, rest, conn->rest_size);
    }
    got = receive_bytes(lane, conn, input + conn->rest_size, room - conn->rest_size);
    if (BASE_UNLIKELY(got <= 0)) {
        if (got < 0 && errno == EAGAIN) {
            return true;
        }
        return got == 0 ? bench_lane_fail(lane, conn, ECONNRESET, "closed the connection")
                        : lost(lane, conn, "cannot be received from");
    }
    now_ns = base_clock_monotonic_ns();
    answers = (struct base_slice){input, conn->rest_size + (size_t)got};
    if (!read_answers(lane, conn, &answers, now_ns) || !keep_rest(lane, conn, rest, answers)) {
        return false;
    }
    if (conn->count == 0 && conn->planned == 0 && !on_idle(lane, conn)) {
        return false;
    }
    offer(lane, conn, now_ns);
    return true;
}

static bool on_room(struct bench_lane *lane, struct bench_conn *conn)
{
    if (!flush(lane, conn)) {
        return false;
    }
    offer(lane, conn, base_clock_monotonic_ns());
    return continue_batch(lane, conn);
}

bool bench_lane_turn(struct bench_lane *lane, uint32_t *ret_event_count)
{
    struct epoll_event events[EVENTS_MAX];
    const int count = epoll_wait(lane->epoll, events, EVENTS_MAX, 0);

    if (count < 0 && errno != EINTR) {
        return bench_lane_fail(lane, NULL, errno, "cannot be waited for");
    }
    for (int i = 0; i < count; i++) {
        struct bench_conn *conn = &lane->conns[events[i].data.u32];

        if ((events[i].events & EPOLLOUT) != 0 && !on_room(lane, conn)) {
            return false;
        }
        if ((events[i].events & ~(uint32_t)EPOLLOUT) == 0) {
            continue;
        }
        do {
            if (!on_input(lane, conn)) {
                return false;
            }
        } while (lane->sessions != NULL && conn->fd >= 0 &&
                 bench_secure_holds(lane->sessions[conn - lane->conns]));
    }
    *ret_event_count = count > 0 ? (uint32_t)count : 0;
    return true;
}

bool bench_lane_hear_silence(struct bench_lane *lane)
{
    for (uint32_t i = 0; i < lane->conn_count; i++) {
        struct bench_conn *conn = &lane->conns[i];
        const ssize_t got =
            conn->fd < 0 ? -1 : receive_bytes(lane, conn, lane->input, BENCH_INPUT_SIZE);

        if (got > 0) {
            return bench_lane_fail_answer(lane, conn, NULL,
                                          (struct base_slice){lane->input, (size_t)got},
                                          "an answer that nobody asked for");
        }
    }
    return true;
}
