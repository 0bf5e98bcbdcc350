/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The subcommands of mcbench. Each gets the words after its name (argv[0] is the name) and returns the exit status:
 * 0 done, 1 the measurement failed or is void, 2 the command line is wrong.
 */
#ifndef LARDER_MCBENCH_COMMAND_H
#define LARDER_MCBENCH_COMMAND_H

int bench_command_run(int argc, char *const *argv);
int bench_command_replay(int argc, char *const *argv);
int bench_command_suite(int argc, char *const *argv);
int bench_command_compare(int argc, char *const *argv);
int bench_command_plot(int argc, char *const *argv);
int bench_command_empty(
    int argc,
    char *const *argv); /* the server that answers without doing anything: marks the limit */

#endif
