/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The walk over a command line. Rows are few and lines are short: every look-up is a linear search.
 *
 * A value is copied before it is used, so that a part of a comma list has its own NUL; all copies
 * together are never longer than the command line, which makes one allocation enough.
 */
#include "base/option.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/option_value.h"
#include "base/slice.h"

/* A place on the command line. */
struct walk {
    struct base_option_parser *parser;
    char *const *argv;
    int argc;
    int next; /* index of the argument after the current one */
};

/* ---- rows ---- */

/* The size a field must have; 0: any, or none. */
static size_t field_size(enum base_option_kind kind)
{
    switch (kind) {
    case BASE_OPTION_ON:
    case BASE_OPTION_OFF:
        return sizeof(bool);
    case BASE_OPTION_COUNT:
    case BASE_OPTION_OCTAL:
    case BASE_OPTION_CHOICE:
        return sizeof(uint32_t);
    case BASE_OPTION_REAL:
        return sizeof(double);
    case BASE_OPTION_CHAR:
        return sizeof(char);
    case BASE_OPTION_TEXT:
        return sizeof(const char *);
    case BASE_OPTION_LIST:
        return sizeof(struct base_option_list);
    case BASE_OPTION_NUMBER:
    case BASE_OPTION_GROUP:
    case BASE_OPTION_ACTION:
        return 0;
    }
    NEVER("an option has a kind");
}

static void check_row(const struct base_option *row)
{
    CHECK(row->name != NULL);
    CHECK(!row->refused || row->complaint != NULL);
    CHECK(row->kind != BASE_OPTION_CHOICE || row->choices != NULL);
    if (row->stored) {
        CHECK(row->kind != BASE_OPTION_GROUP && row->kind != BASE_OPTION_ACTION);
        CHECK(row->kind != BASE_OPTION_NUMBER || row->size == 4 || row->size == 8);
        CHECK(field_size(row->kind) == 0 || row->size == field_size(row->kind));
    }
}

static void set_default(const struct base_option *row, void *target)
{
    char error[BASE_OPTION_ERROR_MAX];
    const bool is_bool = row->kind == BASE_OPTION_ON || row->kind == BASE_OPTION_OFF;

    if (!row->stored || row->preset == NULL) {
        return;
    }
    if (is_bool) {
        const bool on = true;

        memcpy((char *)target + row->offset, &on, sizeof on);
        return;
    }
    CHECK(base_option_value_set(row, row->preset, target, error));
}

int base_option_init(struct base_option_parser *parser, size_t row_count,
                     const struct base_option *rows, void *target)
{
    *parser = (struct base_option_parser){.rows = rows, .row_count = row_count, .target = target};
    parser->given = calloc(row_count, sizeof *parser->given);
    if (parser->given == NULL) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < row_count; i++) {
        check_row(&rows[i]);
        set_default(&rows[i], target);
    }
    return 0;
}

void base_option_fini(struct base_option_parser *parser)
{
    free(parser->given);
    free(parser->text);
    free(parser->operands);
    *parser = (struct base_option_parser){0};
}

bool base_option_is_given(const struct base_option_parser *parser, const char *name)
{
    for (size_t i = 0; i < parser->row_count; i++) {
        if (strcmp(parser->rows[i].name, name) == 0) {
            return parser->given[i];
        }
    }
    NEVER("the program asks for an option that it has");
}

const struct base_option *base_option_next_ignored(const struct base_option_parser *parser,
                                                   size_t *cursor)
{
    while (*cursor < parser->row_count) {
        const size_t i = (*cursor)++;

        if (parser->given[i] && parser->rows[i].ignored) {
            return &parser->rows[i];
        }
    }
    return NULL;
}

const char *base_option_spell(const struct base_option_parser *parser,
                              const struct base_option *row, char out[BASE_OPTION_SPELLING_MAX])
{
    char group = '?';

    for (size_t i = 0; i < parser->row_count; i++) {
        if (parser->rows[i].kind == BASE_OPTION_GROUP) {
            group = parser->rows[i].letter;
        }
    }
    if (row->in_group) {
        (void)snprintf(out, BASE_OPTION_SPELLING_MAX, "-%c %s", group, row->name);
    } else if (row->letter != 0) {
        (void)snprintf(out, BASE_OPTION_SPELLING_MAX, "-%c", row->letter);
    } else {
        (void)snprintf(out, BASE_OPTION_SPELLING_MAX, "--%s", row->name);
    }
    return out;
}

