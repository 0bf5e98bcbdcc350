/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests as a connection reads them: one after the other, in steps of a size that the first byte
 * chooses. Whatever comes, the parser stays inside its input, gives only keys of 1..250 bytes,
 * consumes whole lines, and says the same however the line was cut.
 */
#include "fuzz.h"
#include "proto/meta.h"
#include "proto/plain.h"
#include "proto/text.h"

struct parsed {
    enum proto_parse result;
    size_t consumed;
    enum proto_error error;
    uint64_t swallow;
    struct proto_request request;
};

static void check_key(struct base_slice key)
{
    CHECK(key.size >= 1 && key.size <= BASE_KEY_SIZE_MAX);
}

static void check_keys(const struct proto_request *request, struct base_slice input)
{
    struct base_slice keys = request->keys;
    struct base_slice key;
    bool is_first = true;

    CHECK(fuzz_is_inside(keys, input));
    while (proto_text_next_key(&keys, &key)) {
        check_key(key);
        CHECK(memchr(key.data, ' ', key.size) == NULL && memchr(key.data, '\n', key.size) == NULL);
        CHECK(!is_first || base_slice_equal(key, request->key));
        is_first = false;
    }
    CHECK(!is_first || request->key.size == 0);
}

static void check_request(const struct proto_request *request, struct base_slice input)
{
    CHECK(request->op < PROTO_OP_COUNT);
    CHECK(request->return_count <= PROTO_RETURN_MAX);
    if ((request->flags & PROTO_FLAG_BASE64) == 0) {
        CHECK(fuzz_is_inside(request->key, input));
    }
    if (request->op == PROTO_OP_GET && request->dialect == PROTO_TEXT) {
        check_keys(request, input);
    } else if (request->op <= PROTO_OP_TOUCH || request->op == PROTO_OP_META_DEBUG) {
        check_key(request->key);
    } else if (request->op > PROTO_OP_META_DEBUG && request->op != PROTO_OP_FLUSH_ALL &&
               request->op != PROTO_OP_VERBOSITY && request->op != PROTO_OP_CACHE_MEMLIMIT) {
        CHECK(fuzz_is_inside(request->arguments, input));
    }
    CHECK(request->op != PROTO_OP_STORE || request->value_size <= INT32_MAX - 2);
}

static struct parsed parse(struct base_slice input)
{
    struct parsed parsed = {.error = PROTO_ERROR_COUNT};

    parsed.result =
        proto_text_parse(input, &parsed.request, &parsed.consumed, &parsed.error, &parsed.swallow);
    CHECK(parsed.consumed <= input.size);
    switch (parsed.result) {
    case PROTO_DONE:
        check_request(&parsed.request, (struct base_slice){input.data, parsed.consumed});
        CHECK(parsed.request.keys_continue || input.data[parsed.consumed - 1] == '\n');
        break;
    case PROTO_BAD:
        CHECK(parsed.error < PROTO_ERROR_COUNT);
        CHECK(parsed.request.keys_continue || input.data[parsed.consumed - 1] == '\n');
        break;
    case PROTO_MORE:
        CHECK(input.size <= BASE_REQUEST_LINE_MAX && parsed.consumed == 0);
        CHECK(input.size == 0 || memchr(input.data, '\n', input.size) == NULL);
        break;
    case PROTO_CLOSE:
        break;
    }
    return parsed;
}

/* The line alone, without what stood behind it, must give the same. */
static void check_same_without_rest(struct base_slice input, const struct parsed *with_rest)
{
    const struct parsed alone = parse((struct base_slice){input.data, with_rest->consumed});

    CHECK(alone.result == with_rest->result && alone.consumed == with_rest->consumed);
    CHECK(alone.result != PROTO_BAD ||
          (alone.error == with_rest->error && alone.swallow == with_rest->swallow));
    CHECK(alone.result != PROTO_DONE || alone.request.op == with_rest->request.op);
    CHECK(parse((struct base_slice){input.data, with_rest->consumed - 1}).result != PROTO_DONE ||
          with_rest->consumed > BASE_REQUEST_LINE_MAX);
}

