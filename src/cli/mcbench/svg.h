/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Drawings as SVG: a few shapes, and one look for all of them.
 *
 * A drawing has its own ground, so it can be read on any page, and dark colours where the reader's system is dark. Series are told
 * apart by colour (Okabe and Ito's palette, which colour-blind readers can tell apart) and by the shape of their marks. Pixels,
 * from the upper left corner. One thread per drawing.
 */
#ifndef LARDER_MCBENCH_SVG_H
#define LARDER_MCBENCH_SVG_H

#include <stddef.h>
#include <stdio.h>

enum { BENCH_SVG_COLOURS = 7 }; /* series that look different; the next begins anew */

enum bench_svg_anchor { BENCH_SVG_START, BENCH_SVG_MIDDLE, BENCH_SVG_END };

/* How a text or line looks. */
enum bench_svg_style {
    BENCH_SVG_TITLE,  /* text */
    BENCH_SVG_LABEL,  /* text */
    BENCH_SVG_SMALL,  /* text */
    BENCH_SVG_AXIS,   /* line */
    BENCH_SVG_GRID,   /* line */
    BENCH_SVG_STRONG, /* line: a border that means something */
};

/* title and its words are also what a screen reader says. */
void bench_svg_begin(FILE *file, double width, double height, const char *title);
void bench_svg_end(FILE *file);

/* Text is escaped here. */
void bench_svg_text(FILE *file, double x, double y, enum bench_svg_style style,
                    enum bench_svg_anchor anchor, const char *text);
/* Upwards along a vertical axis, around its middle. */
void bench_svg_text_up(FILE *file, double x, double y, const char *text);
void bench_svg_line(FILE *file, double x1, double y1, double x2, double y2,
                    enum bench_svg_style style);

/* Of series number `colour`: a thin line from place to place, a whisker, and a mark. */
void bench_svg_path_begin(FILE *file, size_t colour);
void bench_svg_path_to(FILE *file, double x, double y);
void bench_svg_path_end(FILE *file);
void bench_svg_whisker(FILE *file, double x1, double y1, double x2, double y2, size_t colour);
void bench_svg_mark(FILE *file, double x, double y, size_t colour);
void bench_svg_bar(FILE *file, double x, double y, double width, double height, size_t colour);

/* About how wide a LABEL of this text is. */
double bench_svg_text_width(const char *text);

/* Text for XML and HTML: & < > " escaped. */
void bench_svg_escape(FILE *file, const char *text);

#endif
