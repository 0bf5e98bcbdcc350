/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A lane: one thread with connections of its own, which asks, and checks what is answered.
 *
 * A lane never sleeps while it measures: it asks epoll without waiting, so that no server pays for waking it and nothing it sends
 * is late for having slept. It must have a CPU of its own. All memory is there before the clock starts; pages that no connection
 * has needed so far may still be touched for the first time.
 *
 *   closed loop   each connection has a batch of `pipeline` requests under way; the next goes out when the last answer is there
 *   open loop     requests go out when they are due, each on the connection whose turn it is, whatever is under way there, up to
 *                 `depth` per connection. When every connection has that many, what is due waits, and its intended moment stands
 *
 * lane.c (phases, turns), lane_io.c (bytes), lane_connect.c (descriptors), lane_fault.c (what to say when it fails). run.c starts
 * lanes and adds up what they have measured. A lane's fields belong to its thread until that has ended, but for the atomics.
 */
#ifndef LARDER_MCBENCH_LANE_H
#define LARDER_MCBENCH_LANE_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "cli/mcbench/connect.h"
#include "cli/mcbench/draw.h"
#include "cli/mcbench/gate.h"
#include "cli/mcbench/hist.h"
#include "cli/mcbench/lane_time.h"
#include "cli/mcbench/pace.h"
#include "cli/mcbench/plain.h"
#include "cli/mcbench/run.h"
#include "cli/mcbench/schedule.h"
#include "cli/mcbench/secure.h"
#include "cli/mcbench/wire.h"

enum {
    BENCH_COMPLAINT_MAX = 4096,    /* bytes, the NUL included */
    BENCH_INPUT_SIZE = 256 * 1024, /* bytes; holds the answers to most batches */
};

enum bench_ending {
    BENCH_GOES_ON,
    BENCH_CUT,    /* by SIGINT: what is under way is awaited */
    BENCH_FAILED, /* by a lane: nothing is awaited */
};

/* What all threads of a run share. Written by bench_run() before the gate behind which it is read, but for the atomics. */
struct bench_stage {
    const struct bench_plan *plan;
    const struct bench_wire *wire;
    struct bench_target target;
    struct bench_secure *secure; /* NULL: no TLS */
    uint64_t stall_ns;
    struct bench_gate gate; /* passed three times: connected, stored, started */
    uint64_t start_ns, count_ns, end_ns;
    /* Relaxed: nothing is read because of them that a join or a gate does not order. */
    _Atomic uint32_t ending;    /* enum bench_ending */
    _Atomic uint32_t ask_count; /* grows when the progress line wants to know the lanes' latency */
};

/* Hot: one cache line. */
struct bench_conn {
    int fd;               /* -1: not open */
    uint16_t head, count; /* of its requests, a ring of lane->depth: those under way */
    uint16_t planned;     /* closed loop: requests of the batch that are still to be written */
    bool is_ready;        /* open loop: in the queue of those that have room */
    bool waits_for_room;  /* the socket was full: epoll says when it is not */
    uint32_t rest_size;   /* bytes of an answer that is not all there */
    uint32_t out_size, out_sent;     /* bytes of what the socket did not take */
    uint16_t part_hits, part_misses; /* of the oldest request, as far as it is answered */
    uint64_t part_bytes;
    uint64_t issued_count;   /* requests since it was opened */
    uint64_t answered_count; /* requests, ever */
};
static_assert(sizeof(struct bench_conn) <= 64, "one cache line");

struct bench_counts {
    uint64_t requests, keys, hits, misses;
    uint64_t per_verb[BENCH_VERB_COUNT];
    uint64_t value_bytes, refused, reconnects, late;
};

/* A set that is due because a key was missing. */
struct bench_fill {
    uint32_t number; /* key numbers are below 2^32 */
    uint32_t space;
    uint64_t due_ns;
};

struct bench_lane {
    /* ---- constant once connected ---- */
    struct bench_stage *stage;
    const struct bench_work *work;
    const struct bench_wire *wire;
    uint32_t index;
    uint32_t conn_count;
    uint32_t depth; /* requests that may be under way on one connection */
    uint32_t keys_max;
    bool is_open;
    bool fills;
    int epoll;
    struct bench_conn *conns;
    struct bench_session **sessions; /* by connection; NULL: no TLS */
    struct bench_request *requests;  /* depth for each connection */
    uint64_t *numbers;               /* keys_max for each request; NULL when that is 1 */
    char *rests; /* rest_room for each connection: answers that are not all there */
    char *outs;  /* out_room for each connection: what its socket did not take */
    size_t rest_room, out_room;
    size_t request_room; /* one request at most */
    size_t chunk_room;   /* of chunk: what is written before it is sent */
    char *chunk;
    char *input;
    uint32_t *ready; /* open loop: connections that have room, a ring of conn_count */
    struct bench_fill *fill_ring;
    uint32_t fill_room; /* a power of two */
    struct bench_schedule schedule;
    struct bench_hist *service, *intended; /* owned; intended is NULL in a closed loop */
    struct bench_plain plain;

