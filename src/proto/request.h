/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One request and one reply, in no protocol's words.
 *
 * Text, meta and binary all parse into struct proto_request and are written from struct
 * proto_reply, so a command's meaning is coded once, in src/server, for all of them.
 * Slices point into the input buffer: borrowed until the buffer's bytes are consumed.
 */
#ifndef LARDER_PROTO_REQUEST_H
#define LARDER_PROTO_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/slice.h"

enum proto_dialect {
    PROTO_TEXT,   /* get set ... */
    PROTO_META,   /* mg ms ... */
    PROTO_BINARY, /* 24-byte headers */
};

/* What is asked for. One row of ops.def each; several spellings share one. */
enum proto_op {
#define PROTO_OP(name, about) PROTO_OP_##name,
#include "proto/ops.def"
#undef PROTO_OP
    PROTO_OP_COUNT
};

enum proto_store_mode {
    PROTO_STORE_SET,
    PROTO_STORE_ADD,
    PROTO_STORE_REPLACE,
    PROTO_STORE_APPEND,
    PROTO_STORE_PREPEND,
    PROTO_STORE_CAS, /* text `cas`; meta and binary set CAS_COMPARE with any other mode */
};

/* Meta flags a request carries, one bit per letter; also what text needs of them. */
enum proto_flag {
    PROTO_FLAG_BASE64 = 1u << 0,       /* b: the key came base64 encoded (key holds the bytes) */
    PROTO_FLAG_CAS_RETURN = 1u << 1,   /* c; also text gets/gats */
    PROTO_FLAG_CAS_COMPARE = 1u << 2,  /* C: `cas` */
    PROTO_FLAG_CAS_ASSIGN = 1u << 3,   /* E: `cas_assign` */
    PROTO_FLAG_CLIENT_FLAGS = 1u << 4, /* f (return) or F (set): `client_flags` */
    PROTO_FLAG_HIT_BEFORE = 1u << 5,   /* h */
    PROTO_FLAG_KEY_RETURN = 1u << 6,   /* k */
    PROTO_FLAG_LAST_ACCESS = 1u << 7,  /* l */
    PROTO_FLAG_OPAQUE = 1u << 8,       /* O: `opaque` */
    PROTO_FLAG_QUIET = 1u << 9,        /* q; the binary opcodes that end in Q */
    PROTO_FLAG_SIZE_RETURN = 1u << 10, /* s */
    PROTO_FLAG_TTL_RETURN = 1u << 11,  /* t (mg, ma) */
    PROTO_FLAG_TTL_SET = 1u << 12,     /* T: `exptime`; also text gat/gats, touch */
    PROTO_FLAG_VALUE = 1u << 13,       /* v; also text get */
    PROTO_FLAG_NO_BUMP = 1u << 14,     /* u */
    PROTO_FLAG_VIVIFY = 1u << 15,      /* N: `vivify_exptime` */
    PROTO_FLAG_RECACHE = 1u << 16,     /* R: `recache_below_s` */
    PROTO_FLAG_INVALIDATE = 1u << 17,  /* I */
    PROTO_FLAG_DROP_VALUE = 1u << 18,  /* x */
    PROTO_FLAG_INITIAL = 1u << 19,     /* J: `initial` */
    PROTO_FLAG_DELTA = 1u << 20,       /* D: `delta` */
    PROTO_FLAG_MODE = 1u << 21,        /* M: `mode` or `decrement` */
    /* mg and ma obey T N R t in the order they stand in; these say what stood first. */
    PROTO_FLAG_TTL_BEFORE_SET = 1u << 22,     /* t before T: the TTL from before */
    PROTO_FLAG_TTL_BEFORE_VIVIFY = 1u << 23,  /* t before N: a vivified item answers t-1 */
    PROTO_FLAG_RECACHE_BEFORE_SET = 1u << 24, /* R before T: compares the old TTL */
    PROTO_FLAG_SET_BEFORE_VIVIFY = 1u << 25,  /* T before N: a vivified item keeps N's TTL */
};

enum { PROTO_RETURN_MAX = 8 }; /* letters: O k c f h l s t, each once at most */

/*
 * Which fields are valid:
 *   always     dialect .. return_count; key, empty where there is none
 *   GET        key; text: keys too, whose first is key (`gat 10` alone has none: size 0);
 *              exptime with TTL_SET
 *   STORE      key, mode, exptime, client_flags, value_size, cas
 *   DELETE     key; TOUCH key, exptime; ARITH key, delta, decrement; META_DEBUG key
 *   meta GET   key, opaque_size, returns; and what its flags name
 *   meta       otherwise everything from `key` but `keys` and `arguments`; absent flags are 0,
 *              delta is 1
 *   FLUSH_ALL  exptime (0 when absent); VERBOSITY delta: the level, CACHE_MEMLIMIT delta: MiB
 *   binary     the binary_ fields and vbucket always; otherwise as meta, with key repeated in keys
 *              and arguments, and value_size: 0 but for STORE, SASL_AUTH and SASL_STEP
 *   SASL_AUTH  key: the mechanism; value_size bytes of data follow; SASL_STEP the same
 *   others     arguments
 * The parsers leave the rest as it was: clearing it all costs more than parsing a get.
 */
