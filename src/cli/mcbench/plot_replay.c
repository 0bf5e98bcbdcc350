/* SPDX-License-Identifier: BSD-3-Clause */
/* Hit ratios of replayed traces: a table with a row per trace and memory, and their drawing. */
#include <string.h>

#include "cli/mcbench/plot_priv.h"

enum { COLUMNS_MAX = BENCH_PLOT_SERVERS_MAX + 5 };

/* What the misses are in sum, taken as 1 of each peer's. */
struct sums {
    double more[BENCH_PLOT_SERVERS_MAX];
    size_t count[BENCH_PLOT_SERVERS_MAX];
};

static double hits_percent(const json_t *entry)
{
    const double hits = bench_plot_number(entry, "hits");
    const double reads = hits + bench_plot_number(entry, "misses");

    return reads > 0 ? 100 * hits / reads : 0;
}

static void print_row(struct bench_plot *plot, const json_t *entry, struct sums *sums)
{
    const json_t *share = json_object_get(entry, "working_set_share");
    char cells[COLUMNS_MAX][BENCH_PLOT_CELL_MAX];
    bool strong[COLUMNS_MAX] = {false};
    size_t count = 4;

    bench_page_say(cells[0], "%s", bench_plot_text(entry, "trace"));
    bench_page_say(cells[1], "%.1f", bench_plot_number(entry, "memory_bytes") / (1 << 20));
    cells[2][0] = '\0';
    if (json_is_number(share)) {
        bench_page_say(cells[2], "%.3g %%", 100 * json_number_value(share));
    }
    bench_page_say(cells[3], "%.2f %%", hits_percent(entry));
    for (size_t peer = 1; peer < plot->server_count; peer++) {
        double more;

        if (!bench_plot_has_replay(plot, peer)) {
            continue;
        }
        cells[count][0] = '\0';
        if (bench_plot_more_misses(plot, entry, peer, &more)) {
            const json_t *other =
                bench_plot_replay(plot, bench_plot_text(entry, "trace"),
                                  json_integer_value(json_object_get(entry, "memory_bytes")), peer);

            bench_page_say(cells[count], "%.2f %%, misses %+.1f %%", hits_percent(other),
                           100 * (more - 1));
            strong[count] = more > 1;
            sums->more[peer] += more;
            sums->count[peer]++;
        }
        count++;
    }
    bench_page_row(plot, count, cells, strong);
}

static void print_head(struct bench_plot *plot)
{
    char cells[COLUMNS_MAX][BENCH_PLOT_CELL_MAX] = {"trace", "memory, MiB", "of the working set"};
    size_t count = 3;

    for (size_t i = 0; i < plot->server_count; i++) {
        if (i == 0 || bench_plot_has_replay(plot, i)) {
            bench_page_say(cells[count++], "%s", plot->servers[i].name);
        }
    }
    bench_page_table_begin(plot);
    bench_page_row(plot, count, cells, NULL);
}

void bench_plot_replays(struct bench_plot *plot)
{
    struct sums sums = {{0}, {0}};
    size_t index;
    json_t *entry;

    if (json_array_size(json_object_get(plot->results, "replay")) == 0) {
        return;
    }
    bench_page_heading(plot, "Hit ratio");
    if (bench_plot_has_replay(plot, 0)) {
        bench_page_text(plot, "Behind another server's hit ratio: how many more (+, bold) or fewer "
                              "misses the first one has at the same memory.");
        print_head(plot);
        json_array_foreach(json_object_get(plot->results, "replay"), index, entry)
        {
            if (strcmp(bench_plot_text(entry, "server"), plot->servers[0].name) == 0) {
                print_row(plot, entry, &sums);
            }
        }
        bench_page_table_end(plot);
    }
    for (size_t i = 1; i < plot->server_count; i++) {
        if (sums.count[i] > 0) {
            char text[BENCH_PLOT_CELL_MAX];

            bench_page_say(text, "Against %s: misses %+.1f %%, the mean of %zu.",
                           plot->servers[i].name, 100 * (sums.more[i] / (double)sums.count[i] - 1),
                           sums.count[i]);
            bench_page_text(plot, text);
        }
    }
    bench_plot_hits(plot);
}
