/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Recorded request streams: bytes to requests, format by format.
 *
 * Pure: no file, no compression (trace_file.h has both), no allocation, no state but the parser's. Nothing is skipped: what does
 * not belong to the format is an error that names the line or the offset. Any thread.
 *
 *   id32, id64  big-endian numbers of 4 or 8 bytes, one per read
 *   extents     lines "start count ...": the numbers start..start+count-1, one read each; other words are ignored
 *   keys        lines, each one key
 *   twitter     lines "time,key,key size,value size,client,operation,TTL": the public traces of Twitter's clusters
 */
#ifndef LARDER_MCBENCH_TRACE_H
#define LARDER_MCBENCH_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/slice.h"

enum {
    BENCH_TRACE_LINE_MAX = 4096,    /* bytes, the newline included */
    BENCH_TRACE_ERROR_MAX = 256,    /* bytes of a complaint, its NUL included */
    BENCH_TRACE_COUNT_MAX = 1 << 24 /* blocks of one extent */
};

enum bench_trace_format {
    BENCH_TRACE_ID32,
    BENCH_TRACE_ID64,
    BENCH_TRACE_EXTENTS,
    BENCH_TRACE_KEYS,
    BENCH_TRACE_TWITTER,
    BENCH_TRACE_FORMATS
};

enum bench_trace_op {
    BENCH_TRACE_READ,   /* get, gets */
    BENCH_TRACE_WRITE,  /* set, cas, append, prepend: the key has a value afterwards */
    BENCH_TRACE_ADD,    /* only if there is none */
    BENCH_TRACE_CHANGE, /* replace, incr, decr: only if there is one */
    BENCH_TRACE_DELETE,
};

struct bench_trace_request {
    struct base_slice key; /* empty: the trace has numbers. Borrowed from the input */
    uint64_t number;       /* of the key; of a text, its hash */
    enum bench_trace_op op;
    bool has_sizes;      /* key_size and value_size are the trace's own */
    uint32_t key_size;   /* bytes */
    uint32_t value_size; /* bytes; of a read that missed then, 0 */
    uint32_t ttl_s;      /* 0: none */
    uint64_t time_s;     /* 0 when the trace does not say */
};

/* The fields are the parser's own, but offset and line may be read. */
struct bench_trace_parser {
    enum bench_trace_format format;
    uint64_t offset; /* bytes consumed so far */
    uint64_t line;   /* lines consumed so far */
    uint64_t block;  /* EXTENTS: the next of an extent */
    uint64_t left;   /* EXTENTS: how many it still has */
};

enum bench_trace_result {
    BENCH_TRACE_DONE, /* a request */
    BENCH_TRACE_MORE, /* not a whole one yet: more input is wanted */
    BENCH_TRACE_END,  /* at_end, and nothing left */
    BENCH_TRACE_BAD,  /* `complaint` says what and where */
};

/* By name ("id32"); false when there is no such format. */
bool bench_trace_find_format(struct base_slice name, enum bench_trace_format *ret_format);
const char *bench_trace_format_name(enum bench_trace_format format);

void bench_trace_init(struct bench_trace_parser *parser, enum bench_trace_format format);

/*
 * The next request at the start of `input`, which follows what was consumed before. An extent gives one request per call and
 * consumes its line with the last.
 *
 * at_end        nothing comes behind input: a last line needs no newline
 * ret_consumed  written for DONE and BAD
 * complaint     written for BAD: "line 7: ..." or "offset 12: ..."
 */
enum bench_trace_result bench_trace_parse(struct bench_trace_parser *parser,
                                          struct base_slice input, bool at_end,
                                          size_t *ret_consumed,
                                          struct bench_trace_request *ret_request,
                                          char complaint[static BENCH_TRACE_ERROR_MAX]);

#endif
