/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * -h and -i. The help is printed from the rows of config.def and from nothing else.
 */
#include "server/help.h"

#include <stdbool.h>
#include <string.h>

#include "server/config.h"

enum {
    HELP_COLUMN = 26, /* where the explanation begins, as in memcached's help */
    HELP_WIDTH = 78,  /* of the list of names */
    LABEL_MAX = 64,   /* bytes of the left column */
};

/* "-m, --memory-limit=<num>", "    --loop=<name>" or "   - idle_timeout:" */
static void write_label(const struct base_option *row, char label[LABEL_MAX])
{
    const char *equals = row->argument != NULL ? "=" : "";
    const char *argument = row->argument != NULL ? row->argument : "";

    if (row->in_group) {
        (void)snprintf(label, LABEL_MAX, "   - %s:", row->name);
    } else if (row->letter == 0) {
        (void)snprintf(label, LABEL_MAX, "    --%s%s%s", row->name, equals, argument);
    } else {
        (void)snprintf(label, LABEL_MAX, "-%c, --%s%s%s", row->letter, row->name, equals, argument);
    }
}

static void write_row(const struct base_option *row, FILE *out)
{
    const bool is_bool = row->kind == BASE_OPTION_ON || row->kind == BASE_OPTION_OFF;
    char label[LABEL_MAX];

    write_label(row, label);
    (void)fprintf(out, "%-*s ", HELP_COLUMN - 1, label);
    for (const char *line = row->help; *line != '\0';) {
        const size_t size = strcspn(line, "\n");

        (void)fprintf(out, "%.*s", (int)size, line);
        line += size;
        if (*line == '\n') {
            (void)fprintf(out, "\n%*s", HELP_COLUMN, "");
            line++;
        }
    }
    if (row->preset != NULL && !is_bool) {
        (void)fprintf(out, " (default: %s)", row->preset);
    }
    (void)fputc('\n', out);
}

static bool is_listed(const struct base_option *row, bool in_group)
{
    return row->ignored && !row->hidden && row->in_group == in_group;
}

static void write_ignored(size_t row_count, const struct base_option *rows, bool in_group,
                          FILE *out)
{
    int column = HELP_WIDTH;

    for (size_t i = 0; i < row_count; i++) {
        const int size = (int)strlen(rows[i].name) + (in_group ? 1 : 7);

        if (!is_listed(&rows[i], in_group)) {
            continue;
        }
        if (column + size > HELP_WIDTH) {
            column = fprintf(out, "\n  ") - 1;
        }
        if (in_group) {
            (void)fprintf(out, " %s", rows[i].name);
        } else {
            (void)fprintf(out, " -%c, --%s", rows[i].letter, rows[i].name);
        }
        column += size;
    }
}

void server_help_write(size_t row_count, const struct base_option *rows, FILE *out)
{
    (void)fprintf(out, "%s %s\n", SERVER_NAME, SERVER_VERSION);
    for (size_t i = 0; i < row_count; i++) {
        if (rows[i].help != NULL) {
            write_row(&rows[i], out);
        }
    }
    (void)fprintf(out, "\nAccepted for compatibility with memcached, without effect:");
    write_ignored(row_count, rows, false, out);
    (void)fprintf(out, "\nand after -o:");
    write_ignored(row_count, rows, true, out);
    (void)fputc('\n', out);
}

void server_help_write_license(FILE *out)
{
    static const char text[] =
        "Copyright (c) 2026, the Larder authors\n"
        "All rights reserved.\n"
        "\n"
        "Redistribution and use in source and binary forms, with or without\n"
        "modification, are permitted provided that the following conditions are met:\n"
        "\n"
        "1. Redistributions of source code must retain the above copyright notice, this\n"
        "   list of conditions and the following disclaimer.\n"
        "\n"
        "2. Redistributions in binary form must reproduce the above copyright notice,\n"
        "   this list of conditions and the following disclaimer in the documentation\n"
        "   and/or other materials provided with the distribution.\n"
        "\n"
        "3. Neither the name of the copyright holder nor the names of its contributors\n"
        "   may be used to endorse or promote products derived from this software\n"
        "   without specific prior written permission.\n"
        "\n"
        "THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS \"AS IS\"\n"
        "AND ANY EXPRESS OR IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE\n"
        "IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE\n"
        "DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT HOLDER OR CONTRIBUTORS BE LIABLE\n"
        "FOR ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL\n"
        "DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR\n"
        "SERVICES; LOSS OF USE, DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER\n"
        "CAUSED AND ON ANY THEORY OF LIABILITY, WHETHER IN CONTRACT, STRICT LIABILITY,\n"
        "OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE\n"
        "OF THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.\n";

    (void)fprintf(out, "%s %s\n\n%s", SERVER_NAME, SERVER_VERSION, text);
}
