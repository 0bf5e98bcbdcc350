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

struct server_entry {
    struct proto_request request;
    struct larder_piece value; /* STORE: its data block, in the input */
    size_t end;                /* of the request, data block included; bytes into the input */
    bool value_bad;            /* the data block does not end in \r\n */
    bool is_read;              /* server_is_read(): may be run with its neighbours */
};

struct server_batch {
    struct larder_key keys[BASE_BATCH_MAX];
    struct server_entry entries[BASE_BATCH_MAX];
    uint32_t count;
    uint32_t read_count; /* entries that are reads */
    enum server_ending ending;
    enum proto_error error; /* BAD */
    uint64_t swallow;       /* BAD: bytes behind the line to throw away */
    size_t end;             /* BAD: behind the line */
    /* what the engine found of the reads that are being run; by entry */
    struct larder_ref refs[BASE_BATCH_MAX];
    enum larder_result results[BASE_BATCH_MAX];
};

#endif
