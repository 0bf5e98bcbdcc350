/* SPDX-License-Identifier: BSD-3-Clause */
#include "show.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/compiler.h"

static char shown[SHOW_SIZE_MAX];
static size_t shown_size;

BASE_PRINTF(1, 2) static void add(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    shown_size +=
        (size_t)vsnprintf(shown + shown_size, sizeof(shown) - shown_size, format, arguments);
    va_end(arguments);
    assert_true(shown_size < sizeof(shown));
}

static void add_slice(const char *name, struct base_slice slice)
{
    add(" %s=%.*s", name, (int)slice.size, slice.data);
}

static void add_number(const char *name, int64_t number)
{
    if (number != 0) {
        add(" %s=%" PRId64, name, number);
    }
}

static void add_unsigned(const char *name, uint64_t number)
{
    if (number != 0) {
        add(" %s=%" PRIu64, name, number);
    }
}

/* One letter for each bit; the last four are the orders of t, T, R and N. */
static void add_flags(uint32_t flags)
{
    static const char letters[] = "bcCEfhklOqstTvuNRIxJDM1234";

    add(" ");
    for (size_t bit = 0; bit < sizeof(letters) - 1; bit++) {
        if ((flags >> bit & 1) != 0) {
            add("%c", letters[bit]);
        }
    }
}

static void add_store(const struct proto_request *request)
{
    static const char *const modes[] = {"SET", "ADD", "REPLACE", "APPEND", "PREPEND", "CAS"};

    add(" %s", modes[request->mode]);
}

/* The fields that an mg may leave as they were when their flag is absent. */
static void show_meta_get(const struct proto_request *request)
{
    add_number("exptime", (request->flags & PROTO_FLAG_TTL_SET) != 0 ? request->exptime : 0);
    add_number("vivify", (request->flags & PROTO_FLAG_VIVIFY) != 0 ? request->vivify_exptime : 0);
    add_number("recache",
               (request->flags & PROTO_FLAG_RECACHE) != 0 ? request->recache_below_s : 0);
    add_unsigned("cas", (request->flags & PROTO_FLAG_CAS_COMPARE) != 0 ? request->cas : 0);
    add_unsigned("assign", (request->flags & PROTO_FLAG_CAS_ASSIGN) != 0 ? request->cas_assign : 0);
}

static void show_meta(const struct proto_request *request)
{
    if (request->op == PROTO_OP_STORE) {
        add_store(request);
    }
    add("%s", request->op != PROTO_OP_GET && request->decrement ? " decrement" : "");
    add_flags(request->flags);
    if (request->op == PROTO_OP_NOOP) {
        return;
    }
    add_slice("key", request->key);
    if (request->return_count > 0) {
        add_slice("returns", (struct base_slice){request->returns, request->return_count});
    }
    if (request->opaque_size > 0) {
        add_slice("opaque", (struct base_slice){request->opaque, request->opaque_size});
    }
    if (request->op == PROTO_OP_GET) {
        show_meta_get(request);
        return;
    }
    add_number("exptime", request->exptime);
    add_number("vivify", request->vivify_exptime);
    add_number("recache", request->recache_below_s);
    add_unsigned("cas", request->cas);
    add_unsigned("assign", request->cas_assign);
    add_unsigned("delta", request->delta - 1);
    add_unsigned("initial", request->initial);
    add_unsigned("flags", request->client_flags);
    add_unsigned("size", request->value_size);
}

static void show_text(const struct proto_request *request)
{
    switch ((int)request->op) {
    case PROTO_OP_GET:
        add_flags(request->flags);
        add_slice("key", request->key);
        add_slice("keys", request->keys);
        if ((request->flags & PROTO_FLAG_TTL_SET) != 0) {
            add(" exptime=%" PRId64, request->exptime);
        }
        break;
    case PROTO_OP_STORE:
        add_store(request);
        add_slice("key", request->key);
        add(" flags=%" PRIu32 " exptime=%" PRId64 " size=%" PRIu64, request->client_flags,
            request->exptime, request->value_size);
        add_unsigned("cas", request->cas);
        break;
    case PROTO_OP_DELETE:
        add_slice("key", request->key);
        break;
    case PROTO_OP_ARITH:
        add_slice("key", request->key);
        add(" delta=%s%" PRIu64, request->decrement ? "-" : "", request->delta);
        break;
    case PROTO_OP_TOUCH:
        add_slice("key", request->key);
        add(" exptime=%" PRId64, request->exptime);
        break;
    case PROTO_OP_FLUSH_ALL:
        add(" exptime=%" PRId64, request->exptime);
        break;
    case PROTO_OP_VERBOSITY:
    case PROTO_OP_CACHE_MEMLIMIT:
        add(" delta=%" PRIu64, request->delta);
        break;
    default:
        add(" [%.*s]", (int)request->arguments.size, request->arguments.data);
    }
    add("%s", request->noreply ? " noreply" : "");
    add("%s", request->keys_continue ? " continue" : "");
}

const char *show_parse(struct base_slice input, size_t *ret_consumed)
{
    struct proto_request request;
    enum proto_error error = PROTO_ERROR_COUNT;
    uint64_t swallow = 77;

    shown_size = 0;
    memset(&request, 0x5a, sizeof(request)); /* the parser must not trust what was there */
    switch (proto_text_parse(input, &request, ret_consumed, &error, &swallow)) {
    case PROTO_DONE:
        assert_int_equal(swallow, 0);
        assert_false(request.keys_continued || request.keys_refused);
        add("%s%s", request.dialect == PROTO_META ? "meta " : "", proto_op_name(request.op));
        if (request.dialect == PROTO_META) {
            show_meta(&request);
        } else {
            assert_int_equal(request.return_count, 0);
            show_text(&request);
        }
        break;
    case PROTO_MORE:
        assert_int_equal(*ret_consumed, 0);
        return "MORE";
    case PROTO_BAD:
        add("%s", proto_error_name(error));
        add_unsigned("swallow", swallow);
        break;
    case PROTO_CLOSE:
        return "CLOSE";
    }
    return shown;
}

static void check_row(const struct show_row *row, const char *newline, const char *behind)
{
    char input[SHOW_SIZE_MAX];
    const size_t size = strlen(row->line) + strlen(newline);
    const char *result;
    size_t consumed = 0;

    assert_true(size + strlen(behind) < sizeof(input));
    (void)snprintf(input, sizeof(input), "%s%s%s", row->line, newline, behind);
    result = show_parse((struct base_slice){input, size + strlen(behind)}, &consumed);
    if (strcmp(result, row->expected) != 0) {
        fail_msg("`%s`: %s, not %s", row->line, result, row->expected);
    }
    if (strcmp(result, "CLOSE") != 0) {
        assert_int_equal(consumed, size);
    }
}

static void check_prefixes(const struct show_row *row)
{
    const size_t size = strlen(row->line);

    for (size_t i = 0; i <= size && i <= BASE_REQUEST_LINE_MAX; i++) {
        size_t consumed = 1;

        assert_string_equal(show_parse((struct base_slice){row->line, i}, &consumed), "MORE");
    }
}

void show_check_rows(const struct show_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        check_row(&rows[i], "\r\n", "");
        check_row(&rows[i], "\n", "");
        check_row(&rows[i], "\r\n", "get other\r\n");
        check_row(&rows[i], "\r\n", "get others, so that the line is far from the input's end\r\n");
        check_row(&rows[i], "\n", "\r\n\0\n");
        check_prefixes(&rows[i]);
    }
}
