/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One run: lanes that make load, perhaps a lane that only measures, and what came of it.
 *
 * bench_run() starts a thread per lane, each with its own connections, epoll descriptor, keys and histograms; they share nothing
 * but the moment to stop. The caller's thread watches: progress, the CPU accounts, whether the generator itself was the limit.
 */
#ifndef LARDER_MCBENCH_RUN_H
#define LARDER_MCBENCH_RUN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cli/mcbench/hist.h"
#include "cli/mcbench/work.h"

enum { BENCH_CPUS_MAX = 64, BENCH_REASON_MAX = 400 };

struct bench_plan {
    const char *address;    /* "HOST:PORT", "[V6]:PORT", or the path of a UNIX socket; borrowed */
    bool tls, tls_insecure; /* secure.h; insecure: any certificate will do */
    const char *tls_ca;     /* borrowed; NULL: the system's */
    struct bench_work work;
    uint64_t warmup_ns; /* counted by nobody */
    uint64_t window_ns; /* counted */
    bool populate;      /* store every key of the value space once, before the clock starts */
    bool populate_only;
    bool probe; /* a measuring lane: one connection, one request at a time, probe_rate per second */
    double probe_rate;
    pid_t server;       /* whose CPU time is read; 0: nobody's */
    uint32_t cpu_count; /* lanes are pinned to cpus[lane % cpu_count]; 0: not pinned */
    int cpus[BENCH_CPUS_MAX];
    bool progress; /* a line on standard error, once a second */
    /* SIGINT ends the run early, and what was measured until then is reported. It is blocked in every thread meanwhile. */
    bool interruptible;
    uint64_t stall_ns; /* so long without an answer on a connection fails the run; 0: 10 s */
};

/* From the kernel's accounts (schedstat), over the window. */
struct bench_cpu {
    uint64_t run_ns;
    uint64_t wait_ns; /* ready to run while something else had the CPU */
};

struct bench_result {
    uint64_t wall_ns;
    uint64_t requests; /* answered within the window; a multi-get is one */
    uint64_t keys;     /* GET: keys asked for */
    uint64_t hits, misses;
    uint64_t per_verb[BENCH_VERB_COUNT];
    uint64_t value_bytes; /* of values that came back */
    uint64_t refused;     /* error lines that do not fail a run */
    uint64_t reconnects;
    uint64_t
        late; /* open loop: sent more than 1 ms after they were due through the generator's own fault */
    uint64_t unsent; /* open loop: due, and not sent when the window ended */
    struct bench_cpu server;
    struct bench_cpu load; /* all lanes */
    uint64_t load_user_ns; /* of load.run_ns, spent outside the kernel */
    uint64_t
        load_busy_ns; /* of load.run_ns, in turns that had something to do; lanes never sleep */
    struct bench_hist *service;  /* from the actual sending; owned */
    struct bench_hist *intended; /* from the intended sending; NULL in a closed loop; owned */
    struct bench_hist *probe;    /* the measuring lane's; NULL without one; owned */
    /* Closed loop: the lanes always had something to do, and the server had time left. So the requests per second are the
     * generator's; the server's CPU time per request is right. */
    bool is_load_bound; /* not when the run is void */
    bool is_cut;        /* SIGINT ended it early: wall_ns is less than asked for */
    bool is_void;       /* the generator, not the server, was measured: */
    char reason[BENCH_REASON_MAX];
};

/*
 * 0; or a negative errno, and what went wrong in `complaint`: the server cannot be reached, closed the connection, or answered
 * wrong (then with the exchange, in hexadecimal and text). -EBADMSG is a wrong answer.
 */
int bench_run(const struct bench_plan *plan, struct bench_result *ret_result,
              char complaint[static 4096]);
void bench_result_fini(struct bench_result *result);

#endif
