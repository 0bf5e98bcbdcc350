/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The text protocol's requests: one line to one struct proto_request.
 *
 * Words are separated by blanks (0x20), any number of them; every other byte but newline belongs to
 * a word. The first word picks a row of commands[], its parser takes the rest of the line. Only
 * `get` lines, which have no limit, are walked without splitting them into an array.
 *
 * Pure: all state is the caller's, slices point into the input. Any thread.
 */
#include "proto/text.h"

#include "base/compiler.h"
#include "proto/meta.h"
#include "proto/number.h"
#include "proto/plain.h"
#include "proto/scan.h"

enum {
    LEADING_BLANKS_MAX = 100, /* before a line without newline is given up; memcached */
    WORDS_MAX = 23,           /* of one line that memcached looks at, the command included */
    ARGUMENTS_MAX = 7         /* words behind the command that any parser here tells apart */
};

struct command;

/*
 * `rest` is the line behind the command word. Returns PROTO_ERROR_NONE or what is wrong; that goes
 * unsaid when request->noreply is set by then.
 */
typedef enum proto_error parse_fn(const struct command *command, struct base_slice rest,
                                  struct proto_request *request);

struct command {
    struct base_slice word;
    parse_fn *parse;
    enum proto_op op;
    uint32_t flags;             /* GET */
    enum proto_store_mode mode; /* STORE */
    bool takes_noreply;         /* administration */
};

bool proto_text_next_token(struct base_slice *rest, struct base_slice *ret_token)
{
    struct base_slice token;

    if (!proto_text_next_key(rest, &token)) {
        return false;
    }
    *ret_token = token;
    return true;
}

/* Splits up to ARGUMENTS_MAX words; more are not counted. */
static size_t split(struct base_slice rest, struct base_slice *ret_words)
{
    size_t count = 0;

    while (count < ARGUMENTS_MAX && proto_text_next_token(&rest, &ret_words[count])) {
        count++;
    }
    return count;
}

static bool is_noreply(const struct base_slice *words, size_t count)
{
    return count > 0 && base_slice_equal(words[count - 1], BASE_SLICE("noreply"));
}

/* The last of the first `words_max` words; empty when there is none. */
static struct base_slice last_word(struct base_slice rest, size_t words_max)
{
    struct base_slice word = {rest.data, 0};

    for (size_t i = 0; i < words_max; i++) {
        if (!proto_text_next_token(&rest, &word)) {
            break;
        }
    }
    return word;
}

/* No key is too long: of BASE_KEY_SIZE_MAX bytes and one more, wherever they are, one is a blank. */
static bool keys_fit(struct base_slice keys)
{
    const char *at = keys.data;
    const char *const end = keys.data + keys.size;

    while (end - at > BASE_KEY_SIZE_MAX) {
        const char *last_blank = memrchr(at, ' ', BASE_KEY_SIZE_MAX + 1);
        if (last_blank == NULL) {
            return false;
        }
        at = last_blank + 1;
    }
    return true;
}

static enum proto_error parse_get(const struct command *command, struct base_slice rest,
                                  struct proto_request *request)
{
    struct base_slice word;

    request->flags = command->flags;
    if ((command->flags & PROTO_FLAG_TTL_SET) != 0) {
        if (!proto_text_next_token(&rest, &word)) {
            return PROTO_ERROR_UNKNOWN;
        }
        if (!proto_number_i32(word, &request->exptime)) {
            return PROTO_ERROR_INVALID_EXPTIME;
        }
    }
    request->keys = rest;
    request->key = (struct base_slice){rest.data, 0};
    if (!proto_text_next_token(&rest, &request->key)) {
        /* memcached answers `gat 10` with END. */
        return (command->flags & PROTO_FLAG_TTL_SET) != 0 ? PROTO_ERROR_NONE : PROTO_ERROR_UNKNOWN;
    }
    if (request->key.size > BASE_KEY_SIZE_MAX || !keys_fit(rest)) {
        return PROTO_ERROR_BAD_FORMAT;
    }
    return PROTO_ERROR_NONE;
}

