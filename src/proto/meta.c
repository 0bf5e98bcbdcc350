/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The meta protocol's requests.
 *
 * A line is the command, a key, for ms a length, then flags: one letter each, some with a value
 * behind it, none twice. All commands know the same letters and ignore what they have no use for.
 * Letters that the reply repeats or answers are kept in request->returns, in their order, and the
 * opaque is copied: a reply is written after the line has left the buffer. Pure; any thread.
 */
#include "proto/meta.h"

#include "base/check.h"
#include "proto/base64.h"
#include "proto/number.h"

enum { WORDS_MAX = 19 }; /* of one line, command and key included; memcached 1.6.38 */

/* What the flags said that only the parser needs. */
struct extras {
    char mode;           /* M; 0 without */
    bool is_opaque_long; /* O over BASE_OPAQUE_SIZE_MAX: an error that others outrank */
};

/* Every field that meta uses; the rest is left as it was (proto/request.h). */
static void start_request(struct proto_request *request, enum proto_op op)
{
    proto_request_start(request, PROTO_META, op);
    request->decrement = false;
    request->opaque_size = 0;
    request->mode = PROTO_STORE_SET;
    request->exptime = 0;
    request->vivify_exptime = 0;
    request->recache_below_s = 0;
    request->cas = 0;
    request->cas_assign = 0;
    request->delta = 1;
    request->initial = 0;
    request->value_size = 0;
    request->client_flags = 0;
}

static bool decode_key(struct proto_request *request)
{
    CHECK(request->key.size <= BASE_KEY_SIZE_MAX);
    request->key.size = proto_base64_parse(request->key_bytes, request->key);
    request->key.data = request->key_bytes;
    request->flags |= PROTO_FLAG_BASE64;
    return request->key.size != 0;
}

/* A letter that the reply answers. */
static void add_return(struct proto_request *request, char letter, uint32_t flag)
{
    CHECK(request->return_count < PROTO_RETURN_MAX);
    request->returns[request->return_count++] = letter;
    request->flags |= flag;
}

/* Letters that stand alone. False: not one of them. */
static bool parse_plain_flag(char letter, struct proto_request *request)
{
    switch (letter) {
    case 'k':
        add_return(request, letter, PROTO_FLAG_KEY_RETURN);
        return true;
    case 's':
        add_return(request, letter, PROTO_FLAG_SIZE_RETURN);
        return true;
    case 't':
        add_return(request, letter, PROTO_FLAG_TTL_RETURN);
        return true;
    case 'c':
        add_return(request, letter, PROTO_FLAG_CAS_RETURN);
        return true;
    case 'f':
        add_return(request, letter, PROTO_FLAG_CLIENT_FLAGS);
        return true;
    case 'l':
        add_return(request, letter, PROTO_FLAG_LAST_ACCESS);
        return true;
    case 'h':
        add_return(request, letter, PROTO_FLAG_HIT_BEFORE);
        return true;
    case 'v':
        request->flags |= PROTO_FLAG_VALUE;
        return true;
    case 'u':
        request->flags |= PROTO_FLAG_NO_BUMP;
        return true;
    case 'q':
        request->flags |= PROTO_FLAG_QUIET;
        return true;
    case 'x':
        request->flags |= PROTO_FLAG_DROP_VALUE;
        return true;
    case 'I':
        request->flags |= PROTO_FLAG_INVALIDATE;
        return true;
    case 'P': /* reserved for proxies */
    case 'L':
        return true;
    default:
        return false;
    }
}

/* T N R: expiry times, and in which order they stand with t. */
static enum proto_error parse_time_flag(char letter, struct base_slice value,
                                        struct proto_request *request)
{
    const bool has_ttl = (request->flags & PROTO_FLAG_TTL_RETURN) != 0;
    const bool has_set = (request->flags & PROTO_FLAG_TTL_SET) != 0;
    const bool has_recache = (request->flags & PROTO_FLAG_RECACHE) != 0;
    bool is_number;

    if (letter == 'T') {
        request->flags |= PROTO_FLAG_TTL_SET;
        request->flags |= has_ttl ? (uint32_t)PROTO_FLAG_TTL_BEFORE_SET : 0;
        request->flags |= has_recache ? (uint32_t)PROTO_FLAG_RECACHE_BEFORE_SET : 0;
        is_number = proto_number_i32(value, &request->exptime);
    } else if (letter == 'N') {
        request->flags |= PROTO_FLAG_VIVIFY;
        request->flags |= has_ttl ? (uint32_t)PROTO_FLAG_TTL_BEFORE_VIVIFY : 0;
        request->flags |= has_set ? (uint32_t)PROTO_FLAG_SET_BEFORE_VIVIFY : 0;
        is_number = proto_number_i32(value, &request->vivify_exptime);
    } else {
        request->flags |= PROTO_FLAG_RECACHE;
        is_number = proto_number_i32(value, &request->recache_below_s);
    }
    return is_number ? PROTO_ERROR_NONE : PROTO_ERROR_META_BAD_TOKEN;
}

