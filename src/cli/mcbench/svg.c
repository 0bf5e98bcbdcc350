/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/mcbench/svg.h"

#include <string.h>

static const char STYLE[] =
    ".g{fill:#fff}text{font-family:system-ui,Segoe UI,Helvetica,Arial,DejaVu Sans,sans-serif;"
    "fill:#222;font-size:12px}"
    ".t{font-size:14px;font-weight:600}.m{font-size:11px;fill:#555}"
    ".a{stroke:#555}.r{stroke:#ddd}.k{stroke:#222;stroke-width:1.5}"
    ".p{fill:none;stroke-width:1.8;stroke-linejoin:round}.w{stroke-width:1.2;fill:none}"
    ".c0{color:#0072b2}.c1{color:#d55e00}.c2{color:#009e73}.c3{color:#b5508c}"
    ".c4{color:#e69f00}.c5{color:#56b4e9}.c6{color:#777}"
    ".c{stroke:currentColor}.f{fill:currentColor}"
    "@media(prefers-color-scheme:dark){.g{fill:#16181d}text{fill:#e6e6e6}.m{fill:#aaa}"
    ".a{stroke:#999}.r{stroke:#33363d}.k{stroke:#e6e6e6}"
    ".c0{color:#4aa8e0}.c1{color:#f08a45}.c2{color:#2fc59b}.c3{color:#dd8fbd}"
    ".c4{color:#f2b632}.c5{color:#8fd0f5}.c6{color:#a5a5a5}}";

static const char *const CLASSES[] = {
    [BENCH_SVG_TITLE] = "t", [BENCH_SVG_LABEL] = "l", [BENCH_SVG_SMALL] = "m",
    [BENCH_SVG_AXIS] = "a",  [BENCH_SVG_GRID] = "r",  [BENCH_SVG_STRONG] = "k"};

void bench_svg_escape(FILE *file, const char *text)
{
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '&':
            (void)fputs("&amp;", file);
            break;
        case '<':
            (void)fputs("&lt;", file);
            break;
        case '>':
            (void)fputs("&gt;", file);
            break;
        case '"':
            (void)fputs("&quot;", file);
            break;
        default:
            /* Control bytes are no part of XML. */
            (void)fputc((unsigned char)*text < ' ' ? ' ' : *text, file);
            break;
        }
    }
}

void bench_svg_begin(FILE *file, double width, double height, const char *title)
{
    (void)fprintf(file,
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
                  "viewBox=\"0 0 %.0f %.0f\" role=\"img\">\n<title>",
                  width, height, width, height);
    bench_svg_escape(file, title);
    (void)fprintf(file, "</title>\n<style>%s</style>\n", STYLE);
    (void)fprintf(file, "<rect class=\"g\" width=\"%.0f\" height=\"%.0f\" rx=\"6\"/>\n", width,
                  height);
}

void bench_svg_end(FILE *file)
{
    (void)fputs("</svg>\n", file);
}

void bench_svg_text(FILE *file, double x, double y, enum bench_svg_style style,
                    enum bench_svg_anchor anchor, const char *text)
{
    static const char *const anchors[] = {
        [BENCH_SVG_START] = "start", [BENCH_SVG_MIDDLE] = "middle", [BENCH_SVG_END] = "end"};

    (void)fprintf(file, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">",
                  CLASSES[style], x, y, anchors[anchor]);
    bench_svg_escape(file, text);
    (void)fputs("</text>\n", file);
}

void bench_svg_text_up(FILE *file, double x, double y, const char *text)
{
    (void)fprintf(
        file, "<text text-anchor=\"middle\" transform=\"translate(%.1f %.1f) rotate(-90)\">", x, y);
    bench_svg_escape(file, text);
    (void)fputs("</text>\n", file);
}

void bench_svg_line(FILE *file, double x1, double y1, double x2, double y2,
                    enum bench_svg_style style)
{
    (void)fprintf(file, "<path class=\"%s\" d=\"M%.1f %.1fL%.1f %.1f\"/>\n", CLASSES[style], x1, y1,
                  x2, y2);
}

void bench_svg_path_begin(FILE *file, size_t colour)
{
    (void)fprintf(file, "<polyline class=\"p c c%zu\" points=\"", colour % BENCH_SVG_COLOURS);
}

void bench_svg_path_to(FILE *file, double x, double y)
{
    (void)fprintf(file, "%.1f,%.1f ", x, y);
}

void bench_svg_path_end(FILE *file)
{
    (void)fputs("\"/>\n", file);
}

void bench_svg_whisker(FILE *file, double x1, double y1, double x2, double y2, size_t colour)
{
    (void)fprintf(file, "<path class=\"w c c%zu\" d=\"M%.1f %.1fL%.1f %.1f\"/>\n",
                  colour % BENCH_SVG_COLOURS, x1, y1, x2, y2);
}

void bench_svg_mark(FILE *file, double x, double y, size_t colour)
{
    static const char *const shapes[] = {
        "m-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0 -7 0", /* disc */
        "m-3.2 -3.2h6.4v6.4h-6.4z",                     /* square */
        "m0 -4.2l4.2 7.2h-8.4z",                        /* triangle */
        "m0 -4.4l4.4 4.4l-4.4 4.4l-4.4 -4.4z",          /* diamond */
        "m0 4.2l4.2 -7.2h-8.4z",                        /* triangle, upside down */
    };

    (void)fprintf(file, "<path class=\"f c%zu\" d=\"M%.1f %.1f%sz\"/>\n",
                  colour % BENCH_SVG_COLOURS, x, y,
                  shapes[colour % (sizeof shapes / sizeof shapes[0])]);
}

void bench_svg_bar(FILE *file, double x, double y, double width, double height, size_t colour)
{
    (void)fprintf(file,
                  "<rect class=\"f c%zu\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n",
                  colour % BENCH_SVG_COLOURS, x, y, width, height);
}

double bench_svg_text_width(const char *text)
{
    size_t letters = 0;

    for (; *text != '\0'; text++) {
        letters += ((unsigned char)*text & 0xc0) != 0x80; /* the first byte of each letter */
    }
    return 7.3 * (double)letters; /* of the widest of the fonts that may be there */
}
