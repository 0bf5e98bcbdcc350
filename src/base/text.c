/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes made printable: see text.h. */
#include "base/text.h"

static bool is_unreserved(unsigned char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '-' || byte == '.' || byte == '_' || byte == '~';
}

size_t base_text_uri_encode(char *out, size_t room, struct base_slice bytes)
{
    static const char digits[16] = "0123456789ABCDEF";
    size_t size = 0;

    for (size_t i = 0; i < bytes.size; i++) {
        const unsigned char byte = (unsigned char)bytes.data[i];
        const size_t needed = is_unreserved(byte) ? 1 : BASE_TEXT_URI_GROWTH;

        if (room - size < needed) {
            break;
        }
        if (needed == 1) {
            out[size] = (char)byte;
        } else {
            out[size] = '%';
            out[size + 1] = digits[byte >> 4];
            out[size + 2] = digits[byte & 15];
        }
        size += needed;
    }
    return size;
}
