/* SPDX-License-Identifier: BSD-3-Clause */
/* See output.h. */
#include "server/output.h"

void server_output_end(struct server_output *output)
{
    if (output->at != output->begin) {
        net_stream_wrote(output->stream, (size_t)(output->at - output->begin));
    }
    output->begin = NULL;
    output->at = NULL;
    output->end = NULL;
}

bool server_output_renew(struct server_output *output, size_t size)
{
    server_output_end(output);
    output->begin = net_stream_room(output->stream, size);
    if (output->begin == NULL) {
        return false;
    }
    output->at = output->begin;
    output->end = output->begin + net_stream_room_size(output->stream);
    return true;
}
