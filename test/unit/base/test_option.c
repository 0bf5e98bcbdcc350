/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Command lines against a small table that has every kind of row.
 */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aborts.h"
#include "base/option.h"
#include "base/option_value.h"

enum level { LEVEL_LOW, LEVEL_HIGH };

struct settings {
    bool fast;
    bool cached;
    uint32_t verbosity;
    int32_t port;
    uint64_t size;
    uint32_t count;
    uint32_t mode;
    double factor;
    char mark;
    const char *path;
    struct base_option_list hosts;
    enum level level;
};

#define FIELD(name)                                                                                \
    .stored = true, .offset = offsetof(struct settings, name),                                     \
    .size = sizeof(((struct settings *)NULL)->name)

static const struct base_option rows[] = {
    {.letter = 'F', .name = "fast", .kind = BASE_OPTION_ON, FIELD(fast)},
    {.letter = 'C', .name = "no-cache", .kind = BASE_OPTION_OFF, .preset = "on", FIELD(cached)},
    {.letter = 'v', .name = "verbose", .kind = BASE_OPTION_COUNT, FIELD(verbosity)},
    {.letter = 'p',
     .name = "port",
     .kind = BASE_OPTION_NUMBER,
     .preset = "7",
     .min = -1,
     .max = 65535,
     FIELD(port)},
    {.letter = 'm',
     .name = "memory",
     .kind = BASE_OPTION_NUMBER,
     .preset = "64",
     .unit = 1u << 20,
     .suffix = true,
     FIELD(size)},
    {.letter = 'n',
     .name = "count",
     .kind = BASE_OPTION_NUMBER,
     .min = 1,
     .complaint = "a count is positive",
     FIELD(count)},
    {.letter = 'a', .name = "mode", .kind = BASE_OPTION_OCTAL, .max = 0777, FIELD(mode)},
    {.letter = 'f', .name = "factor", .kind = BASE_OPTION_REAL, .min = 1, .max = 2, FIELD(factor)},
    {.letter = 'D', .name = "mark", .kind = BASE_OPTION_CHAR, .preset = ":", FIELD(mark)},
    {.letter = 's', .name = "path", .kind = BASE_OPTION_TEXT, FIELD(path)},
    {.letter = 'l', .name = "host", .kind = BASE_OPTION_LIST, FIELD(hosts)},
    {.name = "level",
     .kind = BASE_OPTION_CHOICE,
     .choices = "low|high",
     .shown = "quiet|loud",
     FIELD(level)},
    {.name = "level-of-old", .kind = BASE_OPTION_NUMBER, .ignored = true},
    {.letter = 'h', .name = "help", .kind = BASE_OPTION_ACTION},
    {.letter = 'S', .name = "secure", .kind = BASE_OPTION_ON, .refused = true, .complaint = "no"},
    {.letter = 'o', .name = "extended", .kind = BASE_OPTION_GROUP},
    {.name = "fast", .kind = BASE_OPTION_ON, .in_group = true, FIELD(fast)},
    {.name = "no_fast", .kind = BASE_OPTION_OFF, .in_group = true, FIELD(fast)},
    {.name = "idle", .kind = BASE_OPTION_NUMBER, .in_group = true, FIELD(count)},
    {.name = "name", .kind = BASE_OPTION_TEXT, .in_group = true, FIELD(path)},
    {.name = "move",
     .kind = BASE_OPTION_NUMBER,
     .in_group = true,
     .bare = true,
     .max = 2,
     .ignored = true},
};

/* The allocation after so many more fails; -1: none does. Only this program's and base's count. */
static int allocations_left = -1;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);

static bool allocation_fails(void)
{
    return allocations_left >= 0 && allocations_left-- == 0;
}

void *__wrap_malloc(size_t size)
{
    return allocation_fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return allocation_fails() ? NULL : __real_calloc(count, size);
}

enum { ROW_COUNT = sizeof rows / sizeof rows[0], ARGUMENTS_MAX = 80 };

struct line {
    struct settings settings;
    struct base_option_parser parser;
    enum base_option_result result;
};

