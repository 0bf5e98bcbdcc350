/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Base64 (RFC 4648, the standard alphabet), as meta keys are sent. Private to proto. Pure.
 */
#ifndef LARDER_PROTO_BASE64_H
#define LARDER_PROTO_BASE64_H

#include <stddef.h>

#include "base/slice.h"

/* Bytes that `size` bytes become, padding included. */
#define PROTO_BASE64_SIZE(size) (((size) + 2) / 3 * 4)

/* Writes PROTO_BASE64_SIZE(bytes.size) letters, without a NUL; returns their number. */
size_t proto_base64_write(char *out, struct base_slice bytes);

/*
 * As lenient as memcached: letters outside the alphabet are passed over and what stands behind the
 * padding is ignored; but the letters, '=' among them, must come in fours.
 * out  room for text.size / 4 * 3 bytes; may not overlap
 * Returns the bytes written, 0 when the text is not base64.
 */
size_t proto_base64_parse(char *out, struct base_slice text);

#endif