static enum proto_error parse_store(const struct command *command, struct base_slice rest,
                                    struct proto_request *request)
{
    struct base_slice words[ARGUMENTS_MAX];
    const size_t count = split(rest, words);
    const size_t needed = command->mode == PROTO_STORE_CAS ? 5 : 4;
    int64_t value_size;

    if (count != needed && count != needed + 1) {
        return PROTO_ERROR_UNKNOWN;
    }
    request->noreply = is_noreply(words, count);
    request->mode = command->mode;
    request->key = words[0];
    request->cas = 0;
    if (words[0].size > BASE_KEY_SIZE_MAX || !proto_number_u32(words[1], &request->client_flags) ||
        !proto_number_i32(words[2], &request->exptime) ||
        !proto_number_i32(words[3], &value_size) ||
        (needed == 5 && !proto_number_u64(words[4], &request->cas)) || value_size < 0 ||
        value_size > INT32_MAX - 2) {
        return PROTO_ERROR_BAD_FORMAT;
    }
    request->value_size = (uint64_t)value_size;
    return PROTO_ERROR_NONE;
}

static enum proto_error parse_delete(const struct command *command, struct base_slice rest,
                                     struct proto_request *request)
{
    struct base_slice words[ARGUMENTS_MAX];
    const size_t count = split(rest, words);

    (void)command;
    if (count < 1 || count > 3) {
        return PROTO_ERROR_UNKNOWN;
    }
    request->key = words[0];
    if (count > 1) {
        /* A hold time of 0 is all that is left of `delete <key> <time>`. */
        const bool is_hold_zero = base_slice_equal(words[1], BASE_SLICE("0"));

        request->noreply = is_noreply(words, count);
        if (count == 2 ? !is_hold_zero && !request->noreply : !is_hold_zero || !request->noreply) {
            return PROTO_ERROR_DELETE_USAGE;
        }
    }
    return words[0].size > BASE_KEY_SIZE_MAX ? PROTO_ERROR_BAD_FORMAT : PROTO_ERROR_NONE;
}

/* `incr key n`, `decr key n` and `touch key exptime` have one shape. */
static enum proto_error parse_key_number(const struct command *command, struct base_slice rest,
                                         struct proto_request *request)
{
    struct base_slice words[ARGUMENTS_MAX];
    const size_t count = split(rest, words);

    if (count != 2 && count != 3) {
        return PROTO_ERROR_UNKNOWN;
    }
    request->noreply = is_noreply(words, count);
    request->key = words[0];
    request->decrement = command->word.data[0] == 'd';
    if (words[0].size > BASE_KEY_SIZE_MAX) {
        return PROTO_ERROR_BAD_FORMAT;
    }
    if (command->op == PROTO_OP_TOUCH) {
        request->flags = PROTO_FLAG_TTL_SET;
        return proto_number_i32(words[1], &request->exptime) ? PROTO_ERROR_NONE
                                                             : PROTO_ERROR_INVALID_EXPTIME;
    }
    return proto_number_u64(words[1], &request->delta) ? PROTO_ERROR_NONE
                                                       : PROTO_ERROR_INVALID_DELTA;
}

static enum proto_error parse_flush_all(const struct command *command, struct base_slice rest,
                                        struct proto_request *request)
{
    struct base_slice words[ARGUMENTS_MAX];
    const size_t count = split(rest, words);

    (void)command;
    if (count > 2) {
        return PROTO_ERROR_UNKNOWN;
    }
    request->noreply = is_noreply(words, count);
    request->exptime = 0;
    if (count != (request->noreply ? 1 : 0) && !proto_number_i32(words[0], &request->exptime)) {
        return PROTO_ERROR_INVALID_EXPTIME;
    }
    return PROTO_ERROR_NONE;
}

/* verbosity and cache_memlimit: one number, into delta. */
static enum proto_error parse_level(const struct command *command, struct base_slice rest,
                                    struct proto_request *request)
{
    struct base_slice words[ARGUMENTS_MAX];
    const size_t count = split(rest, words);

    if (count != 1 && count != 2) {
        return PROTO_ERROR_UNKNOWN;
    }
    request->noreply = is_noreply(words, count);
    if (!proto_number_u64(words[0], &request->delta)) {
        return command->op == PROTO_OP_VERBOSITY ? PROTO_ERROR_BAD_FORMAT : PROTO_ERROR_UNKNOWN;
    }
    return PROTO_ERROR_NONE;
}

