/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mcbench run: a command line to a plan, and the run's figures to where they are wanted.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/option.h"
#include "cli/mcbench/command.h"
#include "cli/mcbench/report.h"
#include "cli/mcbench/run.h"
#include "cli/mcbench/run_output.h"
#include "cli/mcbench/wire.h"
#include "cli/mcbench/words.h"

enum {
    TTL_MAX_S = 2592000, /* 30 days: larger numbers would be points in time */
    VALUE_SIZE_MAX = 1 << 30,
    HELP_COLUMN = 34,
};

static const double second_ns = 1e9;

static const char HELP_HEAD[] =
    "usage: mcbench run [options] [ADDRESS]\n"
    "\n"
    "Asks a server at ADDRESS (HOST:PORT, [V6]:PORT, or the path of a UNIX socket;\n"
    "127.0.0.1:11211 by default), checks every byte it answers, and says how fast that was.\n"
    "Exit status: 0; 1 when an answer was wrong or missing, when the run was cut short, or when\n"
    "it was void, because the generator was measured and not the server; 2 for a wrong command\n"
    "line.\n";

static const char HELP_EXAMPLES[] =
    "\n"
    "examples:\n"
    "  The most that one core of the server can do, in batches of 16:\n"
    "    mcbench run --populate -p 16 --cpu 1 --pid $(pidof larderd) 127.0.0.1:11211\n"
    "  Latency at a given load, as users see it; a log for HdrHistogram's tools:\n"
    "    mcbench run --populate -r 50000 -d 60 --hist /tmp/at50k 127.0.0.1:11211\n"
    "  A cache as applications use it: popular keys, sizes as at Facebook, misses are filled:\n"
    "    mcbench run -m get:95,set:4,delete:1 --fill-miss -k 5000000 -o zipf:0.99 \\\n"
    "        --key-size etc -v etc -p 4 -d 120 /run/larderd.sock\n"
    "  Large batches of keys by the meta protocol, from two threads, while another client "
    "watches:\n"
    "    mcbench run --populate -P meta -g 50-100 -t 2 --cpu 2-4 --probe 1000 127.0.0.1:11211\n"
    "  Ten thousand clients that come and go:\n"
    "    mcbench run --populate -c 10000 --reconnect 100 -r 20000 127.0.0.1:11211\n";

struct settings {
    struct bench_plan plan;
    const char *mix, *multi_get, *ttl, *order, *key_size, *value_size, *cpus, *json, *hist;
    double duration_s, warmup_s, timeout_s;
    bool is_quiet;
};

#define FIELD(field_)                                                                              \
    .stored = true, .offset = offsetof(struct settings, field_),                                   \
    .size = sizeof(((struct settings *)NULL)->field_)