static void check_plain_answer(const struct proto_request *request, struct base_slice key,
                               struct base_slice words, const struct proto_reply *reply)
{
    char plain[PROTO_META_REPLY_MAX];
    char usual[PROTO_META_REPLY_MAX];
    const size_t size = proto_meta_write_plain(plain, key, words, request->flags, reply);

    CHECK(size == proto_meta_write_reply(usual, request, reply));
    CHECK(memcmp(plain, usual, size) == 0);
}

/* An mg that is taken for plain is what it is for everybody else, and gets the same answers. */
static void check_plain(struct base_slice input, const struct parsed *parsed)
{
    struct base_slice key;
    struct base_slice words;
    uint32_t flags = 0;
    const char *end = proto_plain_meta_get(input.data, input.data + input.size, &key, &flags);

    if (end == NULL) {
        return;
    }
    CHECK(parsed->result == PROTO_DONE && parsed->consumed == (size_t)(end - input.data));
    CHECK(parsed->request.op == PROTO_OP_GET && parsed->request.dialect == PROTO_META);
    CHECK(parsed->request.flags == flags && base_slice_equal(parsed->request.key, key));
    words = (struct base_slice){key.data + key.size, (size_t)(end - 2 - key.data) - key.size};
    check_plain_answer(&parsed->request, key, words,
                       &(struct proto_reply){.status = PROTO_STATUS_HIT, .value_size = 123});
    check_plain_answer(&parsed->request, key, words,
                       &(struct proto_reply){.status = PROTO_STATUS_MISS});
}

/* The rest of a long get line, `step` bytes at a time. Returns what was consumed. */
static size_t parse_rest_of_line(struct base_slice input, struct proto_request *request,
                                 size_t step)
{
    size_t begin = 0;
    size_t end = 0;

    while (request->keys_continue) {
        const struct base_slice seen = {input.data + begin, end - begin};
        enum proto_error error = PROTO_ERROR_COUNT;
        size_t consumed = 0;
        const enum proto_parse result = proto_text_parse_keys(seen, request, &consumed, &error);

        CHECK(consumed <= seen.size && result != PROTO_CLOSE);
        CHECK(result != PROTO_BAD || error == PROTO_ERROR_NONE || error == PROTO_ERROR_BAD_FORMAT);
        CHECK(result != PROTO_DONE || !request->keys_refused);
        if (result == PROTO_DONE) {
            check_keys(request, (struct base_slice){seen.data, consumed});
        }
        if (result != PROTO_MORE) {
            CHECK(consumed > 0);
            begin += consumed;
            continue;
        }
        CHECK(seen.size <= BASE_KEY_SIZE_MAX + 1);
        if (end == input.size) {
            break;
        }
        end = input.size - end < step ? input.size : end + step;
    }
    return begin;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct base_slice input;
    size_t step;

    if (size == 0) {
        return 0;
    }
    step = (size_t)data[0] * data[0] + 1;
    input = fuzz_slice(data + 1, size - 1);
    for (;;) {
        struct parsed parsed = parse(input);

        if (parsed.result == PROTO_MORE || parsed.result == PROTO_CLOSE) {
            return 0;
        }
        if (!parsed.request.keys_continue) {
            check_same_without_rest(input, &parsed);
            check_plain(input, &parsed);
        }
        input.data += parsed.consumed;
        input.size -= parsed.consumed;
        if (parsed.request.keys_continue) {
            const size_t rest = parse_rest_of_line(input, &parsed.request, step);

            if (parsed.request.keys_continue) {
                return 0;
            }
            input.data += rest;
            input.size -= rest;
        }
        if (parsed.result == PROTO_BAD) {
            const size_t swallow =
                parsed.swallow < input.size ? (size_t)parsed.swallow : input.size;

            input.data += swallow;
            input.size -= swallow;
        }
    }
}
