/* SPDX-License-Identifier: BSD-3-Clause */
/* Rows of a replay: see replay_rows.h; results.h has the file's form. */
#include "cli/mcbench/replay_rows.h"

#include <inttypes.h>
#include <string.h>

#include "cli/mcbench/report.h"
#include "cli/mcbench/results.h"

void bench_replay_rows_head(FILE *file, const char *trace, uint32_t tenant_count,
                            const struct bench_source_survey *survey)
{
    (void)fprintf(
        file, "\n%s: %" PRIu64 " requests, %" PRIu64 " keys, %" PRIu64 " bytes of keys and values",
        trace, survey->requests, survey->keys, survey->bytes);
    if (tenant_count > 1) {
        (void)fprintf(file, ", %" PRIu32 " tenants", tenant_count);
    }
    (void)fprintf(file, "\n%8s %-12s %6s %8s %8s %8s %10s %10s %8s %8s %8s\n", "share", "server",
                  "-m MiB", "peak MiB", "hit %", "bytes %", "items", "evicted", "misses", "p50 us",
                  "p99 us");
}

static double percent(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0 : (double)part * 100 / (double)whole;
}

void bench_replay_rows_print(FILE *file, const struct bench_replay_row *row)
{
    const struct bench_bout *bout = row->bout;
    const struct bench_replay_result *result = &bout->result;
    char label[32] = "-";
    char ratio[32] = "";

    if (row->share > 0) {
        (void)snprintf(label, sizeof(label), "%.4g %%", row->share * 100);
    }
    if (row->base_misses > 0) {
        (void)snprintf(ratio, sizeof(ratio), "%+.1f %%",
                       percent(result->misses, row->base_misses) - 100);
    }
    (void)fprintf(file,
                  "%8s %-12s %6" PRIu64 " %8.1f %8.3f %8.3f %10" PRIu64 " %10" PRIu64
                  " %8s %8.1f %8.1f\n",
                  label, row->server, bout->memory_mb, (double)bout->peak_rss_kib / 1024,
                  percent(result->hits, result->reads),
                  percent(result->hit_bytes, result->read_bytes), bout->items, bout->evictions,
                  ratio, (double)bench_hist_percentile(result->latency, 50) / 1000,
                  (double)bench_hist_percentile(result->latency, 99) / 1000);
    if (result->refused > 0) {
        (void)fprintf(file, "%8s %" PRIu64 " stores were refused; at first %s\n", "",
                      result->refused, result->refusal);
    }
    (void)fflush(file);
}

/* The command as others would type it: without the folder of its program. */
static const char *neutral(const char *line)
{
    const char *end = line + strcspn(line, " ");

    while (end > line && end[-1] != '/') {
        end--;
    }
    return end;
}

static bool add_server(json_t *results, const struct bench_replay_row *row)
{
    return bench_results_find(results, "servers", row->server) != NULL ||
           json_array_append_new(json_object_get(results, "servers"),
                                 json_pack("{s:s, s:s, s:s}", "name", row->server, "version",
                                           row->bout->version, "command",
                                           row->line == NULL ? "" : neutral(row->line))) == 0;
}

static bool put_count(json_t *entry, const char *name, uint64_t value)
{
    return json_object_set_new(entry, name, json_integer((json_int_t)value)) == 0;
}

static bool fill(json_t *entry, const struct bench_replay_row *row)
{
    const struct bench_bout *bout = row->bout;
    const struct bench_replay_result *result = &bout->result;
    const struct {
        const char *name;
        uint64_t value;
    } counts[] = {
        /* A server that runs already does not say; 0 is no size. */
        {"memory_bytes", row->memory_bytes == 0 ? 1 : row->memory_bytes},
        {"requests", result->requests},
        {"hits", result->hits},
        {"misses", result->misses},
        {"read_bytes", result->read_bytes},
        {"hit_bytes", result->hit_bytes},
        {"refused", result->refused},
        {"items", bout->items},
        {"bytes", bout->bytes},
        {"evictions", bout->evictions},
        {"wall_ns", result->wall_ns},
        {"tenants", row->tenant_count},
        {"working_set_bytes", row->survey->bytes},
        {"working_set_keys", row->survey->keys},
    };
    bool good = true;

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        good = good && put_count(entry, counts[i].name, counts[i].value);
    }
    if (bout->memory_mb > 0) {
        good = good && put_count(entry, "told_mb", bout->memory_mb) &&
               put_count(entry, "rss_kib", bout->rss_kib) &&
               put_count(entry, "peak_rss_kib", bout->peak_rss_kib);
    }
    return good;
}

bool bench_replay_rows_add(json_t *results, const struct bench_replay_row *row)
{
    json_t *entry = json_pack("{s:s, s:s, s:s, s:o, s:o}", "trace", row->trace, "server",
                              row->server, "value_size", row->value_size, "working_set_share",
                              row->share > 0 ? json_real(row->share) : json_null(), "latency",
                              bench_report_latency(row->bout->result.latency));

    if (entry == NULL || !fill(entry, row) || !add_server(results, row)) {
        json_decref(entry);
        return false;
    }
    return json_array_append_new(json_object_get(results, "replay"), entry) == 0;
}