/* ---- errors ---- */

BASE_PRINTF(2, 3)
static enum base_option_result bad(struct base_option_parser *parser, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(parser->error, sizeof parser->error, format, args);
    va_end(args);
    return BASE_OPTION_BAD;
}

static enum base_option_result bad_row(struct base_option_parser *parser, const char *what)
{
    char spelling[BASE_OPTION_SPELLING_MAX];

    return bad(parser, "option %s: %s", base_option_spell(parser, parser->row, spelling), what);
}

/* ---- one option ---- */

/* A copy with a NUL, lent until base_option_fini(). Leading blanks are dropped, as memcached does. */
static const char *keep(struct base_option_parser *parser, struct base_slice text)
{
    char *copy = parser->text + parser->text_used;

    while (text.size > 0 && isspace((unsigned char)text.data[0])) {
        text.data++;
        text.size--;
    }
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    parser->text_used += text.size + 1;
    return copy;
}

/* value.data NULL: none was given. */
static enum base_option_result apply(struct base_option_parser *parser,
                                     const struct base_option *row, struct base_slice value)
{
    char error[BASE_OPTION_ERROR_MAX];
    const char *text = NULL;

    parser->row = row;
    parser->given[row - parser->rows] = true;
    if (row->refused) {
        return bad_row(parser, row->complaint);
    }
    if (row->kind == BASE_OPTION_ACTION) {
        return BASE_OPTION_STOPPED;
    }
    if (value.data != NULL) {
        text = keep(parser, value);
    } else if (base_option_value_wanted(row)) {
        return row->bare ? BASE_OPTION_DONE : bad_row(parser, "needs a value");
    }
    if (!base_option_value_set(row, text, parser->target, error)) {
        return bad_row(parser, error);
    }
    return BASE_OPTION_DONE;
}

static const struct base_option *find_in_group(const struct base_option_parser *parser,
                                               struct base_slice name)
{
    for (size_t i = 0; i < parser->row_count; i++) {
        const struct base_option *row = &parser->rows[i];

        if (row->in_group &&
            base_slice_equal(name, (struct base_slice){row->name, strlen(row->name)})) {
            return row;
        }
    }
    return NULL;
}

/*
 * "name,name=value,...". A value that a row has no use for is passed over, as getsubopt() users
 * do: `slab_reassign=1` is in many start scripts.
 */
static enum base_option_result apply_group(struct base_option_parser *parser,
                                           const struct base_option *group, const char *text)
{
    enum base_option_result result = BASE_OPTION_DONE;

    parser->row = group;
    parser->given[group - parser->rows] = true;
    while (isspace((unsigned char)*text)) {
        text++;
    }
    while (*text != '\0' && result == BASE_OPTION_DONE) {
        const size_t size = strcspn(text, ",");
        const struct base_slice name = {text, strcspn(text, ",=")};
        const struct base_option *row = find_in_group(parser, name);
        struct base_slice value = {NULL, 0};

        if (row == NULL) {
            return bad(parser, "option -%c: unknown suboption '%.*s'", group->letter,
                       (int)name.size, name.data);
        }
        if (name.size < size && base_option_value_wanted(row)) {
            value = (struct base_slice){text + name.size + 1, size - name.size - 1};
        }
        result = apply(parser, row, value);
        text += size + (text[size] == ',' ? 1 : 0);
    }
    return result;
}

/* The row is known; `value` is what was attached to it, NULL when nothing was. */
static enum base_option_result apply_argument(struct walk *walk, const struct base_option *row,
                                              const char *value)
{
    struct base_option_parser *parser = walk->parser;

    if (value == NULL && base_option_value_wanted(row)) {
        if (walk->next == walk->argc) {
            parser->row = row;
            return bad_row(parser, "needs a value");
        }
        value = walk->argv[walk->next++];
    }
    if (row->kind == BASE_OPTION_GROUP) {
        CHECK(value != NULL);
        return apply_group(parser, row, value);
    }
    return apply(parser, row, (struct base_slice){value, value != NULL ? strlen(value) : 0});
}

