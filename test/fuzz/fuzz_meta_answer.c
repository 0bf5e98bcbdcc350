/* SPDX-License-Identifier: BSD-3-Clause */
/* Replies of the meta protocol, one after the other. */
#include "fuzz.h"
#include "proto/meta.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct base_slice input = fuzz_slice(data, size);

    for (;;) {
        struct proto_meta_answer answer;
        size_t consumed = 0;
        const enum proto_parse result = proto_meta_parse_answer(input, &answer, &consumed);

        CHECK(result != PROTO_BAD);
        if (result != PROTO_DONE) {
            CHECK(result == PROTO_CLOSE || input.size <= BASE_REQUEST_LINE_MAX);
            return 0;
        }
        CHECK(consumed >= 4 && consumed <= input.size && input.data[consumed - 1] == '\n');
        CHECK(fuzz_is_inside(answer.flags, (struct base_slice){input.data, consumed - 2}));
        CHECK(answer.value_size <= BASE_ITEM_SIZE_MAX);
        CHECK(answer.is_error == (answer.code[0] == '\0'));
        input.data += consumed;
        input.size -= consumed;
    }
}
