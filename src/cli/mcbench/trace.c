/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The formats of traces. Lines are read strictly: whoever wrote something else into a trace meant something by it.
 */
#include "cli/mcbench/trace.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/hash.h"
#include "base/num.h"

static const char *const FORMAT_NAMES[BENCH_TRACE_FORMATS] = {
    [BENCH_TRACE_ID32] = "id32",       [BENCH_TRACE_ID64] = "id64",
    [BENCH_TRACE_EXTENTS] = "extents", [BENCH_TRACE_KEYS] = "keys",
    [BENCH_TRACE_TWITTER] = "twitter",
};

struct word {
    const char *name;
    enum bench_trace_op op;
};

/* Operations of the twitter format. */
static const struct word WORDS[] = {
    {"get", BENCH_TRACE_READ},    {"gets", BENCH_TRACE_READ},      {"set", BENCH_TRACE_WRITE},
    {"cas", BENCH_TRACE_WRITE},   {"append", BENCH_TRACE_WRITE},   {"prepend", BENCH_TRACE_WRITE},
    {"add", BENCH_TRACE_ADD},     {"replace", BENCH_TRACE_CHANGE}, {"incr", BENCH_TRACE_CHANGE},
    {"decr", BENCH_TRACE_CHANGE}, {"delete", BENCH_TRACE_DELETE},
};

bool bench_trace_find_format(struct base_slice name, enum bench_trace_format *ret_format)
{
    for (uint32_t i = 0; i < BENCH_TRACE_FORMATS; i++) {
        if (base_slice_equal(name, (struct base_slice){FORMAT_NAMES[i], strlen(FORMAT_NAMES[i])})) {
            *ret_format = (enum bench_trace_format)i;
            return true;
        }
    }
    return false;
}

const char *bench_trace_format_name(enum bench_trace_format format)
{
    return FORMAT_NAMES[format];
}

void bench_trace_init(struct bench_trace_parser *parser, enum bench_trace_format format)
{
    *parser = (struct bench_trace_parser){.format = format};
}

/* A complaint about the line at hand. */
__attribute__((format(printf, 3, 4))) static enum bench_trace_result
bad_line(const struct bench_trace_parser *parser, char *complaint, const char *format, ...)
{
    int size = snprintf(complaint, BENCH_TRACE_ERROR_MAX, "line %" PRIu64 ": ", parser->line + 1);
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(complaint + size, BENCH_TRACE_ERROR_MAX - (size_t)size, format, arguments);
    va_end(arguments);
    return BENCH_TRACE_BAD;
}

/* ---- numbers of a fixed width ---- */

static enum bench_trace_result parse_id(const struct bench_trace_parser *parser,
                                        struct base_slice input, bool at_end, size_t width,
                                        size_t *ret_consumed, struct bench_trace_request *request,
                                        char *complaint)
{
    uint64_t number = 0;

    if (input.size < width) {
        if (!at_end) {
            return BENCH_TRACE_MORE;
        }
        if (input.size == 0) {
            return BENCH_TRACE_END;
        }
        *ret_consumed = 0;
        (void)snprintf(complaint, BENCH_TRACE_ERROR_MAX,
                       "offset %" PRIu64 ": ends within a number of %zu bytes", parser->offset,
                       width);
        return BENCH_TRACE_BAD;
    }
    for (size_t i = 0; i < width; i++) {
        number = number << 8 | (unsigned char)input.data[i];
    }
    *request = (struct bench_trace_request){.number = number};
    *ret_consumed = width;
    return BENCH_TRACE_DONE;
}

/* ---- lines ---- */

