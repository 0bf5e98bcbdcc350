/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Command lines from a table.
 *
 * A program describes its options as rows: how an option is spelled, what kind of value it takes,
 * the field of the program's own structure that it fills, its default and its bounds, and the
 * words for the user. Parsing, defaults, `-h`, and showing the values that are in force all walk
 * the same rows, so they cannot disagree.
 *
 * The spelling is that of getopt_long(): `-m 64`, `-m64`, `-vv`, `-Mm64`, `--name value`,
 * `--name=value`, long names may be shortened while they stay unique, `--` ends the options.
 * A row of kind GROUP (`-o`) takes a comma list of rows that are marked `in_group`.
 * getopt_long() itself is not used: its state is global, and it cannot say which option was wrong.
 *
 * Nothing here prints or exits, and nothing is global. Not meant for several threads at once.
 */
#ifndef LARDER_BASE_OPTION_H
#define LARDER_BASE_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

enum {
    BASE_OPTION_ERROR_MAX = 256, /* bytes of an error message, its NUL included */
    BASE_OPTION_LIST_MAX = 64,   /* occurrences of one LIST option */
};

/* What an option takes, and the type of the field it fills: option_value.c. */
enum base_option_kind {
    BASE_OPTION_ON,     /* nothing; bool becomes true */
    BASE_OPTION_OFF,    /* nothing; bool becomes false */
    BASE_OPTION_COUNT,  /* nothing; uint32_t grows by one. `--name=N` sets it */
    BASE_OPTION_NUMBER, /* min <= decimal <= max, times unit; 4 or 8 bytes, signed if min < 0 */
    BASE_OPTION_OCTAL,  /* min <= octal <= max; uint32_t */
    BASE_OPTION_REAL,   /* min < decimal fraction <= max; double */
    BASE_OPTION_CHAR,   /* the first byte; char */
    BASE_OPTION_TEXT,   /* anything; const char *, lent until base_option_fini() */
    BASE_OPTION_LIST,   /* anything, again and again; struct base_option_list, lent like TEXT */
    BASE_OPTION_CHOICE, /* one of `choices`; an enum (4 bytes), set to its index */
    BASE_OPTION_GROUP,  /* a comma list of `in_group` rows; no field */
    BASE_OPTION_ACTION, /* nothing; parsing stops there and the caller acts; no field */
};

struct base_option {
    char letter;      /* 0: none */
    const char *name; /* long name, or name inside the group; never NULL */
    enum base_option_kind kind;
    bool in_group; /* spelled inside a GROUP, not on the command line itself */
    bool suffix;   /* NUMBER: k, m, g, t may follow the digits: bytes then, whatever `unit` is */
    bool bare;     /* the value may be missing; the field then stays as it is */
    bool ignored;  /* checked, and without effect: base_option_next_ignored() finds them */
    bool refused;  /* an error, with or without a value: `complaint` says why */

    bool stored;         /* false: there is no field, the value is checked and forgotten */
    size_t offset;       /* of the field in the program's structure */
    size_t size;         /* bytes of that field */
    const char *preset;  /* the default as a user would write it; NULL: leave the field alone */
    double min, max;     /* in the user's unit; max 0: no bound but the field's type */
    uint64_t unit;       /* NUMBER: the field counts this many per user's unit; 0: 1 */
    const char *choices; /* CHOICE: "auto|ascii" */

    const char *argument;  /* what `-h` calls the value, e.g. "<num>"; NULL: it takes none */
    const char *help;      /* lines are separated by '\n'; NULL: not in `-h` */
    const char *complaint; /* said of a value below `min`, instead of the usual words */
    int status;            /* the program's own: how it exits when this option is wrong */
    bool hidden;           /* the program's own: nowhere in `-h` */
    const char *setting;   /* the name under which its value is shown; NULL: not shown */
    const char *shown;     /* how values are shown: "no|yes" for a bool; NULL: as written */
};

struct base_option_list {
    const char *items[BASE_OPTION_LIST_MAX];
    uint32_t count;
};

enum base_option_result {
    BASE_OPTION_DONE,
    BASE_OPTION_STOPPED, /* at an ACTION: parser->row */
    BASE_OPTION_BAD,     /* parser->error says what is wrong with parser->row (may be NULL) */
};

/* The fields are read-only for the caller. */
struct base_option_parser {
    const struct base_option *rows; /* borrowed for the parser's life */
    size_t row_count;
    void *target;          /* the structure the rows fill; borrowed likewise */
    bool *given;           /* row_count entries: was it on the command line */
    char *text;            /* copies of the arguments; what TEXT and LIST fields point to */
    size_t text_used;      /* bytes */
    const char **operands; /* arguments that are no options, in order */
    size_t operand_count;
    const struct base_option *row; /* where parsing stopped */
    char error[BASE_OPTION_ERROR_MAX];
};

/*
 * Set every stored field of `target` to its default. Returns 0 or -ENOMEM; release with
 * base_option_fini(), which also ends the life of TEXT and LIST values.
 */
BASE_MUST_USE int base_option_init(struct base_option_parser *parser, size_t row_count,
                                   const struct base_option *rows, void *target);
void base_option_fini(struct base_option_parser *parser);

/*
 * Read argv[1..argc-1] (borrowed, not changed). Once per parser. BASE_OPTION_BAD also when there
 * is no memory for the copies.
 */
BASE_MUST_USE enum base_option_result base_option_parse(struct base_option_parser *parser, int argc,
                                                        char *const *argv);

/* Was the row of this name on the command line? There must be such a row. */
bool base_option_is_given(const struct base_option_parser *parser, const char *name);
/* The next ignored row that was given, from *cursor (0 at first) on; NULL: no more. */
const struct base_option *base_option_next_ignored(const struct base_option_parser *parser,
                                                   size_t *cursor);

enum { BASE_OPTION_SPELLING_MAX = 64 };
/* "-m", "--loop" or "-o hashpower": how a user writes the row. Returns `out`. */
const char *base_option_spell(const struct base_option_parser *parser,
                              const struct base_option *row, char out[BASE_OPTION_SPELLING_MAX]);

#endif
