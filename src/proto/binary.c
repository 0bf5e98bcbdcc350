/* SPDX-License-Identifier: BSD-3-Clause */
/* The binary protocol's requests: one packet to one struct proto_request. See binary.h. */
#include "proto/binary.h"

#include <endian.h>

#include "base/compiler.h"

enum form_key { NO_KEY, KEY, MAY_KEY };

/* The one form of an opcode's request. */
struct form {
    const char *name; /* NULL: no such opcode */
    enum proto_op op;
    bool quiet;
    bool has_value;
    uint8_t extras_size;
    uint8_t key; /* enum form_key */
    uint32_t variant;
};

#define LOUD  false
#define QUIET true
#define BARE  false
#define VALUE true

static const struct form FORMS[PROTO_BINARY_OPCODE_COUNT] = {
#define PROTO_BINARY_OPCODE(number, name, op, quiet, extras, key, value, variant, about)           \
    [number] = {#name, PROTO_OP_##op, quiet, value, extras, key, variant},
#include "proto/binary.def"
#undef PROTO_BINARY_OPCODE
};

static uint16_t read_16(const char *bytes)
{
    uint16_t number;

    memcpy(&number, bytes, sizeof(number));
    return be16toh(number);
}

static uint32_t read_32(const char *bytes)
{
    uint32_t number;

    memcpy(&number, bytes, sizeof(number));
    return be32toh(number);
}

static uint64_t read_64(const char *bytes)
{
    uint64_t number;

    memcpy(&number, bytes, sizeof(number));
    return be64toh(number);
}

struct proto_binary_header proto_binary_read_header(const char *bytes)
{
    return (struct proto_binary_header){
        .magic = (uint8_t)bytes[0],
        .opcode = (uint8_t)bytes[1],
        .key_size = read_16(bytes + 2),
        .extras_size = (uint8_t)bytes[4],
        .data_type = (uint8_t)bytes[5],
        .status = read_16(bytes + 6),
        .body_size = read_32(bytes + 8),
        .opaque = read_32(bytes + 12),
        .cas = read_64(bytes + 16),
    };
}

const char *proto_binary_opcode_name(uint8_t opcode)
{
    return opcode < PROTO_BINARY_OPCODE_COUNT ? FORMS[opcode].name : NULL;
}

static enum proto_parse refuse(struct proto_binary_refusal *refusal, enum proto_error error)
{
    *refusal = (struct proto_binary_refusal){.error = error, .closes = true};
    return PROTO_BAD;
}

/* The sizes of the parts, as the opcode wants them. */
static bool has_form(const struct proto_binary_header *header, const struct form *form)
{
    const uint32_t value_size = header->body_size - header->key_size - header->extras_size;
    const bool bare_flush = form->op == PROTO_OP_FLUSH_ALL && header->extras_size == 0;

    return (header->extras_size == form->extras_size || bare_flush) &&
           (form->key == KEY ? header->key_size > 0
                             : form->key == MAY_KEY || header->key_size == 0) &&
           (form->has_value || value_size == 0);
}

static void take_number(const char *extras, struct proto_request *request)
{
    request->delta = read_64(extras);
    request->initial = read_64(extras + 8);
    request->vivify_exptime = read_32(extras + 16);
    if (request->vivify_exptime != UINT32_MAX) { /* all ones: do not create */
        request->flags |= PROTO_FLAG_VIVIFY;
    }
}

/* What the opcode is a variant of, and the numbers in front of the key. */
static void take_variant(const struct form *form, const char *extras, size_t extras_size,
                         struct proto_request *request)
{
    if (form->op == PROTO_OP_STORE) {
        request->mode = (enum proto_store_mode)form->variant;
        request->client_flags = extras_size > 0 ? read_32(extras) : 0;
        request->exptime = extras_size > 0 ? read_32(extras + 4) : 0;
    } else if (form->op == PROTO_OP_ARITH) {
        request->decrement = form->variant != 0;
        take_number(extras, request);
    } else if (form->op == PROTO_OP_VERBOSITY) {
        request->delta = read_32(extras);
    } else { /* times are unsigned here: the past is a time before the server's */
        request->flags |= form->variant;
        request->exptime = extras_size > 0 ? read_32(extras) : 0;
    }
}

static void fill(const struct form *form, const struct proto_binary_header *header,
                 const char *body, struct proto_request *request)
{
    request->flags = form->quiet ? (uint32_t)PROTO_FLAG_QUIET : 0;
    if (!form->quiet || form->op == PROTO_OP_GET) {
        request->flags |= PROTO_FLAG_CAS_RETURN;
    }
    request->cas = header->cas;
    if (header->cas != 0) {
        request->flags |= PROTO_FLAG_CAS_COMPARE;
    }
    request->key = (struct base_slice){body + header->extras_size, header->key_size};
    request->keys = request->key;
    request->arguments = request->key; /* of STAT: the group */
    request->value_size = header->body_size - header->key_size - header->extras_size;
    take_variant(form, body, header->extras_size, request);
}

enum proto_parse proto_binary_parse(struct base_slice input, struct proto_request *ret_request,
                                    size_t *ret_consumed, struct proto_binary_refusal *ret_refusal)
{
    if (input.size > 0 && (uint8_t)input.data[0] != PROTO_BINARY_REQUEST_MAGIC) {
        return PROTO_CLOSE;
    }
    if (input.size < PROTO_BINARY_HEADER_SIZE) {
        return PROTO_MORE;
    }
    const struct proto_binary_header header = proto_binary_read_header(input.data);
    const size_t start = (size_t)header.extras_size + header.key_size;
    const struct form *form =
        header.opcode < PROTO_BINARY_OPCODE_COUNT ? &FORMS[header.opcode] : NULL;
    const bool is_known = form != NULL && form->name != NULL;

    proto_request_start(ret_request, PROTO_BINARY, is_known ? form->op : PROTO_OP_NOOP);
    ret_request->binary_opcode = header.opcode;
    ret_request->binary_opaque = header.opaque;
    ret_request->vbucket = header.status;
    *ret_consumed = PROTO_BINARY_HEADER_SIZE;
    if (BASE_UNLIKELY(start > header.body_size)) {
        return refuse(ret_refusal, PROTO_ERROR_UNKNOWN);
    }
    if (BASE_UNLIKELY(header.body_size > BASE_ITEM_SIZE_MAX ||
                      header.key_size > BASE_KEY_SIZE_MAX)) {
        return refuse(ret_refusal, PROTO_ERROR_BAD_FORMAT);
    }
    if (BASE_UNLIKELY(!is_known)) {
        *ret_refusal = (struct proto_binary_refusal){.error = PROTO_ERROR_UNKNOWN,
                                                     .swallow = header.body_size};
        return PROTO_BAD;
    }
    if (BASE_UNLIKELY(!has_form(&header, form))) {
        return refuse(ret_refusal, PROTO_ERROR_BAD_FORMAT);
    }
    if (input.size - PROTO_BINARY_HEADER_SIZE < start) {
        return PROTO_MORE;
    }
    fill(form, &header, input.data + PROTO_BINARY_HEADER_SIZE, ret_request);
    *ret_consumed = PROTO_BINARY_HEADER_SIZE + start;
    return PROTO_DONE;
}