struct proto_request {
    enum proto_dialect dialect;
    enum proto_op op;
    uint32_t flags;      /* enum proto_flag */
    bool noreply;        /* text: silence every answer of this request, errors too */
    bool keys_continue;  /* text GET: the line goes on after `keys`; END comes with the last part */
    bool keys_continued; /* text GET: this part is not the line's first */
    bool keys_refused;   /* text GET: an error was answered; the rest of the line is skipped */
    uint8_t return_count; /* letters in returns[] */

    bool decrement;                 /* ARITH: subtract */
    uint8_t opaque_size;            /* bytes in opaque[] */
    char returns[PROTO_RETURN_MAX]; /* meta: the flags the reply repeats or answers, in order */
    enum proto_store_mode mode;     /* STORE */
    struct base_slice key;  /* first (or only) key; meta base64: the decoded bytes, in key_bytes */
    struct base_slice keys; /* text GET: all the keys of this part, separated by blanks */
    struct base_slice arguments; /* everything after the command word, trimmed; "noreply" too */
    int64_t exptime;             /* as sent: relative, absolute or negative seconds */
    int64_t vivify_exptime;      /* N */
    int64_t recache_below_s;     /* R */
    uint64_t cas;                /* cas, C */
    uint64_t cas_assign;         /* E */
    uint64_t delta;              /* incr, decr, D; 1 if absent */
    uint64_t initial;            /* J; 0 if absent */
    uint64_t value_size;         /* STORE: bytes of the data block, without its \r\n */
    uint32_t client_flags;       /* flags, F */
    uint32_t binary_opaque;      /* binary; echoed */
    uint16_t vbucket;            /* binary; for a cluster to come, nobody looks at it yet */
    uint8_t binary_opcode;       /* binary; echoed */
    char opaque[BASE_OPAQUE_SIZE_MAX + 1]; /* meta O, without the letter; no NUL */
    char key_bytes[BASE_KEY_SIZE_MAX + 2]; /* where a base64 key is decoded to */
};

/* What happened, before any protocol gives it words. */
enum proto_status {
    PROTO_STATUS_HIT,        /* GET: VALUE / VA / HD */
    PROTO_STATUS_MISS,       /* GET: (nothing) / EN;  others: NOT_FOUND / NF */
    PROTO_STATUS_STORED,     /* STORED / HD;  ma: the number was created by N; q does not hide it */
    PROTO_STATUS_NOT_STORED, /* NOT_STORED / NS */
    PROTO_STATUS_EXISTS,     /* EXISTS / EX */
    PROTO_STATUS_DELETED,    /* DELETED / HD */
    PROTO_STATUS_TOUCHED,    /* TOUCHED / HD */
    PROTO_STATUS_NUMBER,     /* ARITH: the number / VA or HD */
    PROTO_STATUS_OK,         /* OK / MN for a no-op */
    PROTO_STATUS_ERROR,      /* `error` says which */
};

/* Every refusal of the protocols; errors.def gives each its line, and no two rows share their words. */
enum proto_error {
    PROTO_ERROR_NONE, /* say nothing: refused under noreply */
#define PROTO_ERROR(name, status, line, about) PROTO_ERROR_##name,
#include "proto/errors.def"
#undef PROTO_ERROR
    PROTO_ERROR_COUNT
};

struct proto_reply {
    enum proto_status status;
    enum proto_error error;     /* PROTO_STATUS_ERROR */
    bool won;                   /* W: this client shall recache */
    bool stale;                 /* X */
    bool token_sent;            /* Z: somebody else shall */
    bool hit_before;            /* h */
    uint32_t client_flags;      /* f, VALUE */
    int64_t ttl_s;              /* t: seconds left, -1 never */
    uint32_t last_access_ago_s; /* l */
    uint32_t class_id;          /* me */
    uint64_t value_size;        /* VALUE, VA, s; me: bytes of the whole item */
    uint64_t cas;               /* c, gets */
    uint64_t number;            /* NUMBER */
};

/* The fields that are always valid, at their beginning; for the parsers. */
static inline void proto_request_start(struct proto_request *request, enum proto_dialect dialect,
                                       enum proto_op op)
{
    request->dialect = dialect;
    request->op = op;
    request->flags = 0;
    request->noreply = false;
    request->keys_continue = false;
    request->keys_continued = false;
    request->keys_refused = false;
    request->return_count = 0;
    request->key = (struct base_slice){0};
}

/* The reply line of an error, with its \r\n; empty for PROTO_ERROR_NONE. Static. */
struct base_slice proto_error_line(enum proto_error error);
/* One word for logs and counters: "BAD_DATA_CHUNK". Static. */
const char *proto_error_name(enum proto_error error);
const char *proto_op_name(enum proto_op op);

/*
 * A copy that outlives the input buffer, for a request whose value is still to come: the key moves
 * into the copy's key_bytes; `keys` and `arguments` are dropped. A plain assignment would leave
 * `key` pointing into the buffer or into the other request.
 */
void proto_request_keep(struct proto_request *ret_copy, const struct proto_request *request);

#endif
