/* SPDX-License-Identifier: BSD-3-Clause */
/* A run as a table for people: at most WIDTH columns, thousands apart, one unit per column. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/mcbench/report.h"
#include "cli/mcbench/report_priv.h"
#include "cli/mcbench/wire.h"

enum { WIDTH = 100 };

/* Digits apart by thousands: "1,234,567". Returns `out`. */
const char *bench_report_number(double value, int decimals, char out[BENCH_REPORT_NUMBER_MAX])
{
    char plain[BENCH_REPORT_NUMBER_MAX / 2];
    size_t whole, used = 0;
    const size_t sign = value < 0 ? 1 : 0;

    (void)snprintf(plain, sizeof plain, "%.*f", decimals, value);
    whole = strcspn(plain, ".");
    for (size_t i = 0; plain[i] != '\0'; i++) {
        if (i > sign && i < whole && (whole - i) % 3 == 0) {
            out[used++] = ',';
        }
        out[used++] = plain[i];
    }
    out[used] = '\0';
    return out;
}

/* A number of bytes in the largest unit that leaves a figure before the point. Returns `out`. */
static const char *show_bytes(double bytes, char out[BENCH_REPORT_NUMBER_MAX])
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;

    while (bytes >= 1024 && unit + 1 < sizeof units / sizeof units[0]) {
        bytes /= 1024;
        unit++;
    }
    (void)snprintf(out, BENCH_REPORT_NUMBER_MAX, unit > 0 && bytes < 100 ? "%.1f %s" : "%.0f %s",
                   bytes, units[unit]);
    return out;
}

static double share(uint64_t part, uint64_t whole)
{
    return whole > 0 ? 100 * (double)part / (double)whole : 0;
}

static void print_sizes(FILE *file, const struct bench_sizes *sizes)
{
    switch (sizes->kind) {
    case BENCH_SIZE_FIXED:
        (void)fprintf(file, "of %" PRIu32 " bytes", sizes->min);
        break;
    case BENCH_SIZE_RANGE:
        (void)fprintf(file, "of %" PRIu32 " to %" PRIu32 " bytes", sizes->min, sizes->max);
        break;
    case BENCH_SIZE_ETC:
        (void)fputs("as Facebook's ETC pool has them", file);
        break;
    }
}

static void print_keys(FILE *file, const struct bench_work *work)
{
    char number[BENCH_REPORT_NUMBER_MAX];

    (void)fprintf(file, "%s keys ", bench_report_number((double)work->key_count, 0, number));
    print_sizes(file, &work->key_sizes);
    switch (work->order) {
    case BENCH_UNIFORM:
        (void)fputs(", uniform", file);
        break;
    case BENCH_ZIPF:
        (void)fprintf(file, ", Zipf %.2f", work->skew);
        break;
    case BENCH_HOT:
        (void)fprintf(file, ", %.0f %% to %" PRIu64 " hot", 100 * work->hot_share, work->hot_keys);
        break;
    case BENCH_SEQUENTIAL:
        (void)fputs(", in order", file);
        break;
    }
    (void)fputs("; values ", file);
    print_sizes(file, &work->value_sizes);
    (void)fputc('\n', file);
}

static void print_load(FILE *file, const struct bench_work *work)
{
    char number[BENCH_REPORT_NUMBER_MAX];

    (void)fprintf(file, "%s, %s connection%s", bench_wire_of(work->protocol)->name,
                  bench_report_number(work->connections, 0, number),
                  work->connections == 1 ? "" : "s");
    if (work->pipeline > 1) {
        (void)fprintf(file, ", pipeline %" PRIu32, work->pipeline);
    }
    if (work->keys_per_get_max > work->keys_per_get) {
        (void)fprintf(file, ", %" PRIu32 " to %" PRIu32 " keys per get", work->keys_per_get,
                      work->keys_per_get_max);
    } else if (work->keys_per_get > 1) {
        (void)fprintf(file, ", %" PRIu32 " keys per get", work->keys_per_get);
    }
    (void)fprintf(file, ", %" PRIu32 " thread%s", work->lanes, work->lanes == 1 ? "" : "s");
    switch (work->arrival) {
    case BENCH_CLOSED:
        (void)fputs(", closed loop\n", file);
        break;
    case BENCH_POISSON:
        (void)fprintf(file, ", open loop at %s per second\n",
                      bench_report_number(work->rate, 0, number));
        break;
    case BENCH_BURSTS:
        (void)fprintf(file, ", open loop at %s per second",
                      bench_report_number(work->rate, 0, number));
        (void)fprintf(file, " in bursts of %" PRIu32 "\n", work->burst_size);
        break;
    }
}

