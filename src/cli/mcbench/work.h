/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A workload: what is asked of a server, said once. Parsed from the command line, or a row of workloads.def; read by everything
 * else, changed by nobody. The units stand in the names.
 */
#ifndef LARDER_MCBENCH_WORK_H
#define LARDER_MCBENCH_WORK_H

#include <stdbool.h>
#include <stdint.h>

enum bench_protocol {
    BENCH_TEXT,
    BENCH_META,
    BENCH_RESP, /* redis's */
    BENCH_BINARY,
};

enum bench_verb {
    BENCH_GET,    /* one key, or keys_per_get of them */
    BENCH_SET,    /* a new version of the value */
    BENCH_DELETE, /* of a key of its own range, so that values need not vanish from under the gets */
    BENCH_INCR,   /* of a counter of its own range */
    BENCH_VERB_COUNT,
};

enum bench_order {
    BENCH_UNIFORM,
    BENCH_ZIPF,       /* skew says how steep; the popular keys are scattered over the key space */
    BENCH_HOT,        /* hot_share of the requests go to hot_keys keys, the rest are uniform */
    BENCH_SEQUENTIAL, /* each lane takes its own part of the keys, in order, round and round */
};

enum bench_size_kind {
    BENCH_SIZE_FIXED, /* min */
    BENCH_SIZE_RANGE, /* min..max, each as likely; a key always has the same */
    BENCH_SIZE_ETC,   /* Facebook's ETC pool: Atikoglu et al., SIGMETRICS 2012 */
};

struct bench_sizes {
    enum bench_size_kind kind;
    uint32_t min, max; /* bytes */
};

enum bench_arrival {
    BENCH_CLOSED,  /* the next batch goes out when the last one's answers are there */
    BENCH_POISSON, /* at rate, whatever the server does; gaps are exponential */
    BENCH_BURSTS,  /* at rate, burst_size requests at the same moment */
};

struct bench_work {
    enum bench_protocol protocol;
    uint32_t shares[BENCH_VERB_COUNT]; /* of the requests, in parts of their sum */
    uint32_t keys_per_get; /* 1..500; the range keys_per_get..keys_per_get_max, each as likely */
    uint32_t keys_per_get_max;
    bool noreply;   /* sets go out quiet; the last of a batch answers */
    bool fill_miss; /* a get that misses is followed by a set of that key */

    enum bench_order order;
    double skew;                  /* ZIPF: 0.5..2 */
    uint64_t hot_keys;            /* HOT */
    double hot_share;             /* HOT: 0..1 */
    uint64_t key_count;           /* 1..2^32 - 1 */
    struct bench_sizes key_sizes; /* 16..250 bytes */
    struct bench_sizes value_sizes;
    uint32_t ttl_min_s, ttl_max_s; /* of sets; 0: they stay */

    uint32_t connections; /* over all lanes, 1..50000 */
    uint32_t
        pipeline; /* requests that go out together on a connection, and are awaited together: 1..1024 */
    uint32_t lanes;                   /* threads that make load */
    uint64_t requests_per_connection; /* then it is closed and opened again; 0: it stays */

    enum bench_arrival arrival;
    double rate; /* requests per second over all lanes */
    uint32_t burst_size;

    uint64_t seed; /* the same seed gives the same requests, lane by lane */

    /* Values are not compared, only their sizes: for a server that makes answers up, as `mcbench empty` does. Keys, flags and
     * framing are checked as ever. */
    bool trust_values;
};

enum { BENCH_WORK_ERROR_MAX = 160 }; /* bytes, the NUL included */

/*
 * Can it be done, and does it mean what it says? False, with what is wrong in `error`, for numbers out of bounds and for parts that
 * do not go together (work_rules.def). Pure; any thread.
 */
bool bench_work_check(const struct bench_work *work, char error[static BENCH_WORK_ERROR_MAX]);

#endif
