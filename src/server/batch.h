/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests that arrived together: parsed by conn.c, one after the other, before any of them is run.
 * A worker has one batch, for whichever connection has its turn.
 */
#ifndef LARDER_SERVER_BATCH_H
#define LARDER_SERVER_BATCH_H

#include "server/server_priv.h"

/* Why a batch ended before the input did. */
enum server_ending {
    SERVER_ENDING_FULL,   /* BASE_BATCH_MAX requests, or all of the input */
    SERVER_ENDING_MORE,   /* the rest is not a whole request yet */
    SERVER_ENDING_VALUE,  /* of the next request only the data block is not whole yet */
    SERVER_ENDING_BAD,    /* a line that gets `error` */
    SERVER_ENDING_CLOSE,  /* a line that ends the connection */
    SERVER_ENDING_UPLOAD, /* the last request's data block is still to come */
    SERVER_ENDING_KEYS,   /* the last request's line is still to come */
};

enum server_kind {
    SERVER_KIND_OTHER, /* run by its own */
    SERVER_KIND_READ,  /* server_is_read(): may be run with its neighbours */
    SERVER_KIND_GET, /* such a read, and the most frequent: "get <key>\r\n"; all of it is its key */
    SERVER_KIND_SET, /* server_is_set(), its data block whole: may be run with its neighbours */
};

struct server_entry {
    struct proto_request request; /* KIND_GET: not filled */
    struct larder_piece value;    /* STORE: its data block, in the input */
    bool value_bad;               /* the data block does not end in \r\n */
};

struct server_batch {
    /* by request */
    struct larder_key keys[BASE_BATCH_MAX];
    size_t ends[BASE_BATCH_MAX]; /* its data block included; bytes into the input */
    uint8_t
        kinds[BASE_BATCH_MAX]; /* enum server_kind; of gets that follow each other the first's */
    uint8_t get_counts[BASE_BATCH_MAX]; /* KIND_GET: how many of them follow each other */
    struct server_entry entries[BASE_BATCH_MAX];

    uint32_t count;
    bool has_others; /* some are SERVER_KIND_OTHER or _SET */
    enum server_ending ending;
    enum proto_error error; /* BAD */
    uint64_t swallow;       /* BAD: bytes behind the line to throw away */
    size_t end;             /* BAD: behind the line */
    /* what the engine found of the run of reads that is being answered */
    struct larder_ref refs[BASE_BATCH_MAX];
    enum larder_result results[BASE_BATCH_MAX];
};

#endif
