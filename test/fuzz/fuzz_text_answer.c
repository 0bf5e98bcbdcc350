/* SPDX-License-Identifier: BSD-3-Clause */
/* Replies of the text protocol, one after the other. */
#include "fuzz.h"
#include "proto/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct base_slice input = fuzz_slice(data, size);

    for (;;) {
        struct proto_answer answer;
        size_t consumed = 0;
        const enum proto_parse result = proto_text_parse_answer(input, &answer, &consumed);

        CHECK(result != PROTO_BAD);
        if (result != PROTO_DONE) {
            CHECK(result == PROTO_CLOSE || input.size <= BASE_REQUEST_LINE_MAX);
            return 0;
        }
        CHECK(consumed >= 3 && consumed <= input.size && input.data[consumed - 1] == '\n');
        CHECK(fuzz_is_inside(answer.key, (struct base_slice){input.data, consumed - 2}));
        CHECK(fuzz_is_inside(answer.text, (struct base_slice){input.data, consumed - 2}));
        CHECK(answer.value_size <= BASE_ITEM_SIZE_MAX);
        CHECK(answer.kind != PROTO_ANSWER_VALUE ||
              (answer.key.size >= 1 && answer.key.size <= BASE_KEY_SIZE_MAX));
        CHECK(proto_text_parse_answer((struct base_slice){input.data, consumed - 1}, &answer,
                                      &consumed) != PROTO_DONE);
        input.data += consumed;
        input.size -= consumed;
    }
}