/* Reads a command line whose words are separated by single blanks; `~` stands for a blank. */
static void read_line(struct line *line, const char *text)
{
    static char copy[4096];
    static char *argv[ARGUMENTS_MAX];
    int argc = 1;
    char *rest = NULL;

    argv[0] = copy;
    (void)snprintf(copy, sizeof copy, "%s", text);
    for (char *word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        for (char *blank = word; (blank = strchr(blank, '~')) != NULL;) {
            *blank = ' ';
        }
        assert_true(argc < ARGUMENTS_MAX);
        argv[argc++] = word;
    }
    *line = (struct line){.result = BASE_OPTION_DONE};
    assert_int_equal(base_option_init(&line->parser, ROW_COUNT, rows, &line->settings), 0);
    line->result = base_option_parse(&line->parser, argc, argv);
    /* What is kept must not point into the arguments. */
    memset(copy, '#', sizeof copy - 1);
}

static void assert_bad(const char *text, const char *error)
{
    struct line line;

    read_line(&line, text);
    assert_int_equal(line.result, BASE_OPTION_BAD);
    assert_string_equal(line.parser.error, error);
    base_option_fini(&line.parser);
}

static void defaults_are_parsed_presets(void **state)
{
    struct line line;

    (void)state;
    read_line(&line, "");
    assert_int_equal(line.result, BASE_OPTION_DONE);
    assert_false(line.settings.fast);
    assert_true(line.settings.cached);
    assert_int_equal(line.settings.port, 7);
    assert_int_equal(line.settings.size, 64u << 20);
    assert_int_equal(line.settings.mark, ':');
    assert_null(line.settings.path);
    assert_int_equal(line.settings.hosts.count, 0);
    assert_false(base_option_is_given(&line.parser, "port"));
    base_option_fini(&line.parser);
}

static void short_forms(void **state)
{
    struct line line;

    (void)state;
    read_line(&line, "-FCvvp-1 -m 3 -a 0750 -n9 -vf 1.5 -D= -s /x -l a,b -l c");
    assert_int_equal(line.result, BASE_OPTION_DONE);
    assert_true(line.settings.fast);
    assert_false(line.settings.cached);
    assert_int_equal(line.settings.verbosity, 3);
    assert_int_equal(line.settings.port, -1);
    assert_int_equal(line.settings.size, 3u << 20);
    assert_int_equal(line.settings.mode, 0750);
    assert_int_equal(line.settings.count, 9);
    assert_true(fabs(line.settings.factor - 1.5) < 1e-9);
    assert_int_equal(line.settings.mark, '=');
    assert_string_equal(line.settings.path, "/x");
    assert_int_equal(line.settings.hosts.count, 2);
    assert_string_equal(line.settings.hosts.items[0], "a,b");
    assert_string_equal(line.settings.hosts.items[1], "c");
    assert_true(base_option_is_given(&line.parser, "port"));
    base_option_fini(&line.parser);
}

static void long_forms(void **state)
{
    struct line line;

    (void)state;
    read_line(&line, "--port=5 --memory 2g --fa --verbose --verbose=4 -v --level high --path=");
    assert_int_equal(line.result, BASE_OPTION_BAD); /* --fa: fast and factor */
    base_option_fini(&line.parser);
    read_line(&line,
              "--port=5 --memory 2g --fas --verbose=4 -v --level high --path= --hel --port x");
    assert_int_equal(line.result, BASE_OPTION_STOPPED);
    assert_string_equal(line.parser.row->name, "help");
    assert_int_equal(line.settings.port, 5);
    assert_int_equal(line.settings.size, UINT64_C(2) << 30);
    assert_true(line.settings.fast);
    assert_int_equal(line.settings.verbosity, 5);
    assert_int_equal(line.settings.level, LEVEL_HIGH); /* exact, though --level-of-old begins so */
    assert_string_equal(line.settings.path, "");
    base_option_fini(&line.parser);
}

