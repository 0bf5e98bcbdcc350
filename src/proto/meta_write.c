/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The meta protocol's replies: a code, then the flags the request asked for, in its order.
 * Pure: the caller's buffer is all that is written; any thread.
 */
#include <assert.h>

#include "base/check.h"
#include "base/num.h"
#include "proto/base64.h"
#include "proto/meta.h"
#include "proto/scan.h"

/* Which letters each command answers; all others of a request were instructions. */
#define RETURNS_FOUND_MG "Okcfhlst"
#define RETURNS_MS       "Okcs"
#define RETURNS_FOUND_MA "Okct"
#define RETURNS_ALWAYS   "Ok"

static_assert(PROTO_BASE64_SIZE(BASE_KEY_SIZE_MAX) + 8 * (BASE_NUM_TEXT_MAX + 2) +
                      BASE_OPAQUE_SIZE_MAX + 64 <=
                  PROTO_META_REPLY_MAX,
              "a reply line fits");

static char *put(char *out, struct base_slice bytes)
{
    if (bytes.size != 0) {
        memcpy(out, bytes.data, bytes.size);
    }
    return out + bytes.size;
}

static char *put_key(char *out, const struct proto_request *request)
{
    return (request->flags & PROTO_FLAG_BASE64) != 0 ? out + proto_base64_write(out, request->key)
                                                     : put(out, request->key);
}

/* A blank, the letter, and what the item has to say to it. */
static char *put_field(char *out, char letter, const struct proto_reply *reply)
{
    *out++ = ' ';
    *out++ = letter;
    switch (letter) {
    case 'c':
        return out + base_num_write_short(out, reply->cas);
    case 'f':
        return out + base_num_write_short(out, reply->client_flags);
    case 'h':
        *out++ = reply->hit_before ? '1' : '0';
        return out;
    case 'l':
        return out + base_num_write_short(out, reply->last_access_ago_s);
    case 's':
        return out + base_num_write_short(out, reply->value_size);
    case 't':
        return out + base_num_write_i64(out, reply->ttl_s);
    default:
        NEVER("a return flag without a value");
    }
}

static char *put_return(char *out, char letter, const struct proto_request *request,
                        const struct proto_reply *reply)
{
    switch (letter) {
    case 'O':
        out = put(out, BASE_SLICE(" O"));
        return put(out, (struct base_slice){request->opaque, request->opaque_size});
    case 'k':
        out = put_key(put(out, BASE_SLICE(" k")), request);
        return (request->flags & PROTO_FLAG_BASE64) != 0 ? put(out, BASE_SLICE(" b")) : out;
    default:
        return put_field(out, letter, reply);
    }
}

static char *put_returns(char *out, const char *allowed, const struct proto_request *request,
                         const struct proto_reply *reply)
{
    for (size_t i = 0; i < request->return_count; i++) {
        if (strchr(allowed, request->returns[i]) != NULL) {
            out = put_return(out, request->returns[i], request, reply);
        }
    }
    return out;
}

static char *put_hit_code(char *out, uint32_t flags, const struct proto_reply *reply)
{
    if ((flags & PROTO_FLAG_VALUE) == 0) {
        return put(out, BASE_SLICE("HD"));
    }
    out = put(out, BASE_SLICE("VA "));
    return out + base_num_write_short(out, reply->value_size);
}

static char *write_hit(char *out, const struct proto_request *request,
                       const struct proto_reply *reply)
{
    out = put_hit_code(out, request->flags, reply);
    out = put_returns(out, RETURNS_FOUND_MG, request, reply);
    out = reply->token_sent ? put(out, BASE_SLICE(" Z")) : out;
    out = reply->stale ? put(out, BASE_SLICE(" X")) : out;
    out = reply->won ? put(out, BASE_SLICE(" W")) : out;
    return put(out, BASE_SLICE("\r\n"));
}

/* A blank and a letter each, O with its opaque. What repeats the request is always repeated. */
static char *put_words(char *out, struct base_slice key, struct base_slice words, bool is_hit,
                       const struct proto_reply *reply)
{
    const char *const end = words.data + words.size;

    for (const char *at = words.data, *next; at < end; at = next) {
        next = at + 2;
        switch (at[1]) {
        case 'O':
            next = proto_scan_blank(next, end);
            out = put(out, (struct base_slice){at, (size_t)(next - at)});
            break;
        case 'k':
            out = put(put(out, BASE_SLICE(" k")), key);
            break;
        case 'q':
        case 'u':
        case 'v':
            break;
        default:
            out = is_hit ? put_field(out, at[1], reply) : out;
            break;
        }
    }
    return put(out, BASE_SLICE("\r\n"));
}