    /* ---- hot ---- */
    struct bench_draw draw;
    struct bench_pace pace;
    uint32_t active_count; /* connections with something under way or planned */
    uint32_t ready_first, ready_count;
    uint32_t fill_first, fill_count;
    bool is_storing;                       /* requests come from bench_draw_store() */
    bool is_stopping;                      /* nothing new is sent */
    bool is_counting;                      /* closed loop: latencies are recorded */
    uint64_t record_from_ns, record_to_ns; /* open loop: what was due then is recorded */
    struct bench_counts counts;            /* of the window */
    uint64_t busy_ns;
    uint64_t serial;       /* of connections opened */
    uint32_t check_next;   /* connection that is looked at next for a stall */
    uint64_t check_at_ns;  /* when the next few are */
    uint64_t stores_left;  /* sets of bench_draw_store() that are not planned yet */
    uint32_t closed_count; /* connections that could not be opened again so far */

    /* ---- results ---- */
    struct bench_counts result;
    struct bench_lane_time from, to;
    uint64_t unsent;
    int error; /* 0, or what went wrong: */
    char complaint[BENCH_COMPLAINT_MAX];
    struct bench_outcome outcome; /* scratch: large, and hot only at its start */

    /* ---- read by the progress line ---- */
    _Atomic uint64_t answered_count; /* requests, since the lane started */
    _Atomic uint64_t p99_ns;
    uint32_t asked_count; /* of stage->ask_count, seen so far */
};

/* NULL: no memory. stage and work are borrowed as long as the lane lives; the work is the plan's, or the measuring lane's own. */
struct bench_lane *bench_lane_create(struct bench_stage *stage, const struct bench_work *work,
                                     uint32_t index);
void bench_lane_destroy(struct bench_lane **lane);
/* The thread: a struct bench_lane. Always returns NULL; lane->error says how it went. */
void *bench_lane_main(void *lane);
/*
 * The thread of the measuring lane: one connection, one request at a time, at moments of its own. It sleeps in between, as clients
 * do. Its keys are its own, too, so nobody else changes or deletes them.
 */
void *bench_lane_probe_main(void *lane);
/* The measuring lane's workload, out of the plan's. */
void bench_lane_probe_work(const struct bench_work *work, struct bench_work *ret_work);

/* ---- between the files of a lane ---- */

/* All of these return false when the lane has failed: then error and complaint are set. */

/* Pins the calling thread to the CPU that the plan has for the lane of that number. */
bool bench_lane_pin(struct bench_lane *lane, uint32_t number);
/* Stores every key of this lane's part, and awaits the answers. */
bool bench_lane_store(struct bench_lane *lane);
/* Opens all connections, some at a time. */
bool bench_lane_connect(struct bench_lane *lane);
/* Closes a connection on which nothing is under way and opens it again, or remembers to. */
bool bench_lane_reconnect(struct bench_lane *lane, struct bench_conn *conn);
/* Tries again what could not be opened at once. */
bool bench_lane_retry(struct bench_lane *lane);

/* Serves what epoll has to say, without waiting. *ret_event_count: how much that was. */
bool bench_lane_turn(struct bench_lane *lane, uint32_t *ret_event_count);
/* Closed loop: the next batch of an idle connection, if there is something to send. */
bool bench_lane_start_batch(struct bench_lane *lane, struct bench_conn *conn);
/* Open loop: sends what is due. *ret_has_sent: was anything? */
bool bench_lane_send_due(struct bench_lane *lane, uint64_t now_ns, bool *ret_has_sent);
/* Open loop: queues all connections that have room. */
void bench_lane_offer_all(struct bench_lane *lane, uint64_t now_ns);
/* Has the server anything to say that nobody asked for? At the end. */
bool bench_lane_hear_silence(struct bench_lane *lane);

/* Looks at some of the connections: has one waited for too long? */
bool bench_lane_check_stall(struct bench_lane *lane, uint64_t now_ns);

/* ---- failing: all return false ---- */

/* The server, or the system, did not do what it should: "ADDRESS what (why)" and the connection's state. conn may be NULL. */
bool bench_lane_fail(struct bench_lane *lane, const struct bench_conn *conn, int error,
                     const char *what);
/* A wrong answer: with the request and what was answered, in hexadecimal and text. */
bool bench_lane_fail_answer(struct bench_lane *lane, const struct bench_conn *conn,
                            const struct bench_request *request, struct base_slice answer,
                            const char *why);

/* The connection's requests: lane->depth of them. */
static inline struct bench_request *bench_lane_ring(const struct bench_lane *lane,
                                                    const struct bench_conn *conn)
{
    return lane->requests + (size_t)(conn - lane->conns) * lane->depth;
}

/* The request that is at + 1 answers away, or, for at == conn->count, the place for the next. */
static inline struct bench_request *bench_lane_request(const struct bench_lane *lane,
                                                       const struct bench_conn *conn, uint32_t at)
{
    const uint32_t index = conn->head + at;

    return bench_lane_ring(lane, conn) + (index < lane->depth ? index : index - lane->depth);
}

#endif