/* The line without its end. ret_size: with it. */
static enum bench_trace_result take_line(const struct bench_trace_parser *parser,
                                         struct base_slice input, bool at_end,
                                         struct base_slice *ret_line, size_t *ret_size,
                                         char *complaint)
{
    const size_t look = input.size < BENCH_TRACE_LINE_MAX ? input.size : BENCH_TRACE_LINE_MAX;
    const char *end = look == 0 ? NULL : memchr(input.data, '\n', look);
    size_t size;

    if (end == NULL && look == BENCH_TRACE_LINE_MAX) {
        return bad_line(parser, complaint, "longer than %d bytes", BENCH_TRACE_LINE_MAX);
    }
    if (end == NULL && !at_end) {
        return BENCH_TRACE_MORE;
    }
    if (end == NULL && look == 0) {
        return BENCH_TRACE_END;
    }
    size = end == NULL ? look : (size_t)(end - input.data);
    *ret_size = end == NULL ? look : size + 1;
    if (size > 0 && input.data[size - 1] == '\r') {
        size--;
    }
    *ret_line = (struct base_slice){input.data, size};
    return BENCH_TRACE_DONE;
}

static struct base_slice take_word(struct base_slice *rest)
{
    struct base_slice word;
    size_t begin = 0;
    size_t end;

    while (begin < rest->size && (rest->data[begin] == ' ' || rest->data[begin] == '\t')) {
        begin++;
    }
    for (end = begin; end < rest->size && rest->data[end] != ' ' && rest->data[end] != '\t';) {
        end++;
    }
    word = (struct base_slice){rest->data + begin, end - begin};
    *rest = (struct base_slice){rest->data + end, rest->size - end};
    return word;
}

/* A key as a server would take it. */
static enum bench_trace_result check_key(const struct bench_trace_parser *parser,
                                         struct base_slice key, char *complaint)
{
    if (key.size == 0 || key.size > BASE_KEY_SIZE_MAX) {
        return bad_line(parser, complaint, "a key of %zu bytes; 1..%d are possible", key.size,
                        BASE_KEY_SIZE_MAX);
    }
    for (size_t i = 0; i < key.size; i++) {
        const unsigned char byte = (unsigned char)key.data[i];

        if (byte <= ' ' || byte == 0x7f) {
            return bad_line(parser, complaint, "byte 0x%02x in a key", byte);
        }
    }
    return BENCH_TRACE_DONE;
}

static enum bench_trace_result begin_extent(struct bench_trace_parser *parser,
                                            struct base_slice line, char *complaint)
{
    const struct base_slice first = take_word(&line);
    const struct base_slice count = take_word(&line);

    if (!base_num_parse_u64(first, &parser->block) || !base_num_parse_u64(count, &parser->left)) {
        return bad_line(parser, complaint,
                        "does not begin with two numbers, first block and count");
    }
    if (parser->left == 0 || parser->left > BENCH_TRACE_COUNT_MAX ||
        parser->block > UINT64_MAX - parser->left) {
        const uint64_t left = parser->left;

        parser->left = 0;
        return bad_line(parser, complaint, "%" PRIu64 " blocks; 1..%d are possible", left,
                        BENCH_TRACE_COUNT_MAX);
    }
    return BENCH_TRACE_DONE;
}

static enum bench_trace_result parse_keys(const struct bench_trace_parser *parser,
                                          struct base_slice line,
                                          struct bench_trace_request *request, char *complaint)
{
    if (check_key(parser, line, complaint) == BENCH_TRACE_BAD) {
        return BENCH_TRACE_BAD;
    }
    *request = (struct bench_trace_request){.key = line, .number = base_hash_key(line)};
    return BENCH_TRACE_DONE;
}

/* The part behind the last comma, which is cut off. False: there is none. */
static bool take_last(struct base_slice *line, struct base_slice *ret_part)
{
    for (size_t i = line->size; i-- > 0;) {
        if (line->data[i] == ',') {
            *ret_part = (struct base_slice){line->data + i + 1, line->size - i - 1};
            line->size = i;
            return true;
        }
    }
    return false;
}

static bool find_op(struct base_slice name, enum bench_trace_op *ret_op)
{
    for (size_t i = 0; i < sizeof(WORDS) / sizeof(WORDS[0]); i++) {
        if (base_slice_equal(name, (struct base_slice){WORDS[i].name, strlen(WORDS[i].name)})) {
            *ret_op = WORDS[i].op;
            return true;
        }
    }
    return false;
}