/* `slabs automove` knows noreply, `slabs reassign` does not. */
static bool is_automove(struct base_slice rest)
{
    struct base_slice word;

    return proto_text_next_token(&rest, &word) && base_slice_equal(word, BASE_SLICE("automove"));
}

/* Everything whose words are the server's business. */
static enum proto_error parse_admin(const struct command *command, struct base_slice rest,
                                    struct proto_request *request)
{
    while (rest.size > 0 && rest.data[0] == ' ') {
        rest.data++;
        rest.size--;
    }
    while (rest.size > 0 && rest.data[rest.size - 1] == ' ') {
        rest.size--;
    }
    request->arguments = rest;
    if (command->takes_noreply) {
        const struct base_slice last = last_word(rest, WORDS_MAX - 1);

        request->noreply =
            is_noreply(&last, 1) && (command->op != PROTO_OP_SLABS || is_automove(rest));
    }
    return PROTO_ERROR_NONE;
}

#define WORD(literal)                                                                              \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }
#define GETS (PROTO_FLAG_VALUE | PROTO_FLAG_CAS_RETURN)

/* The frequent ones first; `bget` is an alias that old clients still send. */
static const struct command commands[] = {
    {.word = WORD("get"), .parse = parse_get, .op = PROTO_OP_GET, .flags = PROTO_FLAG_VALUE},
    {.word = WORD("set"), .parse = parse_store, .op = PROTO_OP_STORE, .mode = PROTO_STORE_SET},
    {.word = WORD("gets"), .parse = parse_get, .op = PROTO_OP_GET, .flags = GETS},
    {.word = WORD("add"), .parse = parse_store, .op = PROTO_OP_STORE, .mode = PROTO_STORE_ADD},
    {.word = WORD("cas"), .parse = parse_store, .op = PROTO_OP_STORE, .mode = PROTO_STORE_CAS},
    {.word = WORD("delete"), .parse = parse_delete, .op = PROTO_OP_DELETE},
    {.word = WORD("incr"), .parse = parse_key_number, .op = PROTO_OP_ARITH},
    {.word = WORD("decr"), .parse = parse_key_number, .op = PROTO_OP_ARITH},
    {.word = WORD("touch"), .parse = parse_key_number, .op = PROTO_OP_TOUCH},
    {.word = WORD("gat"),
     .parse = parse_get,
     .op = PROTO_OP_GET,
     .flags = PROTO_FLAG_VALUE | PROTO_FLAG_TTL_SET},
    {.word = WORD("gats"),
     .parse = parse_get,
     .op = PROTO_OP_GET,
     .flags = GETS | PROTO_FLAG_TTL_SET},
    {.word = WORD("replace"),
     .parse = parse_store,
     .op = PROTO_OP_STORE,
     .mode = PROTO_STORE_REPLACE},
    {.word = WORD("append"),
     .parse = parse_store,
     .op = PROTO_OP_STORE,
     .mode = PROTO_STORE_APPEND},
    {.word = WORD("prepend"),
     .parse = parse_store,
     .op = PROTO_OP_STORE,
     .mode = PROTO_STORE_PREPEND},
    {.word = WORD("bget"), .parse = parse_get, .op = PROTO_OP_GET, .flags = PROTO_FLAG_VALUE},
    {.word = WORD("flush_all"), .parse = parse_flush_all, .op = PROTO_OP_FLUSH_ALL},
    {.word = WORD("verbosity"), .parse = parse_level, .op = PROTO_OP_VERBOSITY},
    {.word = WORD("cache_memlimit"), .parse = parse_level, .op = PROTO_OP_CACHE_MEMLIMIT},
    {.word = WORD("version"), .parse = parse_admin, .op = PROTO_OP_VERSION},
    {.word = WORD("quit"), .parse = parse_admin, .op = PROTO_OP_QUIT},
    {.word = WORD("stats"), .parse = parse_admin, .op = PROTO_OP_STATS},
    {.word = WORD("shutdown"), .parse = parse_admin, .op = PROTO_OP_SHUTDOWN},
    {.word = WORD("slabs"), .parse = parse_admin, .op = PROTO_OP_SLABS, .takes_noreply = true},
    {.word = WORD("lru"), .parse = parse_admin, .op = PROTO_OP_LRU, .takes_noreply = true},
    {.word = WORD("lru_crawler"), .parse = parse_admin, .op = PROTO_OP_LRU_CRAWLER},
    {.word = WORD("watch"), .parse = parse_admin, .op = PROTO_OP_WATCH, .takes_noreply = true},
    {.word = WORD("extstore"),
     .parse = parse_admin,
     .op = PROTO_OP_EXTSTORE,
     .takes_noreply = true},
    {.word = WORD("refresh_certs"),
     .parse = parse_admin,
     .op = PROTO_OP_REFRESH_CERTS,
     .takes_noreply = true},
    {.word = WORD("debugtime"), .parse = parse_admin, .op = PROTO_OP_DEBUGTIME},
    {.word = WORD("misbehave"), .parse = parse_admin, .op = PROTO_OP_MISBEHAVE},
};