size_t proto_meta_write_plain(char *out, struct base_slice key, struct base_slice words,
                              uint32_t flags, const struct proto_reply *reply)
{
    const bool is_hit = reply->status == PROTO_STATUS_HIT;
    char *end = out;

    if (is_hit) {
        end = put_hit_code(out, flags, reply);
    } else if ((flags & PROTO_FLAG_QUIET) == 0) {
        end = put(out, BASE_SLICE("EN"));
    } else {
        return 0;
    }
    return (size_t)(put_words(end, key, words, is_hit, reply) - out);
}

static char *write_number(char *out, const struct proto_request *request,
                          const struct proto_reply *reply)
{
    char digits[BASE_NUM_TEXT_MAX];
    const size_t size = base_num_write_u64(digits, reply->number);

    if ((request->flags & PROTO_FLAG_VALUE) == 0) {
        out = put_returns(put(out, BASE_SLICE("HD")), RETURNS_FOUND_MA, request, reply);
        return put(out, BASE_SLICE("\r\n"));
    }
    out = put(out, BASE_SLICE("VA "));
    out += base_num_write_u64(out, size);
    out = put_returns(out, RETURNS_FOUND_MA, request, reply);
    out = put(out, BASE_SLICE("\r\n"));
    out = put(out, (struct base_slice){digits, size});
    return put(out, BASE_SLICE("\r\n"));
}

/* me: what the engine knows of an item. */
static char *write_debug(char *out, const struct proto_request *request,
                         const struct proto_reply *reply)
{
    out = put(out, BASE_SLICE("ME "));
    out = put_key(out, request);
    out = put(out, BASE_SLICE(" exp="));
    out += base_num_write_i64(out, reply->ttl_s);
    out = put(out, BASE_SLICE(" la="));
    out += base_num_write_u64(out, reply->last_access_ago_s);
    out = put(out, BASE_SLICE(" cas="));
    out += base_num_write_u64(out, reply->cas);
    out =
        put(out, reply->hit_before ? BASE_SLICE(" fetch=yes cls=") : BASE_SLICE(" fetch=no cls="));
    out += base_num_write_u64(out, reply->class_id);
    out = put(out, BASE_SLICE(" size="));
    out += base_num_write_u64(out, reply->value_size);
    return put(out, BASE_SLICE("\r\n"));
}

/* The codes of everything that is not a hit: two letters, the echoes, nothing else. */
static char *write_code(char *out, struct base_slice code, const struct proto_request *request,
                        const struct proto_reply *reply)
{
    out = put(out, code);
    out = put_returns(out, request->op == PROTO_OP_STORE ? RETURNS_MS : RETURNS_ALWAYS, request,
                      reply);
    return put(out, BASE_SLICE("\r\n"));
}

size_t proto_meta_write_reply(char *out, const struct proto_request *request,
                              const struct proto_reply *reply)
{
    const bool is_quiet = (request->flags & PROTO_FLAG_QUIET) != 0;
    char *end = out;

    switch (reply->status) {
    case PROTO_STATUS_HIT:
        end = request->op == PROTO_OP_META_DEBUG ? write_debug(out, request, reply)
                                                 : write_hit(out, request, reply);
        break;
    case PROTO_STATUS_MISS:
        if (request->op == PROTO_OP_META_DEBUG) {
            end = put(out, BASE_SLICE("EN\r\n"));
        } else if (request->op != PROTO_OP_GET) {
            end = write_code(out, BASE_SLICE("NF"), request, reply);
        } else if (!is_quiet) {
            end = write_code(out, BASE_SLICE("EN"), request, reply);
        }
        break;
    case PROTO_STATUS_STORED:
    case PROTO_STATUS_DELETED:
        if (request->op == PROTO_OP_ARITH) {
            end = write_number(out, request, reply);
        } else if (!is_quiet) {
            end = write_code(out, BASE_SLICE("HD"), request, reply);
        }
        break;
    case PROTO_STATUS_NUMBER:
        end = is_quiet ? out : write_number(out, request, reply);
        break;
    case PROTO_STATUS_NOT_STORED:
        end = write_code(out, BASE_SLICE("NS"), request, reply);
        break;
    case PROTO_STATUS_EXISTS:
        end = write_code(out, BASE_SLICE("EX"), request, reply);
        break;
    case PROTO_STATUS_OK:
        end = put(out, BASE_SLICE("MN\r\n"));
        break;
    case PROTO_STATUS_ERROR:
        end = put(out, proto_error_line(reply->error));
        break;
    case PROTO_STATUS_TOUCHED:
    default:
        NEVER("a status that meta has no code for");
    }
    return (size_t)(end - out);
}