#define BENCH_RUN_OPTION(letter_, name_, kind_, field_, ...)                                       \
    {.letter = (letter_), .name = (name_), .kind = BASE_OPTION_##kind_, FIELD(field_), __VA_ARGS__},
#define BENCH_RUN_GROUP(title_)
static const struct base_option ROWS[] = {
#include "cli/mcbench/run_options.def"
    {.letter = 'h', .name = "help", .kind = BASE_OPTION_ACTION, .help = "this text"},
};
#undef BENCH_RUN_OPTION
#undef BENCH_RUN_GROUP

/* The titles, each with the name of the row that it stands above. */
struct group {
    const char *title;
    const char *name;
};

#define BENCH_RUN_OPTION(letter_, name_, ...) {NULL, name_},
#define BENCH_RUN_GROUP(title_)               {title_, NULL},
static const struct group GROUPS[] = {
#include "cli/mcbench/run_options.def"
    {NULL, "help"},
};
#undef BENCH_RUN_OPTION
#undef BENCH_RUN_GROUP

enum { ROW_COUNT = sizeof ROWS / sizeof ROWS[0], GROUP_COUNT = sizeof GROUPS / sizeof GROUPS[0] };

/* ---- help ---- */

static void print_row(const struct base_option *row)
{
    char letter[] = "    ";
    int column;

    if (row->letter != 0) {
        (void)snprintf(letter, sizeof(letter), "-%c, ", row->letter);
    }
    column = printf("  %s--%s%s%s", letter, row->name, row->argument == NULL ? "" : " ",
                    row->argument == NULL ? "" : row->argument);
    (void)printf("%*s%s", column < HELP_COLUMN ? HELP_COLUMN - column : 1, "", row->help);
    if (row->preset != NULL && strcmp(row->preset, "0") != 0) {
        (void)printf(" (%s)", row->preset);
    }
    (void)putchar('\n');
}

static void print_help(void)
{
    size_t row = 0;

    (void)fputs(HELP_HEAD, stdout);
    for (size_t i = 0; i < GROUP_COUNT; i++) {
        if (GROUPS[i].title != NULL) {
            (void)printf("\n%s\n", GROUPS[i].title);
        } else {
            print_row(&ROWS[row++]);
        }
    }
    (void)fputs(HELP_EXAMPLES, stdout);
}

/* ---- the command line ---- */

/* Says what is wrong with an option's text. */
static bool wrong(const char *option, const char *text, const char *what)
{
    (void)fprintf(stderr, "mcbench run: --%s %s: %s\n", option, text, what);
    return false;
}

static bool read_what(struct settings *settings)
{
    struct bench_work *work = &settings->plan.work;

    if (!bench_words_mix(settings->mix, work->shares)) {
        return wrong("mix", settings->mix, "not get:90,set:10 or the like");
    }
    if (!bench_words_range(settings->multi_get, 1, BENCH_GET_KEYS_MAX, &work->keys_per_get,
                           &work->keys_per_get_max)) {
        return wrong("multi-get", settings->multi_get, "not N or N-M, 1 to 500");
    }
    if (!bench_words_range(settings->ttl, 0, TTL_MAX_S, &work->ttl_min_s, &work->ttl_max_s)) {
        return wrong("ttl", settings->ttl, "not N or N-M, at most 30 days");
    }
    if (!bench_words_order(settings->order, work)) {
        return wrong("order", settings->order,
                     "not uniform, sequential, zipf:0.99 (0.5 to 2), or hot:KEYS:SHARE (0 to 1)");
    }
    if (!bench_words_sizes(settings->key_size, BENCH_KEY_SIZE_MIN, BENCH_KEY_SIZE_MAX,
                           &work->key_sizes)) {
        return wrong("key-size", settings->key_size, "not N, N-M or etc, 16 to 250");
    }
    if (!bench_words_sizes(settings->value_size, 0, VALUE_SIZE_MAX, &work->value_sizes)) {
        return wrong("value-size", settings->value_size, "not N, N-M or etc, up to 2^30");
    }
    return true;
}

static bool read_how(struct settings *settings)
{
    struct bench_plan *plan = &settings->plan;
    struct bench_work *work = &plan->work;
    char error[BENCH_WORK_ERROR_MAX];

    if (settings->cpus != NULL && !bench_words_cpus(settings->cpus, plan)) {
        return wrong("cpu", settings->cpus, "not 1,4-7 or the like, at most 64 of them");
    }
    if (work->burst_size > 0) {
        work->arrival = BENCH_BURSTS;
    } else if (work->rate > 0) {
        work->arrival = BENCH_POISSON;
    }
    if (!bench_work_check(work, error)) {
        (void)fprintf(stderr, "mcbench run: %s\n", error);
        return false;
    }
    plan->probe = plan->probe_rate > 0;
    plan->window_ns = (uint64_t)(settings->duration_s * second_ns);
    plan->warmup_ns = settings->warmup_s > 0 ? (uint64_t)(settings->warmup_s * second_ns) : 0;
    plan->stall_ns = (uint64_t)(settings->timeout_s * second_ns);
    plan->progress = !settings->is_quiet;
    plan->interruptible = true;
    return true;
}

/* ---- the run ---- */

/* What the table has no place for. */
static void print_notes(const struct bench_plan *plan, const struct bench_result *result)
{
    if (plan->populate_only) {
        (void)puts("every key is stored");
    } else if (result->is_load_bound) {
        (void)puts("\nThe generator was the limit: more requests would have been served, and only "
                   "the server's CPU\ntime per request says what the server can do.");
    }
}

static int run(const struct settings *settings)
{
    const struct bench_plan *plan = &settings->plan;
    const bool is_json = settings->json != NULL && strcmp(settings->json, "-") == 0;
    static char complaint[4096];
    struct bench_result result;
    bool is_written = true;
    int status = bench_run(plan, &result, complaint);

    if (status != 0) {
        (void)fprintf(stderr, "mcbench run: %s\n", complaint[0] != '\0' ? complaint : "no memory");
        return BENCH_STATUS_FAILED;
    }
    if (!plan->populate_only) {
        if (!is_json) {
            bench_report_print(stdout, plan, &result);
        }
        if (settings->hist != NULL) {
            is_written = bench_run_output_hist(settings->hist, &result);
        }
        if (settings->json != NULL) {
            is_written = bench_run_output_json(settings->json, plan, &result) && is_written;
        }
    }
    if (!is_json) {
        print_notes(plan, &result);
    }
    if (result.is_void || result.is_cut) {
        (void)fprintf(stderr, "mcbench run: %s%s\n", result.is_void ? "void: " : "cut short",
                      result.reason);
    }
    bench_result_fini(&result);
    return is_written && !result.is_void && !result.is_cut ? 0 : BENCH_STATUS_FAILED;
}

static int read_and_run(void *arg, size_t operand_count, const char *const *operands)
{
    struct settings *settings = arg;

    settings->plan.address = operand_count == 1 ? operands[0] : "127.0.0.1:11211";
    return read_what(settings) && read_how(settings) ? run(settings) : BENCH_STATUS_USAGE;
}

int bench_command_run(int argc, char *const *argv)
{
    static const struct bench_command_line line = {
        .name = "run",
        .print_help = print_help,
        .row_count = ROW_COUNT,
        .rows = ROWS,
        .operands_max = 1,
        .run = read_and_run,
    };
    struct settings settings = {.mix = NULL};

    return bench_command_do(&line, &settings, argc, argv);
}
