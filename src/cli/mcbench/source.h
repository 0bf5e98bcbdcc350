/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The requests that a replay sends: a trace's, with sizes where the trace has none, and perhaps with several tenants.
 *
 * Sizes of traces without any follow from the key: keys of 20..40 bytes, values of Facebook's ETC pool (sizes.h) or as the plan
 * says.
 *
 * Tenants are copies of the trace with key spaces of their own. They take turns, a request each, and every one begins at another
 * place and wraps around, so that they are not at the same place at the same time. So a working set can be had that is large beside
 * what a server needs for itself. Their keys are spelled from numbers, also where the trace has texts. One thread.
 */
#ifndef LARDER_MCBENCH_SOURCE_H
#define LARDER_MCBENCH_SOURCE_H

#include "cli/mcbench/trace_file.h"
#include "cli/mcbench/work.h"

struct bench_source_plan {
    const char *path; /* borrowed as long as the source lives */
    enum bench_trace_format format;
    uint64_t requests_max; /* of the trace; 0: all of them */
    uint32_t tenant_count; /* 1: the trace as it is, read as a stream. More: it is held in memory */
    const struct bench_sizes *value_sizes; /* where the trace has none; borrowed. NULL: ETC */
};

enum { BENCH_SOURCE_TENANTS_MAX = 4096 };

struct bench_source_request {
    uint64_t number; /* of the key, one to one but for chance */
    uint32_t key_size;
    uint32_t value_size; /* bytes */
    uint32_t ttl_s;
    enum bench_trace_op op;
    bool is_sized; /* the sizes are the trace's: a key's may change */
    char key[BASE_KEY_SIZE_MAX];
};

/* What a pass over the trace found; all tenants together. */
struct bench_source_survey {
    uint64_t requests;
    uint64_t keys;  /* distinct */
    uint64_t bytes; /* keys and values of them, each value at its largest */
};

struct bench_source;

/* Both return 0 or a negative errno, with the words in `complaint`. */
int bench_source_open(const struct bench_source_plan *plan, struct bench_source **ret_source,
                      char complaint[static BENCH_TRACE_FILE_ERROR_MAX]);
/* From the beginning again. */
int bench_source_rewind(struct bench_source *source,
                        char complaint[static BENCH_TRACE_FILE_ERROR_MAX]);
void bench_source_close(struct bench_source **source);

/* 1: a request. 0: the end. A negative errno, with the words in `complaint`. */
int bench_source_next(struct bench_source *source, struct bench_source_request *ret_request,
                      char complaint[static BENCH_TRACE_FILE_ERROR_MAX]);

/* Reads the plan's trace to its end, on its own. 0 or a negative errno, as above. */
int bench_source_survey(const struct bench_source_plan *plan,
                        struct bench_source_survey *ret_survey,
                        char complaint[static BENCH_TRACE_FILE_ERROR_MAX]);

#endif
