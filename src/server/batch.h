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
    SERVER_ENDING_FULL,    /* BASE_BATCH_MAX requests, or all of the input */
    SERVER_ENDING_MORE,    /* the rest is not a whole request yet */
    SERVER_ENDING_VALUE,   /* of the next request only the data block is not whole yet */
    SERVER_ENDING_BAD,     /* a line that gets `error` */
    SERVER_ENDING_REFUSED, /* a packet that gets `error`, in the next entry */
    SERVER_ENDING_CLOSE,   /* a line that ends the connection */
    SERVER_ENDING_UPLOAD,  /* the last request's data block is still to come */
    SERVER_ENDING_KEYS,    /* the last request's line is still to come */
};

enum server_kind {
    SERVER_KIND_OTHER, /* run by its own */
    SERVER_KIND_READ,  /* server_is_read(): may be run with its neighbours */
    SERVER_KIND_SET,   /* server_is_set(), its data block whole: may be run with its neighbours */
    /* From here on plain lines, as proto/plain.h calls them; what they say is in no request. */
    SERVER_KIND_GET,  /* "get <key>\r\n"; all of it is its key */
    SERVER_KIND_META, /* "mg <key> <flag>...\r\n" that changes nothing */
    SERVER_KIND_PACKET, /* a binary get, as proto/packet.h calls it; its header stands before its key */
};

struct server_entry {
    struct proto_request request; /* from KIND_GET on: filled when it is run alone */
    struct larder_piece value;    /* STORE: its data block, in the input */
    bool value_bad;               /* the data block does not end in \r\n */
};

struct server_batch {
    const char *data; /* the input; borrowed for the turn */
    /* by request */
    struct larder_key keys[BASE_BATCH_MAX];
    size_t ends[BASE_BATCH_MAX]; /* its data block included; bytes into the input */
    uint8_t kinds
        [BASE_BATCH_MAX]; /* enum server_kind; of a run of KIND_GET, _META or _PACKET the first's */
    uint8_t run_counts[BASE_BATCH_MAX];  /* of such a run's first: how many they are */
    uint32_t meta_flags[BASE_BATCH_MAX]; /* KIND_META: enum proto_flag */
    struct server_entry entries[BASE_BATCH_MAX];

    uint32_t count;
    bool has_others; /* some are SERVER_KIND_OTHER or _SET */
    enum server_ending ending;
    enum proto_error error; /* BAD, REFUSED */
    bool closes;            /* REFUSED: the connection, too */
    uint64_t swallow;       /* BAD, REFUSED: bytes behind the line to throw away */
    size_t end;             /* BAD, REFUSED: behind the line */
    /* what the engine found of the run of reads that is being answered */
    struct larder_ref refs[BASE_BATCH_MAX];
    enum larder_result results[BASE_BATCH_MAX];
};

/* The requests from `first` to before `end` are of one kind, and ask the engine for the same. */
static inline void server_batch_begin_run(struct server_batch *batch, enum server_kind kind,
                                          uint32_t first, uint32_t end)
{
    if (end > first) {
        batch->kinds[first] = (uint8_t)kind;
        batch->run_counts[first] = (uint8_t)(end - first);
    }
}

/* The bytes of one request, its data block included. */
static inline struct base_slice server_batch_bytes(const struct server_batch *batch, uint32_t index)
{
    const size_t begin = index == 0 ? 0 : batch->ends[index - 1];
    return (struct base_slice){batch->data + begin, batch->ends[index] - begin};
}

/* What a plain line says, parsed again into its entry: for when it is not run with others. conn.c */
struct proto_request *server_batch_request(struct server_batch *batch, uint32_t index);

/*
 * The request in the next entry has a data block, behind `head_size` bytes: is it there? Then it is
 * the entry's value. False: the batch ends with it; it is waited for, or received. conn.c
 */
bool server_batch_take_value(struct server_batch *batch, const char *data, size_t size,
                             size_t head_size);

#endif
