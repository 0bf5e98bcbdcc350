/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of `mcbench plot` share: plot.c (the command), plot_page.c (Markdown and HTML), plot_ratio.c (who is better),
 * plot_table.c and
 * plot_replay.c (tables), plot_chart.c and plot_rows.c (drawings).
 *
 * All of them read one checked result file and write one page and its drawings. One thread.
 */
#ifndef LARDER_MCBENCH_PLOT_PRIV_H
#define LARDER_MCBENCH_PLOT_PRIV_H

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>

#include "cli/mcbench/figures.h"

enum {
    BENCH_PLOT_SERVERS_MAX = 12, /* of a page; more would not be told apart */
    BENCH_PLOT_CELL_MAX = 512,   /* bytes of a table's cell */
};

struct bench_plot_server {
    const char *name;
    bool is_limit;
    size_t colour;
};

struct bench_plot {
    const json_t *results; /* borrowed, as are all texts of it below */
    size_t server_count;
    struct bench_plot_server servers[BENCH_PLOT_SERVERS_MAX]; /* the tested one is the first */
    FILE *page;
    bool is_html;
    bool in_head;        /* the next row is a table's first */
    char stem[PATH_MAX]; /* path of the page without its extension; drawings are STEM-NAME.svg */
    char problem[PATH_MAX + 512]; /* the first file that could not be written; "" */
};

/* How many times as good as a peer: above 1 is better, whatever the figure. */
struct bench_plot_ratio {
    const json_t *workload;
    size_t peer; /* index of a server */
    enum bench_figure figure;
    struct bench_summary times;
    bool is_least; /* the generator was the tested server's limit: it may be better than that */
    bool is_most;  /* the same of the peer: the tested server may be worse than that */
};

enum bench_plot_verdict { BENCH_PLOT_UNCLEAR, BENCH_PLOT_WORSE, BENCH_PLOT_BETTER };

/* plot_page.c */
void bench_page_begin(struct bench_plot *plot, const char *title);
void bench_page_end(struct bench_plot *plot);
void bench_page_heading(struct bench_plot *plot, const char *text);
void bench_page_text(struct bench_plot *plot, const char *text);
/* Text of a cell, cut to its size. */
__attribute__((format(printf, 2, 3))) void bench_page_say(char out[BENCH_PLOT_CELL_MAX],
                                                          const char *format, ...);
/* A row of cells; the first one of a table are its heads. Cells are plain text; strong ones are set in bold. */
void bench_page_table_begin(struct bench_plot *plot);
void bench_page_row(struct bench_plot *plot, size_t count, char cells[][BENCH_PLOT_CELL_MAX],
                    const bool *strong);
void bench_page_table_end(struct bench_plot *plot);
/* Opens STEM-NAME.svg and shows it on the page. NULL: it cannot be written, plot->problem is set. */
FILE *bench_page_drawing(struct bench_plot *plot, const char *name, const char *title);
void bench_page_drawing_end(struct bench_plot *plot, FILE *file);

/* plot_ratio.c */
/* False: no round has both. */
bool bench_plot_ratio(const struct bench_plot *plot, const json_t *workload, size_t peer,
                      enum bench_figure figure, struct bench_plot_ratio *ret_ratio);
enum bench_plot_verdict bench_plot_judge(const struct bench_plot_ratio *ratio);
/* "", or the sign for a ratio that is a bound: at least, at most, about. */
const char *bench_plot_bound(const struct bench_plot_ratio *ratio);
/* All of them, the worst first. Given: free(). NULL and 0 when there are none. */
struct bench_plot_ratio *bench_plot_ratios(const struct bench_plot *plot, size_t *ret_count);
/* A server's own figure. False: no round has it. */
bool bench_plot_summary(const struct bench_plot *plot, const json_t *workload, size_t server,
                        enum bench_figure figure, struct bench_summary *ret_summary);
/* Rounds of the file that are void. */
size_t bench_plot_void_count(const struct bench_plot *plot);
/* The entry of a replay on a server with this trace and memory; NULL: none. */
const json_t *bench_plot_replay(const struct bench_plot *plot, const char *trace,
                                json_int_t memory_bytes, size_t server);
/* Has the server any replay in the file? */
bool bench_plot_has_replay(const struct bench_plot *plot, size_t server);
/* The tested server's misses in this replay divided by a peer's. False: not the tested server's, or nothing to divide. */
bool bench_plot_more_misses(const struct bench_plot *plot, const json_t *entry, size_t peer,
                            double *ret_more);
const char *bench_plot_text(const json_t *entry, const char *member);
double bench_plot_number(const json_t *entry, const char *member);

/* plot_table.c */
void bench_plot_setting(struct bench_plot *plot);
void bench_plot_losses(struct bench_plot *plot);
void bench_plot_tables(struct bench_plot *plot);
/* plot_replay.c */
void bench_plot_replays(struct bench_plot *plot);

/* plot_rows.c, plot_chart.c: nothing at all when the file has no such figures. */
void bench_plot_ratio_chart(struct bench_plot *plot);
void bench_plot_cpu_chart(struct bench_plot *plot);
void bench_plot_curves(struct bench_plot *plot);
void bench_plot_hits(struct bench_plot *plot);
/* Of the servers that are shown. */
void bench_plot_legend(const struct bench_plot *plot, FILE *file, const bool *shown, double x,
                       double y);

#endif
