/* SPDX-License-Identifier: BSD-3-Clause */
/* See rights.h. */
#include "server/rights.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/limits.h"
#include "proto/text.h"

struct server_rights_file {
    struct server_access_file file; /* its text holds the names, and the prefixes as they mean */
    struct server_rights *items;    /* sorted by user, once all are read */
    size_t count;
    size_t room;
    const struct server_rights *others; /* the line of `*`; NULL: none */
};

static const struct server_rights NO_RIGHTS = {.commands = 0};

/* ---- what a request takes ---- */

enum { CLASSED = 1u << 30, KEYS = 1u << 29 };

/* Every operation has its class: a test says so. */
static const uint32_t classes[PROTO_OP_COUNT] = {
    [PROTO_OP_GET] = CLASSED | KEYS | SERVER_RIGHT_READ,
    [PROTO_OP_STORE] = CLASSED | KEYS | SERVER_RIGHT_WRITE,
    [PROTO_OP_DELETE] = CLASSED | KEYS | SERVER_RIGHT_WRITE,
    [PROTO_OP_ARITH] = CLASSED | KEYS | SERVER_RIGHT_WRITE,
    [PROTO_OP_TOUCH] = CLASSED | KEYS | SERVER_RIGHT_WRITE,
    [PROTO_OP_NOOP] = CLASSED,
    [PROTO_OP_META_DEBUG] = CLASSED | KEYS | SERVER_RIGHT_READ,
    [PROTO_OP_FLUSH_ALL] = CLASSED | SERVER_RIGHT_ADMIN,
    [PROTO_OP_VERBOSITY] = CLASSED | SERVER_RIGHT_ADMIN,
    [PROTO_OP_VERSION] = CLASSED,
    [PROTO_OP_QUIT] = CLASSED,
    [PROTO_OP_SHUTDOWN] = CLASSED | SERVER_RIGHT_ADMIN,
    [PROTO_OP_STATS] = CLASSED | SERVER_RIGHT_READ, /* some groups more, see below */
    [PROTO_OP_CACHE_MEMLIMIT] = CLASSED | SERVER_RIGHT_ADMIN,
    [PROTO_OP_SLABS] = CLASSED | SERVER_RIGHT_ADMIN,
    [PROTO_OP_LRU] = CLASSED | SERVER_RIGHT_ADMIN,
    [PROTO_OP_LRU_CRAWLER] = CLASSED | SERVER_RIGHT_ADMIN,
    [PROTO_OP_WATCH] = CLASSED | SERVER_RIGHT_ADMIN,
    [PROTO_OP_EXTSTORE] = CLASSED | SERVER_RIGHT_ADMIN,
    [PROTO_OP_REFRESH_CERTS] = CLASSED | SERVER_RIGHT_ADMIN,
    [PROTO_OP_DEBUGTIME] = CLASSED | SERVER_RIGHT_ADMIN,
    [PROTO_OP_MISBEHAVE] = CLASSED | SERVER_RIGHT_ADMIN,
    [PROTO_OP_SASL_LIST] = CLASSED,
    [PROTO_OP_SASL_AUTH] = CLASSED,
    [PROTO_OP_SASL_STEP] = CLASSED,
};

/* A get that leaves a new expiry time, a new item or a mark that somebody fetches it anew. */
#define GET_CHANGES (PROTO_FLAG_TTL_SET | PROTO_FLAG_VIVIFY | PROTO_FLAG_RECACHE)

/* Statistics that are sums anybody may see who may read; the others name keys or clients. */
static bool is_harmless_group(struct base_slice arguments)
{
    static const struct base_slice groups[] = {
        {"items", 5}, {"slabs", 5}, {"sizes", 5}, {"settings", 8}};
    struct base_slice word;
    if (!proto_text_next_token(&arguments, &word)) {
        return true;
    }
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        if (base_slice_equal(word, groups[i])) {
            return true;
        }
    }
    return false;
}

