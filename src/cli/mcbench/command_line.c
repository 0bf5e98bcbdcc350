/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What all subcommands do with their words before they do anything else.
 */
#include <stdio.h>

#include "cli/mcbench/command.h"

static int check_and_run(const struct bench_command_line *line, void *settings,
                         const struct base_option_parser *parser)
{
    if (parser->operand_count > line->operands_max) {
        (void)fprintf(stderr, "mcbench %s: '%s' is not wanted here\n", line->name,
                      parser->operands[line->operands_max]);
        return BENCH_STATUS_USAGE;
    }
    if (parser->operand_count < line->operands_min) {
        (void)fprintf(stderr, "mcbench %s: something is missing; mcbench %s --help says what\n",
                      line->name, line->name);
        return BENCH_STATUS_USAGE;
    }
    return line->run(settings, parser->operand_count, parser->operands);
}

int bench_command_do(const struct bench_command_line *line, void *settings, int argc,
                     char *const *argv)
{
    struct base_option_parser parser;
    int status = BENCH_STATUS_USAGE;

    if (base_option_init(&parser, line->row_count, line->rows, settings) != 0) {
        (void)fprintf(stderr, "mcbench %s: no memory to read the command line\n", line->name);
        return BENCH_STATUS_FAILED;
    }
    switch (base_option_parse(&parser, argc, argv)) {
    case BASE_OPTION_STOPPED:
        if (line->help != NULL) {
            (void)fputs(line->help, stdout);
        } else {
            line->print_help();
        }
        status = 0;
        break;
    case BASE_OPTION_BAD:
        (void)fprintf(stderr, "mcbench %s: %s\n", line->name, parser.error);
        break;
    case BASE_OPTION_DONE:
        status = check_and_run(line, settings, &parser);
        break;
    }
    base_option_fini(&parser);
    return status;
}