static enum proto_error parse_number_flag(uint64_t flag, enum proto_error error,
                                          struct base_slice value, struct proto_request *request,
                                          uint64_t *ret_number)
{
    request->flags |= (uint32_t)flag;
    return proto_number_u64(value, ret_number) ? PROTO_ERROR_NONE : error;
}

static void parse_opaque(struct base_slice value, struct proto_request *request,
                         struct extras *extras)
{
    if (value.size > BASE_OPAQUE_SIZE_MAX) {
        extras->is_opaque_long = true;
        return;
    }
    if (value.size > 0) {
        memcpy(request->opaque, value.data, value.size);
    }
    request->opaque_size = (uint8_t)value.size;
    add_return(request, 'O', PROTO_FLAG_OPAQUE);
}

static enum proto_error parse_flag(struct base_slice word, struct proto_request *request,
                                   struct extras *extras)
{
    const char letter = word.data[0];
    const struct base_slice value = {word.data + 1, word.size - 1};

    if (parse_plain_flag(letter, request)) {
        return PROTO_ERROR_NONE;
    }
    switch (letter) {
    case 'b':
        return decode_key(request) ? PROTO_ERROR_NONE : PROTO_ERROR_META_BAD_KEY;
    case 'O':
        parse_opaque(value, request, extras);
        return PROTO_ERROR_NONE;
    case 'T':
    case 'N':
    case 'R':
        return parse_time_flag(letter, value, request);
    case 'F':
        request->flags |= PROTO_FLAG_CLIENT_FLAGS;
        return proto_number_u32(value, &request->client_flags) ? PROTO_ERROR_NONE
                                                               : PROTO_ERROR_BAD_FORMAT;
    case 'C':
        return parse_number_flag(PROTO_FLAG_CAS_COMPARE, PROTO_ERROR_META_BAD_TOKEN, value, request,
                                 &request->cas);
    case 'E':
        return parse_number_flag(PROTO_FLAG_CAS_ASSIGN, PROTO_ERROR_META_BAD_TOKEN, value, request,
                                 &request->cas_assign);
    case 'J':
        return parse_number_flag(PROTO_FLAG_INITIAL, PROTO_ERROR_META_BAD_INITIAL, value, request,
                                 &request->initial);
    case 'D':
        return parse_number_flag(PROTO_FLAG_DELTA, PROTO_ERROR_META_BAD_DELTA, value, request,
                                 &request->delta);
    case 'M':
        request->flags |= PROTO_FLAG_MODE;
        extras->mode = value.size == 1 ? value.data[0] : '\0';
        return value.size == 1 ? PROTO_ERROR_NONE : PROTO_ERROR_META_MODE_LENGTH;
    default:
        return PROTO_ERROR_META_INVALID_FLAG;
    }
}

/*
 * All flags. As in memcached a repeated or unknown letter ends it at once, while of several bad
 * values the last one names the error, and a bad F only speaks when nothing else did.
 */
static enum proto_error parse_flags(const struct base_slice *words, size_t count,
                                    struct proto_request *request, struct extras *extras)
{
    uint64_t seen[2] = {0};
    enum proto_error result = PROTO_ERROR_NONE;

    for (size_t i = 0; i < count; i++) {
        const unsigned char letter = (unsigned char)words[i].data[0];
        enum proto_error error;

        if (letter >= 127 || (seen[letter / 64] >> letter % 64 & 1) != 0) {
            return PROTO_ERROR_META_DUPLICATE_FLAG;
        }
        seen[letter / 64] |= UINT64_C(1) << letter % 64;
        error = parse_flag(words[i], request, extras);
        if (error == PROTO_ERROR_META_INVALID_FLAG) {
            return error;
        }
        if (error != PROTO_ERROR_NONE &&
            !(error == PROTO_ERROR_BAD_FORMAT && result != PROTO_ERROR_NONE)) {
            result = error;
        }
    }
    return result;
}

static enum proto_error set_store_mode(char mode, struct proto_request *request)
{
    switch (mode) {
    case '\0':
    case 'S':
        request->mode = PROTO_STORE_SET;
        return PROTO_ERROR_NONE;
    case 'E':
        request->mode = PROTO_STORE_ADD;
        return PROTO_ERROR_NONE;
    case 'A':
        request->mode = PROTO_STORE_APPEND;
        return PROTO_ERROR_NONE;
    case 'P':
        request->mode = PROTO_STORE_PREPEND;
        return PROTO_ERROR_NONE;
    case 'R':
        request->mode = PROTO_STORE_REPLACE;
        return PROTO_ERROR_NONE;
    default:
        return PROTO_ERROR_META_MODE_MS;
    }
}