/* ---- the line ---- */

static const struct base_option *find_letter(const struct base_option_parser *parser, char letter)
{
    for (size_t i = 0; i < parser->row_count; i++) {
        if (parser->rows[i].letter == letter && !parser->rows[i].in_group) {
            return &parser->rows[i];
        }
    }
    return NULL;
}

/* "vvm64" of "-vvm64". */
static enum base_option_result walk_letters(struct walk *walk, const char *letters)
{
    enum base_option_result result = BASE_OPTION_DONE;

    for (; *letters != '\0' && result == BASE_OPTION_DONE; letters++) {
        const struct base_option *row = find_letter(walk->parser, *letters);

        if (row == NULL) {
            walk->parser->row = NULL;
            return bad(walk->parser, "unknown option '-%c'", *letters);
        }
        if (base_option_value_wanted(row)) {
            return apply_argument(walk, row, letters[1] != '\0' ? letters + 1 : NULL);
        }
        result = apply_argument(walk, row, NULL);
    }
    return result;
}

/*
 * The row whose name is `name`, or the only one whose name begins so. NULL: none, or more than one;
 * then *ret_other is another one that begins so, or NULL.
 */
static const struct base_option *find_name(const struct base_option_parser *parser,
                                           struct base_slice name,
                                           const struct base_option **ret_other)
{
    const struct base_option *found = NULL;

    *ret_other = NULL;
    for (size_t i = 0; i < parser->row_count; i++) {
        const struct base_option *row = &parser->rows[i];

        if (row->in_group || strncmp(row->name, name.data, name.size) != 0) {
            continue;
        }
        if (row->name[name.size] == '\0') {
            *ret_other = NULL;
            return row;
        }
        *ret_other = found != NULL ? found : *ret_other;
        found = row;
    }
    return *ret_other == NULL ? found : NULL;
}

/* "name" or "name=value" of "--name=value". */
static enum base_option_result walk_name(struct walk *walk, const char *argument)
{
    struct base_option_parser *parser = walk->parser;
    const struct base_slice name = {argument, strcspn(argument, "=")};
    const char *value = argument[name.size] == '=' ? argument + name.size + 1 : NULL;
    const struct base_option *other;
    const struct base_option *row = find_name(parser, name, &other);

    parser->row = row;
    if (row == NULL && other != NULL) {
        return bad(parser, "option '--%.*s' is ambiguous: it may be --%s and others",
                   (int)name.size, name.data, other->name);
    }
    if (row == NULL) {
        return bad(parser, "unknown option '--%.*s'", (int)name.size, name.data);
    }
    if (value != NULL && !base_option_value_wanted(row) && !row->refused &&
        row->kind != BASE_OPTION_COUNT) {
        return bad(parser, "option '--%s' takes no value", row->name);
    }
    return apply_argument(walk, row, value);
}

static bool make_room(struct base_option_parser *parser, int argc, char *const *argv)
{
    size_t size = 1;

    CHECK(parser->text == NULL);
    for (int i = 1; i < argc; i++) {
        size += strlen(argv[i]) + 1;
    }
    parser->text = malloc(size);
    parser->operands = calloc((size_t)argc + 1, sizeof *parser->operands);
    return parser->text != NULL && parser->operands != NULL;
}

enum base_option_result base_option_parse(struct base_option_parser *parser, int argc,
                                          char *const *argv)
{
    struct walk walk = {.parser = parser, .argv = argv, .argc = argc, .next = 1};
    enum base_option_result result = BASE_OPTION_DONE;
    bool options_over = false;

    if (!make_room(parser, argc, argv)) {
        return bad(parser, "no memory to read the command line");
    }
    while (walk.next < argc && result == BASE_OPTION_DONE) {
        const char *argument = argv[walk.next++];

        if (options_over || argument[0] != '-' || argument[1] == '\0') {
            parser->operands[parser->operand_count++] = argument;
        } else if (strcmp(argument, "--") == 0) {
            options_over = true;
        } else if (argument[1] == '-') {
            result = walk_name(&walk, argument + 2);
        } else {
            result = walk_letters(&walk, argument + 1);
        }
    }
    return result;
}