static void groups(void **state)
{
    struct line line;

    (void)state;
    read_line(&line, "-o fast,idle=7,name=a=b -ono_fast=0,move,~ -o move=2, --extended=name=/y");
    assert_int_equal(line.result, BASE_OPTION_BAD); /* a blank is no suboption */
    assert_string_equal(line.parser.error, "option -o: unknown suboption ' '");
    base_option_fini(&line.parser);
    read_line(&line, "-o ~fast,idle=7,name=a=b -ono_fast=0,move -o move=2, --extended=idle=8");
    assert_int_equal(line.result, BASE_OPTION_DONE);
    assert_false(line.settings.fast);
    assert_int_equal(line.settings.count, 8);
    assert_string_equal(line.settings.path, "a=b");
    base_option_fini(&line.parser);
}

static void operands_and_the_end_of_options(void **state)
{
    struct line line;

    (void)state;
    read_line(&line, "one -F - -- -v --port");
    assert_int_equal(line.result, BASE_OPTION_DONE);
    assert_true(line.settings.fast);
    assert_int_equal(line.settings.verbosity, 0);
    assert_int_equal(line.parser.operand_count, 4);
    base_option_fini(&line.parser);
}

static void errors_name_the_option(void **state)
{
    (void)state;
    assert_bad("-x", "unknown option '-x'");
    assert_bad("-Fx", "unknown option '-x'");
    assert_bad("--bogus=1", "unknown option '--bogus'");
    assert_bad("--idle=1", "unknown option '--idle'"); /* known, but only after -o */
    assert_bad("--fa", "option '--fa' is ambiguous: it may be --fast and others");
    assert_bad("--fast=1", "option '--fast' takes no value");
    assert_bad("-p", "option -p: needs a value");
    assert_bad("--level", "option --level: needs a value");
    assert_bad("-o", "option -o: needs a value");
    assert_bad("-o idle", "option -o idle: needs a value");
    assert_bad("-o fast,port=1", "option -o: unknown suboption 'port'");
    assert_bad("-o fas", "option -o: unknown suboption 'fas'");
    assert_bad("-S", "option -S: no");
    assert_bad("--secure=yes", "option -S: no");
    assert_bad("-D ~", "option -D: '' is not a character");
}

static void errors_name_the_value(void **state)
{
    (void)state;
    assert_bad("-p 1x", "option -p: '1x' is not a number");
    assert_bad("-p 0x10", "option -p: '0x10' is not a number");
    assert_bad("-p -2", "option -p: '-2' is not at least -1");
    assert_bad("-p 65536", "option -p: '65536' is more than 65535");
    assert_bad("-p 5k", "option -p: '5k' is not a number");
    assert_bad("-n 0", "option -n: a count is positive");
    assert_bad("-n 4294967296", "option -n: '4294967296' is too large");
    assert_bad("-m 9999999999999999", "option -m: '9999999999999999' is too large");
    assert_bad("-m k", "option -m: 'k' is not a number");
    assert_bad("-m 1kk", "option -m: '1kk' is not a size");
    assert_bad("-m 9999999999t", "option -m: '9999999999t' is not a size");
    assert_bad("-a 8", "option -a: '8' is not an octal number");
    assert_bad("-a 1000", "option -a: '1000' is more than 511");
    assert_bad("-f 1", "option -f: '1' is not above 1");
    assert_bad("-f 2.5", "option -f: '2.5' is more than 2");
    assert_bad("-f nan", "option -f: 'nan' is not a number");
    assert_bad("-f 1.5z", "option -f: '1.5z' is not a number");
    assert_bad("--level mid", "option --level: 'mid' is not one of low|high");
    assert_bad("--level low|high", "option --level: 'low|high' is not one of low|high");
    assert_bad("--level-o x", "option --level-of-old: 'x' is not a number");
    assert_bad("-o move=3", "option -o move: '3' is more than 2");
}

static void lists_have_an_end(void **state)
{
    char text[BASE_OPTION_LIST_MAX * 4 + 8] = "";
    struct line line;

    (void)state;
    for (int i = 0; i < BASE_OPTION_LIST_MAX; i++) {
        memcpy(text + i * 4, "-lh ", 5);
    }
    read_line(&line, text);
    assert_int_equal(line.result, BASE_OPTION_DONE);
    assert_int_equal(line.settings.hosts.count, BASE_OPTION_LIST_MAX);
    base_option_fini(&line.parser);
    memcpy(text + BASE_OPTION_LIST_MAX * 4, "-lh", 4);
    assert_bad(text, "option -l: 'h' is one too many");
}

