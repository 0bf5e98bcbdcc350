/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mcbench(1): finds the subcommand and hands it the rest of the command line.
 */
#include <stdio.h>
#include <string.h>

#include "cli/mcbench/command.h"

struct command {
    const char *name;
    int (*run)(int argc, char *const *argv);
    const char *help;
};

#define BENCH_COMMAND(name, help) {#name, bench_command_##name, help},
static const struct command COMMANDS[] = {
#include "cli/mcbench/commands.def"
    {NULL, NULL, NULL},
};
#undef BENCH_COMMAND

static void print_help(FILE *file)
{
    (void)fputs("usage: mcbench COMMAND [options]     mcbench COMMAND --help says more\n\n", file);
    for (const struct command *command = COMMANDS; command->name != NULL; command++) {
        (void)fprintf(file, "  %-8s %s\n", command->name, command->help);
    }
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return 2;
    }
    for (const struct command *command = COMMANDS; command->name != NULL; command++) {
        if (strcmp(argv[1], command->name) == 0) {
            return command->run(argc - 1, argv + 1);
        }
    }
    if (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0) {
        print_help(stdout);
        return 0;
    }
    (void)fprintf(stderr, "mcbench: there is no command '%s'\n", argv[1]);
    return 2;
}
