/* SPDX-License-Identifier: BSD-3-Clause */
/* See plain.h. */
#include "proto/plain.h"

#include "base/compiler.h"
#include "proto/scan.h"

enum {
    WORD_SIZE = 4,      /* "get ", "set " */
    META_WORD_SIZE = 3, /* "mg " */
    GETS_WORD_SIZE = 5, /* "gets " */
    DIGITS_MAX = 9,     /* of a number that cannot overflow 32 bits */
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

/* Those that the reply does not answer. */
#define META_INSTRUCTIONS (PROTO_FLAG_QUIET | PROTO_FLAG_NO_BUMP | PROTO_FLAG_VALUE)

/* The digits at *at, which must end in `stop`; leaves *at behind it. */
static bool take_number(const char **at, const char *end, char stop, uint32_t *ret_number)
{
    const char *digit = *at;
    uint32_t number = 0;

    while (digit < end && (unsigned char)(*digit - '0') <= 9) {
        number = number * 10 + (uint32_t)(*digit - '0');
        digit++;
    }
    if (digit == *at || digit - *at > DIGITS_MAX || digit == end || *digit != stop) {
        return false;
    }
    *ret_number = number;
    *at = digit + 1;
    return true;
}

/* The end of the word at `begin`: the first `stop` within a key's length. NULL: none, or no word. */
static const char *find_end(const char *begin, const char *end, char stop)
{
    const size_t left = (size_t)(end - begin);
    const size_t reach = left < BASE_KEY_SIZE_MAX + 1 ? left : BASE_KEY_SIZE_MAX + 1;
    const char *found = memchr(begin, stop, reach);

    return found == begin ? NULL : found;
}

static bool is_key_size(size_t size)
{
    return size - 1 < BASE_KEY_SIZE_MAX; /* 0 becomes the largest number */
}

static bool is_line_end(const char *at, const char *end)
{
    return end - at >= 2 && memcmp(at, "\r\n", 2) == 0;
}

static bool parse_get(const char *key, const char *end, uint32_t flags,
                      struct proto_request *request, const char **ret_end)
{
    const char *key_end = proto_scan_blank(key, end);
    const size_t size = (size_t)(key_end - key);

    if (!is_key_size(size) || !is_line_end(key_end, end)) {
        return false;
    }
    proto_request_start(request, PROTO_TEXT, PROTO_OP_GET);
    request->flags = flags;
    request->key = (struct base_slice){key, size};
    request->keys = (struct base_slice){key - 1, size + 1}; /* as proto/text.c leaves it */
    *ret_end = key_end + 2;
    return true;
}

/* The opaque behind its O; returns where it ends, or NULL when it is too long. */
static const char *take_opaque(const char *at, const char *end, struct proto_request *request)
{
    const char *opaque_end = proto_scan_blank(at, end);
    const size_t size = (size_t)(opaque_end - at);

    if (size > BASE_OPAQUE_SIZE_MAX) {
        return NULL;
    }
    memcpy(request->opaque, at, size);
    request->opaque_size = (uint8_t)size;
    return opaque_end;
}

static bool parse_meta_get(const char *key, const char *end, struct proto_request *request,
                           const char **ret_end)
{
    const char *at = proto_scan_blank(key, end);
    const size_t size = (size_t)(at - key);

    if (!is_key_size(size)) {
        return false;
    }
    proto_request_start(request, PROTO_META, PROTO_OP_GET);
    request->key = (struct base_slice){key, size};
    request->opaque_size = 0;
    while (end - at > 2 && *at == ' ') {
        const char letter = at[1];
        const unsigned int number = (unsigned char)letter - 'a';
        const uint32_t flag = letter == 'O'      ? (uint32_t)PROTO_FLAG_OPAQUE
                              : number < LETTERS ? META_FLAGS[number]
                                                 : 0;

        if (flag == 0 || (request->flags & flag) != 0) {
            return false;
        }
        request->flags |= flag;
        if ((flag & META_INSTRUCTIONS) == 0) {
            request->returns[request->return_count++] = letter;
        }
        at = letter == 'O' ? take_opaque(at + 2, end, request) : at + 2;
        if (at == NULL) {
            return false;
        }
    }
    if (!is_line_end(at, end)) {
        return false;
    }
    *ret_end = at + 2;
    return true;
}

static bool parse_set(const char *key, const char *end, struct proto_request *request,
                      const char **ret_end)
{
    const char *key_end = find_end(key, end, ' ');
    uint32_t client_flags;
    uint32_t exptime;
    uint32_t value_size;

    if (key_end == NULL || memchr(key, '\n', (size_t)(key_end - key)) != NULL) {
        return false;
    }
    const char *at = key_end + 1;
    if (!take_number(&at, end, ' ', &client_flags) || !take_number(&at, end, ' ', &exptime) ||
        !take_number(&at, end, '\r', &value_size) || at == end || *at != '\n') {
        return false;
    }
    proto_request_start(request, PROTO_TEXT, PROTO_OP_STORE);
    request->mode = PROTO_STORE_SET;
    request->key = (struct base_slice){key, (size_t)(key_end - key)};
    request->client_flags = client_flags;
    request->exptime = exptime;
    request->value_size = value_size;
    request->cas = 0;
    *ret_end = at + 1;
    return true;
}

bool proto_plain_parse(struct base_slice input, struct proto_request *request, size_t *ret_consumed)
{
    const char *end = input.data + input.size;
    const char *line_end;
    bool done = false;

    if (input.size <= GETS_WORD_SIZE) {
        return false;
    }
    if (memcmp(input.data, "get ", WORD_SIZE) == 0) {
        done = parse_get(input.data + WORD_SIZE, end, PROTO_FLAG_VALUE, request, &line_end);
    } else if (memcmp(input.data, "set ", WORD_SIZE) == 0) {
        done = parse_set(input.data + WORD_SIZE, end, request, &line_end);
    } else if (memcmp(input.data, "mg ", META_WORD_SIZE) == 0) {
        done = parse_meta_get(input.data + META_WORD_SIZE, end, request, &line_end);
    } else if (memcmp(input.data, "gets ", GETS_WORD_SIZE) == 0) {
        done = parse_get(input.data + GETS_WORD_SIZE, end, PROTO_FLAG_VALUE | PROTO_FLAG_CAS_RETURN,
                         request, &line_end);
    }
    if (done) {
        *ret_consumed = (size_t)(line_end - input.data);
    }
    return done;
}
