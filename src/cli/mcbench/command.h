/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The subcommands of mcbench. Each gets the words after its name (argv[0] is the name) and returns the exit status:
 * 0 done, 1 the measurement failed or is void, 2 the command line is wrong.
 */
#ifndef LARDER_MCBENCH_COMMAND_H
#define LARDER_MCBENCH_COMMAND_H

#include <stddef.h>

#include "base/option.h"

enum {
    BENCH_STATUS_FAILED = 1,
    BENCH_STATUS_USAGE = 2,
};

/* What a subcommand's line may hold. */
struct bench_command_line {
    const char *name; /* as it is typed */
    const char *help; /* the text for --help; NULL: print_help() prints it */
    void (*print_help)(void);
    size_t row_count;
    const struct base_option *rows; /* one of them an ACTION, which is help */
    size_t operands_min, operands_max;
    /* Both are lent for the call. Returns the exit status. */
    int (*run)(void *settings, size_t operand_count, const char *const *operands);
};

/*
 * Reads the words into `settings` and runs the command; says what is wrong with a line that cannot be understood. Returns the
 * exit status.
 */
int bench_command_do(const struct bench_command_line *line, void *settings, int argc,
                     char *const *argv);

int bench_command_run(int argc, char *const *argv);
int bench_command_replay(int argc, char *const *argv);
int bench_command_suite(int argc, char *const *argv);
int bench_command_compare(int argc, char *const *argv);
int bench_command_plot(int argc, char *const *argv);
int bench_command_empty(
    int argc,
    char *const *argv); /* the server that answers without doing anything: marks the limit */

#endif
