/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mcbench compare: is the new result file worse than the base?
 *
 * Rounds of different files are not paired, so a ratio is that of two samples (bench_stats_compare()). It is a regression when the
 * whole interval is on the bad side and the ratio is beyond the threshold; "cannot tell" when the interval has both 1 and a change
 * beyond the threshold in it. One thread.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/option.h"
#include "cli/mcbench/command.h"
#include "cli/mcbench/figures.h"
#include "cli/mcbench/report_priv.h"
#include "cli/mcbench/results.h"

/* clang-format off */
static const char HELP[] =
    "usage: mcbench compare [options] BASE.json NEW.json\n"
    "\n"
    "Compares two result files of `mcbench suite` or `mcbench replay`, and ends with status 1\n"
    "when something became worse by more than the noise and more than the threshold.\n"
    "\n"
    "  --threshold PERCENT  what is less than this is no regression (default: 5)\n"
    "  --against SERVER     divide each round by that server's in the same round first: what\n"
    "                       moves all servers at once, as on a shared machine, cancels out\n"
    "  --server NAME        only this one (default: all but those that only mark the limit)\n"
    "  --all                also print what is the same, and what cannot be told\n"
    "  -h, --help           this text\n"
    "\n"
    "examples:\n"
    "  mcbench compare bench/results/2026-11-01.json bench/results/2026-11-21.json\n"
    "  mcbench compare --against memcached --threshold 3 base.json new.json\n";
/* clang-format on */

struct settings {
    double threshold_percent;
    const char *against; /* NULL: nobody */
    const char *server;  /* NULL: all */
    bool all;
};

#define FIELD(name)                                                                                \
    .stored = true, .offset = offsetof(struct settings, name),                                     \
    .size = sizeof(((struct settings *)NULL)->name)

static const struct base_option ROWS[] = {
    {.name = "threshold",
     .kind = BASE_OPTION_REAL,
     .preset = "5",
     .max = 1000,
     FIELD(threshold_percent)},
    {.name = "against", .kind = BASE_OPTION_TEXT, FIELD(against)},
    {.name = "server", .kind = BASE_OPTION_TEXT, FIELD(server)},
    {.name = "all", .kind = BASE_OPTION_ON, FIELD(all)},
    {.letter = 'h', .name = "help", .kind = BASE_OPTION_ACTION},
};

enum verdict { SAME, BETTER, SLIGHTLY_WORSE, CANNOT_TELL, WORSE, VERDICT_COUNT };

static const char *const VERDICTS[VERDICT_COUNT] = {[SAME] = "same",
                                                    [BETTER] = "better",
                                                    [SLIGHTLY_WORSE] = "worse, below threshold",
                                                    [CANNOT_TELL] = "cannot tell",
                                                    [WORSE] = "WORSE"};

struct comparison {
    const struct settings *settings;
    json_t *base, *new; /* owned */
    size_t counts[VERDICT_COUNT];
    size_t pair_count; /* workloads and servers that are in both files */
    bool has_head;
};

/* Is this verdict printed? The others are only counted. */
static bool is_shown(const struct comparison *comparison, enum verdict verdict)
{
    return comparison->settings->all || (verdict != SAME && verdict != CANNOT_TELL);
}

static void print_head(struct comparison *comparison)
{
    if (!comparison->has_head) {
        (void)printf("%-18s %-14s %-14s %11s %11s %6s %-15s %s\n", "workload", "server", "figure",
                     "base", "new", "ratio", "interval", "");
        comparison->has_head = true;
    }
}

/* ratio: new / base. Turned round, so that beyond 1 is worse. */
static enum verdict judge(const struct bench_summary *ratio, bool more_is_better, double threshold)
{
    const double low = more_is_better ? 1 / ratio->high : ratio->low;
    const double high = more_is_better ? 1 / ratio->low : ratio->high;
    const double median = more_is_better ? 1 / ratio->median : ratio->median;