uint32_t server_rights_needed(const struct proto_request *request)
{
    const uint32_t class = classes[request->op];
    uint32_t needed = class & SERVER_RIGHT_ALL;
    if ((class & CLASSED) == 0 ||
        (request->op == PROTO_OP_STATS && !is_harmless_group(request->arguments))) {
        return SERVER_RIGHT_ADMIN;
    }
    if (request->op == PROTO_OP_GET && (request->flags & (uint32_t)GET_CHANGES) != 0) {
        needed |= SERVER_RIGHT_WRITE;
    }
    return needed;
}

bool server_rights_has_keys(const struct proto_request *request)
{
    return (classes[request->op] & KEYS) != 0;
}

/* ---- reading ---- */

static int compare_names(struct base_slice a, struct base_slice b)
{
    const size_t common = a.size < b.size ? a.size : b.size;
    const int order = memcmp(a.data, b.data, common);
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

static int by_user(const void *a, const void *b)
{
    const struct server_rights *left = a;
    const struct server_rights *right = b;
    const int order = compare_names(left->user, right->user);
    return order != 0 ? order : (left->line > right->line) - (left->line < right->line);
}

/* Take the next of the parts that commas separate off *list. False: there is none left. */
static bool next_part(struct base_slice *list, struct base_slice *ret_part)
{
    if (list->data == NULL) {
        return false;
    }
    const char *comma = list->size > 0 ? memchr(list->data, ',', list->size) : NULL;
    ret_part->data = list->data;
    if (comma == NULL) {
        ret_part->size = list->size;
        *list = (struct base_slice){NULL, 0};
        return true;
    }
    ret_part->size = (size_t)(comma - list->data);
    list->data = comma + 1;
    list->size -= ret_part->size + 1;
    return true;
}

static bool read_commands(const struct server_access_file *file, struct base_slice list,
                          struct server_rights *rights, char why[SERVER_ACCESS_WHY_MAX])
{
    static const struct {
        struct base_slice word;
        uint32_t right;
    } words[] = {
        {{"read", 4}, SERVER_RIGHT_READ},
        {{"write", 5}, SERVER_RIGHT_WRITE},
        {{"admin", 5}, SERVER_RIGHT_ADMIN},
    };
    struct base_slice part;
    if (base_slice_equal(list, BASE_SLICE("none"))) {
        return true;
    }
    while (next_part(&list, &part)) {
        size_t i = 0;
        while (i < sizeof(words) / sizeof(words[0]) && !base_slice_equal(part, words[i].word)) {
            i++;
        }
        if (i == sizeof(words) / sizeof(words[0])) {
            return server_access_file_complain(
                file, why, "commands: '%.*s' is not one of read, write, admin (or none, alone)",
                (int)part.size, part.data);
        }
        rights->commands |= words[i].right;
    }
    return true;
}

static int hex_digit(char digit)
{
    static const char digits[] = "0123456789abcdef";
    const char low = (char)(digit >= 'A' && digit <= 'F' ? digit + ('a' - 'A') : digit);
    const char *at = memchr(digits, low, sizeof(digits) - 1);
    return at != NULL ? (int)(at - digits) : -1;
}

/* %XX to its byte, in place: `text` is the file's own, and never gets longer. */
static bool decode(char *text, size_t *size)
{
    size_t to = 0;
    for (size_t from = 0; from < *size; from++) {
        if (text[from] != '%') {
            text[to++] = text[from];
            continue;
        }
        const int high = from + 2 < *size ? hex_digit(text[from + 1]) : -1;
        const int low = high >= 0 ? hex_digit(text[from + 2]) : -1;
        if (low < 0) {
            return false;
        }
        text[to++] = (char)(unsigned char)(high * 16 + low);
        from += 2;
    }
    *size = to;
    return true;
}

static bool read_prefixes(const struct server_access_file *file, struct base_slice list,
                          struct server_rights *rights, char why[SERVER_ACCESS_WHY_MAX])
{
    struct base_slice prefixes[SERVER_RIGHTS_PREFIXES_MAX];
    struct base_slice part;
    uint32_t count = 0;
    while (next_part(&list, &part)) {
        if (count == SERVER_RIGHTS_PREFIXES_MAX) {
            return server_access_file_complain(file, why, "prefixes: there are more than %d",
                                               SERVER_RIGHTS_PREFIXES_MAX);
        }
        if (part.size == 0) {
            return server_access_file_complain(
                file, why, "prefixes: one of them is empty; leave the field out for every key");
        }
        if (!decode(file->text + (part.data - file->text), &part.size)) {
            return server_access_file_complain(
                file, why, "prefixes: a %% has to be followed by two hexadecimal digits");
        }
        if (part.size > BASE_KEY_SIZE_MAX) {
            return server_access_file_complain(
                file, why, "prefixes: one is longer than a key, %d bytes", BASE_KEY_SIZE_MAX);
        }
        prefixes[count++] = part;
    }
    CHECK(count > 0); /* a list has a part, if an empty one */
    struct base_slice *copy = malloc(count * sizeof(*copy));
    if (copy == NULL) {
        return server_access_file_complain(file, why, "no memory for its prefixes");
    }
    memcpy(copy, prefixes, count * sizeof(*copy));
    rights->prefixes = copy;
    rights->prefix_count = count;
    return true;
}

/* One of a line's name=value. */
static bool read_field(const struct server_access_file *file, struct base_slice field,
                       struct server_rights *rights, bool *has_commands,
                       char why[SERVER_ACCESS_WHY_MAX])
{
    const char *equals = memchr(field.data, '=', field.size);
    if (equals == NULL) {
        return server_access_file_complain(file, why, "'%.*s' is not of the form field=value",
                                           (int)field.size, field.data);
    }
    const struct base_slice name = {field.data, (size_t)(equals - field.data)};
    const struct base_slice value = {equals + 1, field.size - name.size - 1};
    if (base_slice_equal(name, BASE_SLICE("commands"))) {
        if (*has_commands) {
            return server_access_file_complain(file, why, "commands= stands there twice");
        }
        *has_commands = true;
        return read_commands(file, value, rights, why);
    }
    if (base_slice_equal(name, BASE_SLICE("prefixes"))) {
        if (rights->prefixes != NULL) {
            return server_access_file_complain(file, why, "prefixes= stands there twice");
        }
        return read_prefixes(file, value, rights, why);
    }
    if (base_slice_equal(name, BASE_SLICE("domains"))) {
        return server_access_file_complain(
            file, why, "domains= cannot be enforced: this server has no domains yet");
    }
    return server_access_file_complain(file, why, "there is no field '%.*s'", (int)name.size,
                                       name.data);
}

static bool read_line(const struct server_access_file *file, struct base_slice line,
                      struct server_rights *rights, char why[SERVER_ACCESS_WHY_MAX])
{
    const char *colon = memchr(line.data, ':', line.size);
    struct base_slice field;
    bool has_commands = false;
    if (colon == NULL) {
        return server_access_file_complain(file, why, "there is no colon behind a user's name");
    }
    rights->user = (struct base_slice){line.data, (size_t)(colon - line.data)};
    rights->line = file->line;
    if (rights->user.size == 0 || rights->user.size > SERVER_ACCESS_USER_MAX ||
        memchr(rights->user.data, ' ', rights->user.size) != NULL) {
        return server_access_file_complain(
            file, why, "a user's name is 1 to %d bytes, and no blank among them",
            SERVER_ACCESS_USER_MAX);
    }
    line.size -= rights->user.size + 1;
    line.data = colon + 1;
    while (proto_text_next_token(&line, &field)) {
        if (!read_field(file, field, rights, &has_commands, why)) {
            return false;
        }
    }
    if (!has_commands) {
        return server_access_file_complain(file, why,
                                           "there is no commands=: say what '%.*s' may do",
                                           (int)rights->user.size, rights->user.data);
    }
    return true;
}

static struct server_rights *add(struct server_rights_file *rights_file)
{
    if (rights_file->count == rights_file->room) {
        const size_t room = rights_file->room * 2 + 8;
        struct server_rights *items = realloc(rights_file->items, room * sizeof(*items));
        if (items == NULL) {
            return NULL;
        }
        rights_file->items = items;
        rights_file->room = room;
    }
    struct server_rights *rights = &rights_file->items[rights_file->count++];
    *rights = (struct server_rights){0};
    return rights;
}

/* All lines are there. */
static bool sort(struct server_rights_file *rights_file, char why[SERVER_ACCESS_WHY_MAX])
{
    if (rights_file->count == 0) {
        return server_access_file_complain(&rights_file->file, why, "nobody has any right in it");
    }
    qsort(rights_file->items, rights_file->count, sizeof(*rights_file->items), by_user);
    for (size_t i = 0; i < rights_file->count; i++) {
        const struct server_rights *rights = &rights_file->items[i];
        if (i > 0 && base_slice_equal(rights[-1].user, rights->user)) {
            rights_file->file.line = rights->line;
            return server_access_file_complain(
                &rights_file->file, why, "'%.*s' has a line already, %u", (int)rights->user.size,
                rights->user.data, rights[-1].line);
        }
        if (base_slice_equal(rights->user, BASE_SLICE("*"))) {
            rights_file->others = rights;
        }
    }
    return true;
}

static bool read_all(struct server_rights_file *rights_file, char why[SERVER_ACCESS_WHY_MAX])
{
    struct server_access_file *file = &rights_file->file;
    struct base_slice line;
    for (;;) {
        switch (server_access_file_next(file, &line, why)) {
        case SERVER_ACCESS_LINE:
            if (line.data[0] != '#') {
                struct server_rights *rights = add(rights_file);
                if (rights == NULL) {
                    return server_access_file_complain(file, why, "no memory for so many lines");
                }
                if (!read_line(file, line, rights, why)) {
                    return false;
                }
            }
            break;
        case SERVER_ACCESS_BAD:
            return false;
        case SERVER_ACCESS_END:
            return sort(rights_file, why);
        }
    }
}

/* `file` is given. */
static struct server_rights_file *read_file(struct server_access_file file,
                                            char why[SERVER_ACCESS_WHY_MAX])
{
    struct server_rights_file *rights_file = calloc(1, sizeof(*rights_file));
    if (rights_file == NULL) {
        (void)server_access_file_complain(&file, why, "no memory for its lines");
        server_access_file_fini(&file);
        return NULL;
    }
    rights_file->file = file;
    if (!read_all(rights_file, why)) {
        server_rights_close(&rights_file);
    }
    return rights_file;
}

struct server_rights_file *server_rights_open(const char *path, char why[SERVER_ACCESS_WHY_MAX])
{
    struct server_access_file file;
    return server_access_file_open(&file, path, why) ? read_file(file, why) : NULL;
}

struct server_rights_file *server_rights_parse(const char *path, struct base_slice text,
                                               char why[SERVER_ACCESS_WHY_MAX])
{
    struct server_access_file file;
    return server_access_file_init(&file, path, text, why) ? read_file(file, why) : NULL;
}

void server_rights_close(struct server_rights_file **file)
{
    if (*file == NULL) {
        return;
    }
    for (size_t i = 0; i < (*file)->count; i++) {
        free((void *)(uintptr_t)(*file)->items[i].prefixes); /* NOLINT: const to everybody else */
    }
    free((*file)->items);
    server_access_file_fini(&(*file)->file);
    free(*file);
    *file = NULL;
}

size_t server_rights_count(const struct server_rights_file *file)
{
    return file->count;
}

/* ---- matching ---- */

const struct server_rights *server_rights_find(const struct server_rights_file *file,
                                               struct base_slice user)
{
    size_t low = 0;
    size_t high = file->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = compare_names(file->items[middle].user, user);
        if (order == 0) {
            return &file->items[middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return file->others != NULL ? file->others : &NO_RIGHTS;
}

bool server_rights_are_all(const struct server_rights *rights)
{
    return rights->commands == SERVER_RIGHT_ALL && rights->prefix_count == 0;
}

bool server_rights_allow_key(const struct server_rights *rights, struct base_slice key)
{
    for (uint32_t i = 0; i < rights->prefix_count; i++) {
        const struct base_slice prefix = rights->prefixes[i];
        if (key.size >= prefix.size && memcmp(key.data, prefix.data, prefix.size) == 0) {
            return true;
        }
    }
    return rights->prefix_count == 0;
}
