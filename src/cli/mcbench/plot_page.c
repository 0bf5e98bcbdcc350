/* SPDX-License-Identifier: BSD-3-Clause */
/* A page in Markdown or HTML: headings, paragraphs, tables, drawings beside it. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "cli/mcbench/plot_priv.h"
#include "cli/mcbench/svg.h"

/* Text that means only itself. */
static void put(const struct bench_plot *plot, const char *text)
{
    if (plot->is_html) {
        bench_svg_escape(plot->page, text);
        return;
    }
    for (; *text != '\0'; text++) {
        if (strchr("\\`*_[]<>|#", *text) != NULL) {
            (void)fputc('\\', plot->page);
        }
        (void)fputc((unsigned char)*text < ' ' ? ' ' : *text, plot->page);
    }
}

static void put_between(const struct bench_plot *plot, const char *before, const char *text,
                        const char *after)
{
    (void)fputs(before, plot->page);
    put(plot, text);
    (void)fputs(after, plot->page);
}

void bench_page_begin(struct bench_plot *plot, const char *title)
{
    if (!plot->is_html) {
        put_between(plot, "# ", title, "\n\n");
        return;
    }
    put_between(
        plot,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width\">\n<title>",
        title,
        "</title>\n<style>:root{color-scheme:light dark}"
        "body{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem}"
        "table{border-collapse:collapse;display:block;overflow-x:auto}"
        "td,th{padding:.2rem .7rem;border-bottom:1px solid #8886;text-align:right}"
        "td:first-child,th:first-child{text-align:left}img{max-width:100%}</style>\n"
        "</head>\n<body>\n");
    put_between(plot, "<h1>", title, "</h1>\n");
}

void bench_page_end(struct bench_plot *plot)
{
    if (plot->is_html) {
        (void)fputs("</body>\n</html>\n", plot->page);
    }
}

void bench_page_heading(struct bench_plot *plot, const char *text)
{
    put_between(plot, plot->is_html ? "<h2>" : "## ", text, plot->is_html ? "</h2>\n" : "\n\n");
}

void bench_page_text(struct bench_plot *plot, const char *text)
{
    put_between(plot, plot->is_html ? "<p>" : "", text, plot->is_html ? "</p>\n" : "\n\n");
}

void bench_page_say(char out[BENCH_PLOT_CELL_MAX], const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(out, BENCH_PLOT_CELL_MAX, format, arguments);
    va_end(arguments);
}

void bench_page_table_begin(struct bench_plot *plot)
{
    plot->in_head = true;
    if (plot->is_html) {
        (void)fputs("<table>\n", plot->page);
    }
}

void bench_page_row(struct bench_plot *plot, size_t count, char cells[][BENCH_PLOT_CELL_MAX],
                    const bool *strong)
{
    (void)fputs(plot->is_html ? "<tr>" : "|", plot->page);
    for (size_t i = 0; i < count; i++) {
        const bool is_strong = strong != NULL && strong[i] && cells[i][0] != '\0';

        if (plot->is_html) {
            (void)fputs(plot->in_head ? "<th>" : "<td>", plot->page);
            put_between(plot, is_strong ? "<b>" : "", cells[i], is_strong ? "</b>" : "");
            (void)fputs(plot->in_head ? "</th>" : "</td>", plot->page);
        } else {
            put_between(plot, is_strong ? " **" : " ", cells[i], is_strong ? "** |" : " |");
        }
    }
    (void)fputs(plot->is_html ? "</tr>\n" : "\n", plot->page);
    if (plot->in_head && !plot->is_html) {
        for (size_t i = 0; i < count; i++) {
            (void)fputs(i == 0 ? "|---|" : "---:|", plot->page);
        }
        (void)fputc('\n', plot->page);
    }
    plot->in_head = false;
}

void bench_page_table_end(struct bench_plot *plot)
{
    (void)fputs(plot->is_html ? "</table>\n" : "\n", plot->page);
}

FILE *bench_page_drawing(struct bench_plot *plot, const char *name, const char *title)
{
    const char *slash = strrchr(plot->stem, '/');
    char path[PATH_MAX + 128];
    FILE *file;

    (void)snprintf(path, sizeof path, "%s-%s.svg", plot->stem, name);
    file = fopen(path, "we");
    if (file == NULL) {
        if (plot->problem[0] == '\0') {
            (void)snprintf(plot->problem, sizeof plot->problem, "%s: %s", path,
                           strerrordesc_np(errno));
        }
        return NULL;
    }
    slash = slash != NULL ? path + (slash + 1 - plot->stem) : path;
    put_between(plot, plot->is_html ? "<p><img src=\"" : "![", plot->is_html ? slash : title,
                plot->is_html ? "\" alt=\"" : "](");
    put_between(plot, "", plot->is_html ? title : "", plot->is_html ? "\"></p>\n" : slash);
    (void)fputs(plot->is_html ? "" : ")\n\n", plot->page);
    return file;
}

void bench_page_drawing_end(struct bench_plot *plot, FILE *file)
{
    const bool failed = ferror(file) != 0;

    if ((fclose(file) != 0 || failed) && plot->problem[0] == '\0') {
        (void)snprintf(plot->problem, sizeof plot->problem, "a drawing: %s",
                       strerrordesc_np(errno != 0 ? errno : EIO));
    }
}