    if (bench_stats_differs(ratio)) {
        if (median < 1) {
            return BETTER;
        }
        return median > 1 + threshold ? WORSE : SLIGHTLY_WORSE;
    }
    return bench_stats_shows(ratio) && low >= 1 / (1 + threshold) && high <= 1 + threshold
               ? SAME
               : CANNOT_TELL;
}

/* One server's figure, divided by the reference's if one was asked for. */
static void collect(const struct comparison *comparison, const json_t *results,
                    const char *workload, const char *server, enum bench_figure figure,
                    struct bench_series *ret_series)
{
    struct bench_series own, reference;

    if (comparison->settings->against == NULL) {
        bench_figures_collect(results, workload, server, figure, ret_series);
        return;
    }
    bench_figures_collect(results, workload, server, figure, &own);
    bench_figures_collect(results, workload, comparison->settings->against, figure, &reference);
    bench_figures_pair(&own, &reference, ret_series);
}

static const char *show(const struct comparison *comparison, const struct bench_series *series,
                        enum bench_figure figure, char out[BENCH_REPORT_NUMBER_MAX])
{
    struct bench_summary summary;

    bench_stats_summarize(series->count, series->values, &summary);
    if (comparison->settings->against != NULL) {
        return bench_report_number(summary.median, 3, out);
    }
    return bench_report_number(summary.median * bench_figures_scale(figure),
                               bench_figures_scale(figure) < 1 ? 1 : 0, out);
}

static void compare_figure(struct comparison *comparison, const char *workload, const char *server,
                           enum bench_figure figure)
{
    char base_text[BENCH_REPORT_NUMBER_MAX], new_text[BENCH_REPORT_NUMBER_MAX], interval[64];
    struct bench_series base, new;
    struct bench_summary ratio;
    enum verdict verdict;

    collect(comparison, comparison->base, workload, server, figure, &base);
    collect(comparison, comparison->new, workload, server, figure, &new);
    if (base.count == 0 || new.count == 0) {
        if (base.count + new.count + base.void_count + new.void_count > 0) {
            comparison->counts[CANNOT_TELL]++;
            if (!is_shown(comparison, CANNOT_TELL)) {
                return;
            }
            print_head(comparison);
            (void)printf("%-18s %-14s %-14s cannot tell: the %s file has no valid round\n",
                         workload, server, bench_figures_name(figure),
                         base.count == 0 ? "base" : "new");
        }
        return;
    }
    bench_stats_compare(new.count, new.values, base.count, base.values, &ratio);
    verdict = judge(&ratio, bench_figures_more_is_better(figure),
                    comparison->settings->threshold_percent / 100);
    if (base.bound_count + new.bound_count > 0) {
        verdict = CANNOT_TELL; /* the generator was the limit; CPU time per request can tell */
    }
    comparison->counts[verdict]++;
    if (!is_shown(comparison, verdict)) {
        return;
    }
    print_head(comparison);
    (void)snprintf(interval, sizeof interval, "%.3f to %.3f", ratio.low, ratio.high);
    (void)printf("%-18s %-14s %-14s %11s %11s %6.3f %-15s %s\n", workload, server,
                 bench_figures_name(figure), show(comparison, &base, figure, base_text),
                 show(comparison, &new, figure, new_text), ratio.median, interval,
                 base.bound_count + new.bound_count > 0 ? "cannot tell: generator's limit"
                 : verdict == CANNOT_TELL && !bench_stats_shows(&ratio)
                     ? "cannot tell: too few rounds"
                     : VERDICTS[verdict]);
}

static const char *name_of(const json_t *entry)
{
    return json_string_value(json_object_get(entry, "name"));
}

static bool is_wanted(const struct settings *settings, const json_t *server)
{
    if (settings->against != NULL && strcmp(settings->against, name_of(server)) == 0) {
        return false;
    }
    if (settings->server != NULL) {
        return strcmp(settings->server, name_of(server)) == 0;
    }
    return !json_is_true(json_object_get(server, "is_limit"));
}