static void ignored_rows_are_found(void **state)
{
    char spelling[BASE_OPTION_SPELLING_MAX];
    const struct base_option *row;
    struct line line;
    size_t cursor = 0;

    (void)state;
    read_line(&line, "-F -o move --level-of-old 3 -o move=1");
    row = base_option_next_ignored(&line.parser, &cursor);
    assert_string_equal(base_option_spell(&line.parser, row, spelling), "--level-of-old");
    row = base_option_next_ignored(&line.parser, &cursor);
    assert_string_equal(base_option_spell(&line.parser, row, spelling), "-o move");
    assert_null(base_option_next_ignored(&line.parser, &cursor));
    base_option_fini(&line.parser);
}

static void assert_shown(const struct line *line, const char *name, const char *value)
{
    char out[64];

    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (strcmp(rows[i].name, name) == 0) {
            base_option_value_show(&rows[i], &line->settings, out, sizeof out);
            assert_string_equal(out, value);
            return;
        }
    }
    fail();
}

static void values_are_shown(void **state)
{
    struct line line;
    char out[4];

    (void)state;
    read_line(&line, "-F -p -1 -a 70 -f 1.25 --level high -vv -l a -l b -m 5000");
    assert_shown(&line, "fast", "yes");
    assert_shown(&line, "no-cache", "yes");
    assert_shown(&line, "verbose", "2");
    assert_shown(&line, "port", "-1");
    assert_shown(&line, "memory", "5242880000");
    assert_shown(&line, "mode", "70");
    assert_shown(&line, "factor", "1.25");
    assert_shown(&line, "mark", ":");
    assert_shown(&line, "path", "NULL");
    assert_shown(&line, "host", "a,b");
    assert_shown(&line, "level", "loud");
    base_option_value_show(&rows[4], &line.settings, out, sizeof out);
    assert_string_equal(out, "524"); /* cut, never overrun */
    base_option_fini(&line.parser);
}

static void no_memory_is_an_error(void **state)
{
    char name[] = "program", option[] = "-v";
    char *argv[] = {name, option, NULL};

    (void)state;
    for (int left = 0; left < 4; left++) {
        struct settings settings = {.verbosity = 0};
        struct base_option_parser parser;
        int error;

        allocations_left = left;
        error = base_option_init(&parser, ROW_COUNT, rows, &settings);
        assert_int_equal(error, left == 0 ? -ENOMEM : 0);
        if (error == 0) {
            assert_int_equal(base_option_parse(&parser, 2, argv),
                             left == 3 ? BASE_OPTION_DONE : BASE_OPTION_BAD);
        }
        allocations_left = -1;
        base_option_fini(&parser);
    }
}

static void use_wide_row(void)
{
    static const struct base_option row = {
        .name = "wide", .kind = BASE_OPTION_ON, .stored = true, .size = 8};
    struct base_option_parser parser;
    struct settings settings;

    (void)!base_option_init(&parser, 1, &row, &settings);
}

static void use_wrong_preset(void)
{
    static const struct base_option row = {
        .name = "preset", .kind = BASE_OPTION_NUMBER, .preset = "x", FIELD(count)};
    struct base_option_parser parser;
    struct settings settings;

    (void)!base_option_init(&parser, 1, &row, &settings);
}

static void wrong_rows_are_a_bug(void **state)
{
    (void)state;
    assert_true(aborts(use_wide_row, "/dev/null"));
    assert_true(aborts(use_wrong_preset, "/dev/null"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_parsed_presets),
        cmocka_unit_test(short_forms),
        cmocka_unit_test(long_forms),
        cmocka_unit_test(groups),
        cmocka_unit_test(operands_and_the_end_of_options),
        cmocka_unit_test(errors_name_the_option),
        cmocka_unit_test(errors_name_the_value),
        cmocka_unit_test(lists_have_an_end),
        cmocka_unit_test(ignored_rows_are_found),
        cmocka_unit_test(values_are_shown),
        cmocka_unit_test(no_memory_is_an_error),
        cmocka_unit_test(wrong_rows_are_a_bug),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
