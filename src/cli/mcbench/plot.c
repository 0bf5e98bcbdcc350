/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mcbench plot: a result file as a page with tables and drawings.
 *
 * Losses come first, computed from the intervals: what is worse, what shows no difference, and then all of it. One thread.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/option.h"
#include "cli/mcbench/command.h"
#include "cli/mcbench/plot_priv.h"
#include "cli/mcbench/results.h"
#include "cli/mcbench/svg.h"

/* clang-format off */
static const char HELP[] =
    "usage: mcbench plot --output PAGE [options] RESULTS.json\n"
    "\n"
    "Writes a page about a result file of `mcbench suite` or `mcbench replay`, and its drawings\n"
    "beside it as PAGE-*.svg.\n"
    "\n"
    "  --output PAGE        PAGE.md, or PAGE.html; without one of the two, .md is added\n"
    "  --server NAME        whose page it is: all others are compared with this one\n"
    "                       (default: the first server of the file)\n"
    "  --title TEXT         the page's title\n"
    "  -h, --help           this text\n"
    "\n"
    "examples:\n"
    "  mcbench plot bench/results/2026-11-21.json --output bench/results/2026-11-21\n"
    "  mcbench plot results.json --output page.html --server memcached\n";
/* clang-format on */

struct settings {
    const char *output;
    const char *server; /* NULL: the first */
    const char *title;  /* NULL: one of our own */
};

#define FIELD(name)                                                                                \
    .stored = true, .offset = offsetof(struct settings, name),                                     \
    .size = sizeof(((struct settings *)NULL)->name)

static const struct base_option ROWS[] = {
    {.name = "output", .kind = BASE_OPTION_TEXT, FIELD(output)},
    {.name = "server", .kind = BASE_OPTION_TEXT, FIELD(server)},
    {.name = "title", .kind = BASE_OPTION_TEXT, FIELD(title)},
    {.letter = 'h', .name = "help", .kind = BASE_OPTION_ACTION},
};

static bool add_server(struct bench_plot *plot, const json_t *server, size_t *colours)
{
    const bool is_limit = json_is_true(json_object_get(server, "is_limit"));

    if (plot->server_count == BENCH_PLOT_SERVERS_MAX) {
        return false;
    }
    /* The limit is grey: the last colour, which no other server gets. */
    plot->servers[plot->server_count++] = (struct bench_plot_server){
        bench_plot_text(server, "name"), is_limit,
        is_limit ? BENCH_SVG_COLOURS - 1 : (*colours)++ % (BENCH_SVG_COLOURS - 1)};
    return true;
}

/* The tested server first, then the others as they are in the file. */
static bool add_servers(struct bench_plot *plot, const char *tested)
{
    const json_t *servers = json_object_get(plot->results, "servers");
    const json_t *first = tested != NULL ? bench_results_find(plot->results, "servers", tested)
                                         : json_array_get(servers, 0);
    size_t index, colours = 0;
    json_t *server;

    if (first == NULL) {
        (void)fprintf(stderr, "mcbench: the file has no server%s%s\n", tested != NULL ? " " : "",
                      tested != NULL ? tested : "");
        return false;
    }
    (void)add_server(plot, first, &colours);
    json_array_foreach(servers, index, server)
    {
        if (server != first && !add_server(plot, server, &colours)) {
            (void)fprintf(stderr, "mcbench: more than %d servers do not fit on a page\n",
                          BENCH_PLOT_SERVERS_MAX);
            return false;
        }
    }
    return true;
}