static void compare_servers(struct comparison *comparison, const json_t *workload)
{
    const bool is_open = bench_figures_is_open(workload);
    size_t index;
    json_t *server;

    json_array_foreach(json_object_get(comparison->base, "servers"), index, server)
    {
        const char *name = name_of(server);

        if (bench_results_find(comparison->new, "servers", name) == NULL ||
            !is_wanted(comparison->settings, server)) {
            continue;
        }
        comparison->pair_count++;
        for (enum bench_figure figure = 0; figure < BENCH_FIGURE_COUNT; figure++) {
            if (bench_figures_matters(figure, is_open)) {
                compare_figure(comparison, name_of(workload), name, figure);
            }
        }
    }
}

/* Names the members of two objects that are not alike. */
static void print_differences(json_t *base, json_t *new)
{
    const char *member, *comma = " ";
    json_t *value;

    json_object_foreach(base, member, value)
    {
        if (!json_equal(value, json_object_get(new, member))) {
            (void)fprintf(stderr, "%s%s", comma, member);
            comma = ", ";
        }
    }
    json_object_foreach((json_t *)(uintptr_t) new, member, value)
    {
        if (json_object_get(base, member) == NULL) {
            (void)fprintf(stderr, "%s%s", comma, member);
            comma = ", ";
        }
    }
    (void)fputc('\n', stderr);
}

static void compare_workloads(struct comparison *comparison)
{
    size_t index;
    json_t *workload;

    json_array_foreach(json_object_get(comparison->base, "workloads"), index, workload)
    {
        json_t *work = json_object_get(workload, "work");
        const json_t *other = bench_results_find(comparison->new, "workloads", name_of(workload));

        if (other != NULL && !json_equal(work, json_object_get(other, "work"))) {
            (void)fprintf(stderr,
                          "mcbench: warning: workload %s is not the same in both files and is left "
                          "out; it differs in",
                          name_of(workload));
            print_differences(work, json_object_get(other, "work"));
        } else if (other != NULL) {
            compare_servers(comparison, workload);
        }
    }
}

static bool is_same_replay(const json_t *a, const json_t *b)
{
    static const char *const members[] = {"trace", "server", "memory_bytes", "requests"};
    bool same = true;

    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        same = same && json_equal(json_object_get(a, members[i]), json_object_get(b, members[i]));
    }
    return same;
}

static double misses_of(const json_t *replay)
{
    return json_number_value(json_object_get(replay, "misses"));
}

/* A replay is one measurement, and nearly the same each time: the threshold alone decides. */
static void compare_replay(struct comparison *comparison, const json_t *base, const json_t *new)
{
    const double threshold = comparison->settings->threshold_percent / 100;
    const double ratio =
        misses_of(base) > 0 ? misses_of(new) / misses_of(base) : 1 + misses_of(new);
    const enum verdict verdict = ratio > 1 + threshold         ? WORSE
                                 : ratio > 1                   ? SLIGHTLY_WORSE
                                 : ratio < 1 / (1 + threshold) ? BETTER
                                                               : SAME;
    char base_text[BENCH_REPORT_NUMBER_MAX], new_text[BENCH_REPORT_NUMBER_MAX], memory[64];

    comparison->counts[verdict]++;
    comparison->pair_count++;
    if (!is_shown(comparison, verdict)) {
        return;
    }
    print_head(comparison);
    (void)snprintf(memory, sizeof memory, "%.1f MiB",
                   json_number_value(json_object_get(base, "memory_bytes")) / (1 << 20));
    (void)printf("%-18s %-14s %-14s %11s %11s %6.3f %-15s %s\n",
                 json_string_value(json_object_get(base, "trace")),
                 json_string_value(json_object_get(base, "server")), "misses",
                 bench_report_number(misses_of(base), 0, base_text),
                 bench_report_number(misses_of(new), 0, new_text), ratio, memory,
                 VERDICTS[verdict]);
}

static void compare_replays(struct comparison *comparison)
{
    size_t index, other_index;
    json_t *base, *new;

    json_array_foreach(json_object_get(comparison->base, "replay"), index, base)
    {
        const json_t *server = bench_results_find(
            comparison->base, "servers", json_string_value(json_object_get(base, "server")));

        if (!is_wanted(comparison->settings, server)) {
            continue;
        }
        json_array_foreach(json_object_get(comparison->new, "replay"), other_index, new)
        {
            if (is_same_replay(base, new)) {
                compare_replay(comparison, base, new);
                break;
            }
        }
    }
}