static const struct command *find_command(struct base_slice word)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (commands[i].word.size == word.size && commands[i].word.data[0] == word.data[0] &&
            memcmp(commands[i].word.data, word.data, word.size) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

/*
 * A browser or a health check has lost its way: its last word is HTTP/1.x. memcached only looks
 * when no known command starts with the first letter, and at the words it has split.
 */
static bool is_http(struct base_slice line, struct base_slice word)
{
    struct base_slice last;

    if (word.size < 2 || memchr("gsacidt", word.data[0], 7) != NULL ||
        (word.data[0] == 'm' && word.size == 2)) {
        return false;
    }
    last = last_word(line, WORDS_MAX);
    return last.size >= 5 && memcmp(last.data, "HTTP/", 5) == 0;
}

static enum proto_parse parse_line(struct base_slice line, struct proto_request *ret_request,
                                   enum proto_error *ret_error, uint64_t *ret_swallow)
{
    struct base_slice rest = line;
    struct base_slice word = {line.data, 0};
    const struct command *command = NULL;
    enum proto_error error;

    if (proto_text_next_token(&rest, &word)) {
        if (word.size == 2 && word.data[0] == 'm') {
            return proto_meta_parse(line, ret_request, ret_error, ret_swallow);
        }
        command = find_command(word);
    }
    if (BASE_UNLIKELY(command == NULL)) {
        proto_request_start(ret_request, PROTO_TEXT, PROTO_OP_NOOP);
        *ret_error = PROTO_ERROR_UNKNOWN;
        return is_http(line, word) ? PROTO_CLOSE : PROTO_BAD;
    }
    proto_request_start(ret_request, PROTO_TEXT, command->op);
    error = command->parse(command, rest, ret_request);
    if (BASE_LIKELY(error == PROTO_ERROR_NONE)) {
        return PROTO_DONE;
    }
    *ret_error = ret_request->noreply ? PROTO_ERROR_NONE : error;
    return PROTO_BAD;
}

/* A part of a long get was wrong: say so, and skip the line, of which more may be to come. */
static enum proto_parse refuse_keys(struct proto_request *request, bool is_line_end,
                                    enum proto_error *ret_error)
{
    *ret_error = request->keys_refused ? PROTO_ERROR_NONE : PROTO_ERROR_BAD_FORMAT;
    request->keys_refused = true;
    request->keys_continue = !is_line_end;
    return PROTO_BAD;
}

/* `input` is inside a get line and holds no newline: all keys but an unfinished last one. */
static enum proto_parse take_keys(struct base_slice input, struct proto_request *request,
                                  size_t *ret_consumed, enum proto_error *ret_error)
{
    const char *last_blank = memrchr(input.data, ' ', input.size);
    struct base_slice keys = {input.data,
                              last_blank == NULL ? 0 : (size_t)(last_blank + 1 - input.data)};
    const size_t tail_size = input.size - keys.size;
    const bool is_tail_key =
        tail_size <= BASE_KEY_SIZE_MAX ||
        (tail_size == BASE_KEY_SIZE_MAX + 1 && input.data[input.size - 1] == '\r');

    if (request->keys_refused || !is_tail_key || !keys_fit(keys)) {
        *ret_consumed = input.size;
        return refuse_keys(request, false, ret_error);
    }
    if (keys.size == 0) {
        return PROTO_MORE;
    }
    *ret_consumed = keys.size;
    request->keys_continue = true;
    request->keys = keys;
    request->key = (struct base_slice){keys.data, 0};
    (void)proto_text_next_token(&keys, &request->key);
    return PROTO_DONE;
}

enum proto_parse proto_text_parse_keys(struct base_slice input, struct proto_request *request,
                                       size_t *ret_consumed, enum proto_error *ret_error)
{
    const char *newline;
    struct base_slice keys;

    if (input.size == 0) {
        return PROTO_MORE;
    }
    request->keys_continued = true;
    newline = memchr(input.data, '\n', input.size);
    if (newline == NULL) {
        return take_keys(input, request, ret_consumed, ret_error);
    }
    keys = (struct base_slice){input.data, (size_t)(newline - input.data)};
    *ret_consumed = keys.size + 1;
    if (keys.size > 0 && keys.data[keys.size - 1] == '\r') {
        keys.size--;
    }
    if (request->keys_refused || !keys_fit(keys)) {
        return refuse_keys(request, true, ret_error);
    }
    request->keys_continue = false;
    request->keys = keys;
    request->key = (struct base_slice){keys.data, 0};
    (void)proto_text_next_token(&keys, &request->key);
    return PROTO_DONE;
}

/* More than a command line's length without a newline: a long get, or nothing we want to read. */
static enum proto_parse parse_long(struct base_slice input, struct proto_request *request,
                                   size_t *ret_consumed, enum proto_error *ret_error)
{
    size_t begin = 0;
    const char *word;
    size_t word_size;
    enum proto_parse result;

    while (begin <= LEADING_BLANKS_MAX && input.data[begin] == ' ') {
        begin++;
    }
    word = input.data + begin;
    if (begin <= LEADING_BLANKS_MAX && memcmp(word, "get ", 4) == 0) {
        word_size = 3;
    } else if (begin <= LEADING_BLANKS_MAX && memcmp(word, "gets ", 5) == 0) {
        word_size = 4;
    } else {
        return PROTO_CLOSE;
    }
    proto_request_start(request, PROTO_TEXT, PROTO_OP_GET);
    request->flags = word_size == 3 ? PROTO_FLAG_VALUE : GETS;
    begin += word_size;
    input.data += begin;
    input.size -= begin;
    result = take_keys(input, request, ret_consumed, ret_error);
    *ret_consumed += begin;
    return result;
}

/* Any line: the way of those that are not plain. */
static BASE_NEVER_INLINE enum proto_parse
parse_any(struct base_slice input, struct proto_request *ret_request, size_t *ret_consumed,
          enum proto_error *ret_error, uint64_t *ret_swallow)
{
    const char *newline = input.size == 0 ? NULL : memchr(input.data, '\n', input.size);
    struct base_slice line;

    *ret_consumed = 0;
    if (BASE_UNLIKELY(newline == NULL)) {
        if (input.size <= BASE_REQUEST_LINE_MAX) {
            return PROTO_MORE;
        }
        return parse_long(input, ret_request, ret_consumed, ret_error);
    }
    line = (struct base_slice){input.data, (size_t)(newline - input.data)};
    *ret_consumed = line.size + 1;
    if (line.size > 0 && line.data[line.size - 1] == '\r') {
        line.size--;
    }
    return parse_line(line, ret_request, ret_error, ret_swallow);
}

enum proto_parse proto_text_parse(struct base_slice input, struct proto_request *ret_request,
                                  size_t *ret_consumed, enum proto_error *ret_error,
                                  uint64_t *ret_swallow)
{
    *ret_swallow = 0;
    if (BASE_LIKELY(proto_plain_parse(input, ret_request, ret_consumed))) {
        return PROTO_DONE;
    }
    return parse_any(input, ret_request, ret_consumed, ret_error, ret_swallow);
}
