/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names of requests and words of errors, from the .def tables; and a request's own copy.
 * Constant data and pure functions; any thread.
 */
#include "proto/request.h"

#include "base/check.h"

struct error_row {
    const char *name;
    struct base_slice line;
};

static const struct error_row error_rows[PROTO_ERROR_COUNT] = {
    [PROTO_ERROR_NONE] = {"NONE", {"", 0}},
#define PROTO_ERROR(name, status, line, about)                                                     \
    [PROTO_ERROR_##name] = {#name, {line "\r\n", sizeof(line "\r\n") - 1}},
#include "proto/errors.def"
#undef PROTO_ERROR
};

static const char *const op_names[PROTO_OP_COUNT] = {
#define PROTO_OP(name, about) [PROTO_OP_##name] = #name,
#include "proto/ops.def"
#undef PROTO_OP
};

struct base_slice proto_error_line(enum proto_error error)
{
    CHECK(error < PROTO_ERROR_COUNT);
    return error_rows[error].line;
}

const char *proto_error_name(enum proto_error error)
{
    CHECK(error < PROTO_ERROR_COUNT);
    return error_rows[error].name;
}

const char *proto_op_name(enum proto_op op)
{
    CHECK(op < PROTO_OP_COUNT);
    return op_names[op];
}

void proto_request_keep(struct proto_request *ret_copy, const struct proto_request *request)
{
    CHECK(request->key.size <= BASE_KEY_SIZE_MAX);
    *ret_copy = *request;
    if (request->key.size != 0) {
        memmove(ret_copy->key_bytes, request->key.data, request->key.size);
    }
    ret_copy->key.data = ret_copy->key_bytes;
    ret_copy->keys = (struct base_slice){0};
    ret_copy->arguments = (struct base_slice){0};
}