static enum proto_error set_arith_mode(char mode, struct proto_request *request)
{
    request->decrement = mode == 'D' || mode == '-';
    return mode == '\0' || mode == 'I' || mode == '+' || request->decrement
               ? PROTO_ERROR_NONE
               : PROTO_ERROR_META_MODE_MA;
}

/* mg, md, ma. */
static enum proto_error parse_keyed(const struct base_slice *words, size_t count,
                                    struct proto_request *request)
{
    struct extras extras = {0};
    enum proto_error error = parse_flags(words + 2, count - 2, request, &extras);

    if (error != PROTO_ERROR_NONE) {
        return request->op == PROTO_OP_GET ? error : PROTO_ERROR_META_INVALID_OR_DUPLICATE;
    }
    if (request->op == PROTO_OP_ARITH) {
        error = set_arith_mode(extras.mode, request);
    }
    if (error == PROTO_ERROR_NONE && extras.is_opaque_long) {
        error = PROTO_ERROR_META_OPAQUE_LONG;
    }
    return error;
}

static enum proto_error parse_store(const struct base_slice *words, size_t count,
                                    struct proto_request *request, uint64_t *ret_swallow)
{
    struct extras extras = {0};
    int64_t value_size;
    enum proto_error error;

    if (!proto_number_i32(words[2], &value_size) || value_size < 0 || value_size > INT32_MAX - 2) {
        return PROTO_ERROR_BAD_FORMAT;
    }
    request->value_size = (uint64_t)value_size;
    error = parse_flags(words + 3, count - 3, request, &extras);
    if (error == PROTO_ERROR_NONE) {
        error = set_store_mode(extras.mode, request);
    }
    if (error == PROTO_ERROR_NONE && extras.is_opaque_long) {
        error = PROTO_ERROR_META_OPAQUE_LONG;
    }
    if (error != PROTO_ERROR_NONE) {
        *ret_swallow = request->value_size + 2;
    }
    return error;
}

static enum proto_error parse_debug(const struct base_slice *words, size_t count,
                                    struct proto_request *request)
{
    if (count < 2 || words[1].size > BASE_KEY_SIZE_MAX) {
        return PROTO_ERROR_BAD_FORMAT;
    }
    request->key = words[1];
    if (count > 2 && base_slice_equal(words[2], BASE_SLICE("b")) && !decode_key(request)) {
        return PROTO_ERROR_BAD_FORMAT;
    }
    return PROTO_ERROR_NONE;
}

/* The letter behind the m. PROTO_OP_COUNT: no command. */
static enum proto_op op_of(char letter)
{
    switch (letter) {
    case 'g':
        return PROTO_OP_GET;
    case 's':
        return PROTO_OP_STORE;
    case 'd':
        return PROTO_OP_DELETE;
    case 'a':
        return PROTO_OP_ARITH;
    case 'n':
        return PROTO_OP_NOOP;
    case 'e':
        return PROTO_OP_META_DEBUG;
    default:
        return PROTO_OP_COUNT;
    }
}

static enum proto_error parse_words(const struct base_slice *words, size_t count,
                                    struct proto_request *request, uint64_t *ret_swallow)
{
    const enum proto_op op = op_of(words[0].data[1]);

    start_request(request, op == PROTO_OP_COUNT ? PROTO_OP_NOOP : op);
    if (op == PROTO_OP_NOOP) {
        return PROTO_ERROR_NONE;
    }
    if (op == PROTO_OP_META_DEBUG) {
        return parse_debug(words, count, request);
    }
    if (op == PROTO_OP_COUNT || count < 2) {
        return PROTO_ERROR_UNKNOWN;
    }
    if (words[1].size > BASE_KEY_SIZE_MAX || (op == PROTO_OP_STORE && count == 2)) {
        return PROTO_ERROR_BAD_FORMAT;
    }
    if (count > WORDS_MAX) {
        return op == PROTO_OP_GET ? PROTO_ERROR_META_TOO_MANY_MG : PROTO_ERROR_META_TOO_MANY;
    }
    request->key = words[1];
    return op == PROTO_OP_STORE ? parse_store(words, count, request, ret_swallow)
                                : parse_keyed(words, count, request);
}

enum proto_parse proto_meta_parse(struct base_slice line, struct proto_request *ret_request,
                                  enum proto_error *ret_error, uint64_t *ret_swallow)
{
    struct base_slice words[WORDS_MAX + 1];
    size_t count = 0;
    enum proto_error error;

    *ret_swallow = 0;
    while (count <= WORDS_MAX && proto_text_next_token(&line, &words[count])) {
        count++;
    }
    CHECK(count > 0 && words[0].size == 2);
    error = parse_words(words, count, ret_request, ret_swallow);
    if (error != PROTO_ERROR_NONE) {
        *ret_error = error;
        return PROTO_BAD;
    }
    return PROTO_DONE;
}
