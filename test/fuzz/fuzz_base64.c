/* SPDX-License-Identifier: BSD-3-Clause */
/* Any text decodes within its bounds, and what is encoded comes back. */
#include "fuzz.h"
#include "proto/base64.h"

enum { SIZE_MAX_TRIED = 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char bytes[SIZE_MAX_TRIED + 2];
    char text[PROTO_BASE64_SIZE(SIZE_MAX_TRIED)];
    size_t text_size;

    if (size > SIZE_MAX_TRIED) {
        return 0;
    }
    CHECK(proto_base64_parse(bytes, fuzz_slice(data, size)) <= size / 4 * 3);
    text_size = proto_base64_write(text, fuzz_slice(data, size));
    CHECK(text_size == PROTO_BASE64_SIZE(size));
    CHECK(proto_base64_parse(bytes, (struct base_slice){text, text_size}) == size);
    CHECK(size == 0 || memcmp(bytes, data, size) == 0);
    return 0;
}