static void write_page(struct bench_plot *plot, const char *title)
{
    char text[2 * BENCH_PLOT_CELL_MAX];

    (void)snprintf(text, sizeof text, "Benchmark of %s, %.10s", plot->servers[0].name,
                   bench_plot_text(plot->results, "date"));
    bench_page_begin(plot, title != NULL ? title : text);
    (void)snprintf(
        text, sizeof text,
        "Ratios say how many times as good %s is: its requests per second divided by the "
        "other's, or the other's CPU time or latency divided by its own. Above 1 it is "
        "better, below 1 it is worse (bold). They are taken round by round; what stands "
        "here is the median with its interval (95 %% where the rounds suffice).",
        plot->servers[0].name);
    bench_page_text(plot, text);
    (void)snprintf(text, sizeof text,
                   "\xe2\x89\xa5: the generator was the limit, so %s is at least that good and may "
                   "be better; \xe2\x89\xa4: the same of the other server; \xe2\x89\x88: of both. "
                   "CPU time per request is right there, too.",
                   plot->servers[0].name);
    bench_page_text(plot, text);
    bench_plot_losses(plot);
    bench_plot_tables(plot);
    bench_plot_curves(plot);
    bench_plot_replays(plot);
    bench_plot_setting(plot);
    bench_page_end(plot);
}

/* Where the page and its drawings go. False: too long. */
static bool set_paths(struct bench_plot *plot, const char *output, char page[PATH_MAX])
{
    const size_t size = strlen(output);
    size_t stem_size = size;

    plot->is_html = size > 5 && strcmp(output + size - 5, ".html") == 0;
    if (plot->is_html) {
        stem_size = size - 5;
    } else if (size > 3 && strcmp(output + size - 3, ".md") == 0) {
        stem_size = size - 3;
    }
    if (size + 128 > PATH_MAX) {
        return false;
    }
    (void)snprintf(plot->stem, sizeof plot->stem, "%.*s", (int)stem_size, output);
    (void)snprintf(page, PATH_MAX, "%.*s%s", (int)stem_size, output,
                   plot->is_html ? ".html" : ".md");
    return true;
}

static int plot_file(const struct settings *settings, const char *path)
{
    struct bench_plot plot = {0};
    char complaint[BENCH_RESULTS_ERROR_MAX], page[PATH_MAX];
    json_t *results = bench_results_load(path, complaint);
    int status = 2;

    plot.results = results;
    if (results == NULL) {
        (void)fprintf(stderr, "mcbench: %s\n", complaint);
        return 2;
    }
    if (!add_servers(&plot, settings->server)) {
        goto done;
    }
    if (!set_paths(&plot, settings->output, page)) {
        (void)fputs("mcbench: the path of the page is too long\n", stderr);
        goto done;
    }
    plot.page = fopen(page, "we");
    if (plot.page == NULL) {
        (void)fprintf(stderr, "mcbench: %s: %s\n", page, strerrordesc_np(errno));
        goto done;
    }
    write_page(&plot, settings->title);
    if (ferror(plot.page) != 0 && plot.problem[0] == '\0') {
        (void)snprintf(plot.problem, sizeof plot.problem, "%s: cannot be written", page);
    }
    if (fclose(plot.page) != 0 && plot.problem[0] == '\0') {
        (void)snprintf(plot.problem, sizeof plot.problem, "%s: %s", page, strerrordesc_np(errno));
    }
    if (plot.problem[0] != '\0') {
        (void)fprintf(stderr, "mcbench: %s\n", plot.problem);
    }
    status = plot.problem[0] == '\0' ? 0 : 1;
done:
    json_decref(results);
    return status;
}

static int plot_operand(void *arg, size_t operand_count, const char *const *operands)
{
    const struct settings *settings = arg;

    (void)operand_count;
    if (settings->output == NULL) {
        (void)fputs("mcbench plot: --output says where the page goes\n", stderr);
        return BENCH_STATUS_USAGE;
    }
    return plot_file(settings, operands[0]);
}

int bench_command_plot(int argc, char *const *argv)
{
    static const struct bench_command_line line = {
        .name = "plot",
        .help = HELP,
        .row_count = sizeof(ROWS) / sizeof(ROWS[0]),
        .rows = ROWS,
        .operands_min = 1,
        .operands_max = 1,
        .run = plot_operand,
    };
    struct settings settings = {0};

    return bench_command_do(&line, &settings, argc, argv);
}