/* Keys may hold commas: the five fields behind the key are taken from the end. */
static enum bench_trace_result parse_twitter(const struct bench_trace_parser *parser,
                                             struct base_slice line,
                                             struct bench_trace_request *request, char *complaint)
{
    struct base_slice fields[5]; /* TTL, operation, client, value size, key size */
    struct bench_trace_request parsed = {.has_sizes = true};
    struct base_slice key = line;
    struct base_slice time;
    const char *comma = line.size == 0 ? NULL : memchr(line.data, ',', line.size);

    for (uint32_t i = 0; i < 5; i++) {
        if (!take_last(&key, &fields[i])) {
            comma = NULL;
        }
    }
    if (comma == NULL || (size_t)(comma - line.data) >= key.size) {
        return bad_line(parser, complaint, "not time,key,key size,value size,client,operation,TTL");
    }
    time = (struct base_slice){line.data, (size_t)(comma - line.data)};
    parsed.key = (struct base_slice){comma + 1, key.size - time.size - 1};
    if (!base_num_parse_u64(time, &parsed.time_s) ||
        !base_num_parse_u32(fields[0], &parsed.ttl_s) ||
        !base_num_parse_u32(fields[3], &parsed.value_size) ||
        !base_num_parse_u32(fields[4], &parsed.key_size)) {
        return bad_line(parser, complaint, "time, key size, value size or TTL is not a number");
    }
    if (!find_op(fields[1], &parsed.op)) {
        return bad_line(parser, complaint, "unknown operation '%.*s'",
                        fields[1].size > 32 ? 32 : (int)fields[1].size, fields[1].data);
    }
    if (check_key(parser, parsed.key, complaint) == BENCH_TRACE_BAD) {
        return BENCH_TRACE_BAD;
    }
    parsed.number = base_hash_key(parsed.key);
    *request = parsed;
    return BENCH_TRACE_DONE;
}

/* The next block of an extent; the line is consumed with its last. */
static size_t take_block(struct bench_trace_parser *parser, size_t line_size,
                         struct bench_trace_request *request)
{
    *request = (struct bench_trace_request){.number = parser->block++};
    parser->left--;
    return parser->left == 0 ? line_size : 0;
}

static enum bench_trace_result parse_line(struct bench_trace_parser *parser,
                                          struct base_slice input, bool at_end,
                                          size_t *ret_consumed, struct bench_trace_request *request,
                                          char *complaint)
{
    struct base_slice line = {"", 0};
    size_t size = 0;
    enum bench_trace_result result = take_line(parser, input, at_end, &line, &size, complaint);

    *ret_consumed = 0;
    if (result != BENCH_TRACE_DONE) {
        return result;
    }
    if (parser->format == BENCH_TRACE_KEYS) {
        result = parse_keys(parser, line, request, complaint);
    } else if (parser->format == BENCH_TRACE_TWITTER) {
        result = parse_twitter(parser, line, request, complaint);
    } else {
        if (parser->left == 0) {
            result = begin_extent(parser, line, complaint);
        }
        if (result == BENCH_TRACE_DONE) {
            size = take_block(parser, size, request);
        }
    }
    if (result == BENCH_TRACE_DONE && size > 0) {
        *ret_consumed = size;
        parser->line++;
    }
    return result;
}

enum bench_trace_result bench_trace_parse(struct bench_trace_parser *parser,
                                          struct base_slice input, bool at_end,
                                          size_t *ret_consumed,
                                          struct bench_trace_request *ret_request,
                                          char complaint[static BENCH_TRACE_ERROR_MAX])
{
    size_t consumed = 0;
    enum bench_trace_result result;

    if (parser->format == BENCH_TRACE_ID32 || parser->format == BENCH_TRACE_ID64) {
        result = parse_id(parser, input, at_end, parser->format == BENCH_TRACE_ID32 ? 4 : 8,
                          &consumed, ret_request, complaint);
    } else {
        result = parse_line(parser, input, at_end, &consumed, ret_request, complaint);
    }
    if (result == BENCH_TRACE_DONE || result == BENCH_TRACE_BAD) {
        parser->offset += consumed;
        *ret_consumed = consumed;
    }
    return result;
}