static void warn_missing(const json_t *has, const json_t *lacks, const char *list,
                         const char *which)
{
    size_t index;
    json_t *entry;

    json_array_foreach(json_object_get(has, list), index, entry)
    {
        if (bench_results_find(lacks, list, name_of(entry)) == NULL) {
            (void)fprintf(stderr, "mcbench: warning: %.*s %s is only in the %s file\n",
                          (int)strlen(list) - 1, list, name_of(entry), which);
        }
    }
}

static void warn(const struct comparison *comparison)
{
    json_t *base = json_object_get(comparison->base, "machine");
    json_t *new = json_object_get(comparison->new, "machine");
    static const char *const lists[] = {"servers", "workloads"};

    if (!json_equal(base, new)) {
        (void)fputs("mcbench: warning: the machines differ, so a difference need not be the "
                    "server's; they differ in",
                    stderr);
        print_differences(base, new);
    }
    for (size_t i = 0; i < 2; i++) {
        warn_missing(comparison->base, comparison->new, lists[i], "base");
        warn_missing(comparison->new, comparison->base, lists[i], "new");
    }
}

static int compare(struct comparison *comparison)
{
    const size_t *counts = comparison->counts;

    warn(comparison);
    compare_workloads(comparison);
    compare_replays(comparison);
    if (comparison->pair_count == 0) {
        (void)fputs("mcbench: the two files have nothing in common that can be compared\n", stderr);
        return 2;
    }
    (void)printf("%s%zu worse by more than %g %% and the noise, %zu worse by less, %zu better, ",
                 comparison->has_head ? "\n" : "", counts[WORSE],
                 comparison->settings->threshold_percent, counts[SLIGHTLY_WORSE], counts[BETTER]);
    (void)printf("%zu the same\n", counts[SAME]);
    if (counts[CANNOT_TELL] > 0) {
        (void)printf("%zu cannot be told: the rounds vary by more than that, or are too few%s\n",
                     counts[CANNOT_TELL], comparison->settings->all ? "" : " (--all lists them)");
    }
    return counts[WORSE] > 0 ? 1 : 0;
}

/* Also when no server is asked for (NULL). */
static bool has_server(const struct comparison *comparison, const char *name)
{
    if (name == NULL || (bench_results_find(comparison->base, "servers", name) != NULL &&
                         bench_results_find(comparison->new, "servers", name) != NULL)) {
        return true;
    }
    (void)fprintf(stderr, "mcbench: there is no server '%s' in both files\n", name);
    return false;
}

static int open_and_compare(const struct settings *settings, const char *base, const char *new)
{
    struct comparison comparison = {.settings = settings};
    char complaint[BENCH_RESULTS_ERROR_MAX] = "";
    int status = 2;

    comparison.base = bench_results_load(base, complaint);
    if (comparison.base != NULL) {
        comparison.new = bench_results_load(new, complaint);
    }
    if (comparison.new == NULL) {
        (void)fprintf(stderr, "mcbench: %s\n", complaint);
    } else if (has_server(&comparison, settings->against) &&
               has_server(&comparison, settings->server)) {
        status = compare(&comparison);
    }
    json_decref(comparison.base);
    json_decref(comparison.new);
    return status;
}

static int compare_files(void *settings, size_t operand_count, const char *const *operands)
{
    (void)operand_count;
    return open_and_compare(settings, operands[0], operands[1]);
}

int bench_command_compare(int argc, char *const *argv)
{
    static const struct bench_command_line line = {
        .name = "compare",
        .help = HELP,
        .row_count = sizeof(ROWS) / sizeof(ROWS[0]),
        .rows = ROWS,
        .operands_min = 2,
        .operands_max = 2,
        .run = compare_files,
    };
    struct settings settings = {0};

    return bench_command_do(&line, &settings, argc, argv);
}
