/* SPDX-License-Identifier: BSD-3-Clause */
/* See plain.h. */
#include "proto/plain.h"

#include "base/compiler.h"
#include "proto/scan.h"

enum {
    SET_WORD_SIZE = 4,  /* "set " */
    GETS_WORD_SIZE = 5, /* "gets " */
    DIGITS_MAX = 9,     /* of a number that cannot overflow 32 bits */
    NOREPLY_SIZE = 8,   /* " noreply" */
    /* Behind a set's key: three times a blank and a number, " noreply", and two bytes. */
    NUMBERS_SIZE_MAX = 3 * (1 + DIGITS_MAX) + NOREPLY_SIZE + 2,
    LETTERS = 26,
};

/* The flags of mg that stand alone and change nothing of the item, by letter. */
static const uint32_t META_FLAGS[LETTERS] = {
    ['c' - 'a'] = PROTO_FLAG_CAS_RETURN,  ['f' - 'a'] = PROTO_FLAG_CLIENT_FLAGS,
    ['h' - 'a'] = PROTO_FLAG_HIT_BEFORE,  ['k' - 'a'] = PROTO_FLAG_KEY_RETURN,
    ['l' - 'a'] = PROTO_FLAG_LAST_ACCESS, ['q' - 'a'] = PROTO_FLAG_QUIET,
    ['s' - 'a'] = PROTO_FLAG_SIZE_RETURN, ['t' - 'a'] = PROTO_FLAG_TTL_RETURN,
    ['u' - 'a'] = PROTO_FLAG_NO_BUMP,     ['v' - 'a'] = PROTO_FLAG_VALUE,
};

static uint32_t digit_at(const char *at)
{
    return (uint32_t)(unsigned char)*at - '0'; /* above 9: none */
}

/*
 * A blank and 1 to DIGITS_MAX digits at `at`; one byte more than that may be read. Returns what is
 * behind them; NULL: something else is there.
 */
static inline const char *take_number(const char *at, uint32_t *ret_number)
{
    const char *const stop = at + 1 + DIGITS_MAX;
    uint32_t number = digit_at(at + 1);
    uint32_t digit;

    if (*at != ' ' || number > 9) {
        return NULL;
    }
    for (at += 2; (digit = digit_at(at)) <= 9; at++) {
        if (at == stop) {
            return NULL;
        }
        number = number * 10 + digit;
    }
    *ret_number = number;
    return at;
}

static bool is_key_size(size_t size)
{
    return size - 1 < BASE_KEY_SIZE_MAX; /* 0 becomes the largest number */
}

static bool is_line_end(const char *at, const char *end)
{
    return end - at >= 2 && memcmp(at, "\r\n", 2) == 0;
}

static void fill_get(struct base_slice key, uint32_t flags, struct proto_request *request)
{
    proto_request_start(request, PROTO_TEXT, PROTO_OP_GET);
    request->flags = flags;
    request->key = key;
    request->keys = (struct base_slice){key.data - 1, key.size + 1}; /* as proto/text.c leaves it */
}

static bool parse_gets(const char *key, const char *end, struct proto_request *request,
                       const char **ret_end)
{
    const char *key_end = proto_scan_blank(key, end);
    const size_t size = (size_t)(key_end - key);

    if (!is_key_size(size) || !is_line_end(key_end, end)) {
        return false;
    }
    fill_get((struct base_slice){key, size}, PROTO_FLAG_VALUE | PROTO_FLAG_CAS_RETURN, request);
    *ret_end = key_end + 2;
    return true;
}

const char *proto_plain_meta_flags(const char *at, const char *end, uint32_t *ret_flags)
{
    uint32_t flags = 0;

    while (end - at > 2 && *at == ' ') {
        const char letter = at[1];
        const unsigned int number = (unsigned char)letter - 'a';
        const uint32_t flag = letter == 'O'      ? (uint32_t)PROTO_FLAG_OPAQUE
                              : number < LETTERS ? META_FLAGS[number]
                                                 : 0;

        if (flag == 0 || (flags & flag) != 0) {
            return NULL;
        }
        flags |= flag;
        at += 2;
        if (letter == 'O') {
            const char *opaque_end = proto_scan_blank(at, end);
            if (opaque_end - at > BASE_OPAQUE_SIZE_MAX) {
                return NULL;
            }
            at = opaque_end;
        }
    }
    if (!is_line_end(at, end)) {
        return NULL;
    }
    *ret_flags = flags;
    return at + 2;
}

/* The three numbers and the end of a set line; NUMBERS_SIZE_MAX bytes may be read. */
static const char *parse_numbers(const char *at, struct proto_request *request)
{
    uint32_t exptime = 0;
    uint32_t value_size = 0;

    if ((at = take_number(at, &request->client_flags)) == NULL ||
        (at = take_number(at, &exptime)) == NULL || (at = take_number(at, &value_size)) == NULL) {
        return NULL;
    }
    request->exptime = exptime;
    request->value_size = value_size;
    if (memcmp(at, " noreply", NOREPLY_SIZE) == 0) {
        request->noreply = true;
        at += NOREPLY_SIZE;
    }
    return memcmp(at, "\r\n", 2) == 0 ? at + 2 : NULL;
}

/* The same where the input ends sooner: the zeros behind it are no part of any line. */
static BASE_NEVER_INLINE const char *parse_last_numbers(const char *at, const char *end,
                                                        struct proto_request *request)
{
    char padded[NUMBERS_SIZE_MAX] = {0};
    const char *line_end;

    memcpy(padded, at, (size_t)(end - at));
    line_end = parse_numbers(padded, request);
    return line_end == NULL ? NULL : at + (line_end - padded);
}

static bool parse_set(const char *key, const char *end, struct proto_request *request,
                      const char **ret_end)
{
    const char *key_end = proto_scan_blank(key, end);
    const size_t size = (size_t)(key_end - key);

    if (!is_key_size(size)) {
        return false;
    }
    proto_request_start(request, PROTO_TEXT, PROTO_OP_STORE);
    request->mode = PROTO_STORE_SET;
    request->key = (struct base_slice){key, size};
    request->cas = 0;
    *ret_end = BASE_LIKELY(end - key_end >= NUMBERS_SIZE_MAX)
                   ? parse_numbers(key_end, request)
                   : parse_last_numbers(key_end, end, request);
    return *ret_end != NULL;
}

bool proto_plain_parse(struct base_slice input, struct proto_request *request, size_t *ret_consumed)
{
    const char *end = input.data + input.size;
    const char *line_end;
    struct base_slice key;
    bool done = false;

    if (input.size <= GETS_WORD_SIZE) {
        return false;
    }
    if (memcmp(input.data, "set ", SET_WORD_SIZE) == 0) {
        done = parse_set(input.data + SET_WORD_SIZE, end, request, &line_end);
    } else if (memcmp(input.data, "gets ", GETS_WORD_SIZE) == 0) {
        done = parse_gets(input.data + GETS_WORD_SIZE, end, request, &line_end);
    } else {
        line_end = proto_plain_get(input.data, end, &key);
        done = line_end != NULL;
        if (done) {
            fill_get(key, PROTO_FLAG_VALUE, request);
        }
    }
    if (done) {
        *ret_consumed = (size_t)(line_end - input.data);
    }
    return done;
}