static void print_counts(FILE *file, const struct bench_result *result)
{
    static const char *const verbs[BENCH_VERB_COUNT] = {
        [BENCH_GET] = "get", [BENCH_SET] = "set", [BENCH_DELETE] = "delete", [BENCH_INCR] = "incr"};
    const double wall_s = (double)result->wall_ns / 1e9;
    char number[BENCH_REPORT_NUMBER_MAX], rate[BENCH_REPORT_NUMBER_MAX];

    (void)fprintf(file, "requests   %16s   %s per second",
                  bench_report_number((double)result->requests, 0, number),
                  bench_report_number(wall_s > 0 ? (double)result->requests / wall_s : 0, 0, rate));
    for (size_t i = 0; i < BENCH_VERB_COUNT; i++) {
        if (result->per_verb[i] > 0 && result->per_verb[i] < result->requests) {
            (void)fprintf(file, ", %.1f %% %s", share(result->per_verb[i], result->requests),
                          verbs[i]);
        }
    }
    (void)fputc('\n', file);
    if (result->keys > 0) {
        (void)fprintf(file, "keys       %16s   %.3f %% hits, %s of values\n",
                      bench_report_number((double)result->keys, 0, number),
                      share(result->hits, result->hits + result->misses),
                      show_bytes((double)result->value_bytes, rate));
    }
    if (result->refused > 0) {
        (void)fprintf(file, "refused    %16s   answers were errors of an overloaded server\n",
                      bench_report_number((double)result->refused, 0, number));
    }
    if (result->reconnects > 0) {
        (void)fprintf(file, "reconnects %16s\n",
                      bench_report_number((double)result->reconnects, 0, number));
    }
    if (result->late > 0 || result->unsent > 0) {
        (void)fprintf(file, "late       %16s   sent more than 1 ms after they were due; %s never\n",
                      bench_report_number((double)result->late, 0, number),
                      bench_report_number((double)result->unsent, 0, rate));
    }
}

static void print_cpu(FILE *file, const struct bench_plan *plan, const struct bench_result *result)
{
    const double requests = result->requests > 0 ? (double)result->requests : 1;
    char number[BENCH_REPORT_NUMBER_MAX];

    if (plan->server != 0) {
        (void)fprintf(
            file,
            "server     %16s   ns of CPU per request; %.1f %% of a CPU, %.1f %% waiting for it\n",
            bench_report_number((double)result->server.run_ns / requests, 0, number),
            share(result->server.run_ns, result->wall_ns),
            share(result->server.wait_ns, result->wall_ns));
    }
    (void)fprintf(
        file,
        "generator  %16s   ns of CPU per request; busy %.1f %% of the time, %.1f %% waiting\n",
        bench_report_number((double)result->load_busy_ns / requests, 0, number),
        share(result->load_busy_ns, result->wall_ns * plan->work.lanes),
        share(result->load.wait_ns, result->wall_ns * plan->work.lanes));
}

/* Microseconds; what would be too wide for its column in seconds, and says so. Returns `out`. */
static const char *show_latency(double value_ns, char out[BENCH_REPORT_NUMBER_MAX])
{
    if (value_ns >= 1e11) {
        (void)snprintf(out, BENCH_REPORT_NUMBER_MAX, "%.0f s", value_ns / 1e9);
        return out;
    }
    return bench_report_number(value_ns / 1e3, value_ns < 1e8 ? 1 : 0, out);
}

static void print_latency(FILE *file, const char *label, const struct bench_hist *hist)
{
    static const double percentiles[] = {50, 90, 99, 99.9, 99.99, 100};
    char number[BENCH_REPORT_NUMBER_MAX];

    if (hist == NULL || bench_hist_count(hist) == 0) {
        return;
    }
    (void)fprintf(file, "%-17s %10s", label, show_latency(bench_hist_mean(hist), number));
    for (size_t i = 0; i < sizeof percentiles / sizeof percentiles[0]; i++) {
        (void)fprintf(file, " %11s",
                      show_latency((double)bench_hist_percentile(hist, percentiles[i]), number));
    }
    (void)fputc('\n', file);
}

/* Words in lines that begin with `indent` blanks. */
static void print_wrapped(FILE *file, const char *text, size_t indent)
{
    size_t column = 0;

    while (*text != '\0') {
        const size_t size = strcspn(text, " \n");

        if (size > 0 && column + 1 + size > WIDTH) {
            (void)fputc('\n', file);
            column = 0;
        }
        if (size > 0) {
            column += (size_t)fprintf(file, "%*s%.*s", column == 0 ? (int)indent : 1, "", (int)size,
                                      text);
        }
        text += size + strspn(text + size, " \n");
    }
    (void)fputc('\n', file);
}

void bench_report_print(FILE *file, const struct bench_plan *plan,
                        const struct bench_result *result)
{
    const double wall_s = (double)result->wall_ns / 1e9;

    print_load(file, &plan->work);
    print_keys(file, &plan->work);
    (void)fprintf(file, "%s%s; %.1f s after %.1f s of warm-up\n\n", plan->address,
                  plan->tls ? " over TLS" : "", wall_s, (double)plan->warmup_ns / 1e9);
    print_counts(file, result);
    print_cpu(file, plan, result);
    (void)fprintf(file, "\n%-17s %10s %11s %11s %11s %11s %11s %11s\n", "latency, us", "mean",
                  "p50", "p90", "p99", "p99.9", "p99.99", "max");
    print_latency(file, "since it was due", result->intended);
    print_latency(file, "since it was sent", result->service);
    print_latency(file, "measuring lane", result->probe);
    if (result->is_cut) {
        (void)fprintf(file, "\nCut short: %.1f s of %.1f s.\n", wall_s,
                      (double)plan->window_ns / 1e9);
    }
    if (result->is_void) {
        (void)fputs(
            "\nVOID: these figures say something about the generator, not about the server.\n",
            file);
        print_wrapped(file, result->reason, 2);
    }
}
