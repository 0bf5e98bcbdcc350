/* SPDX-License-Identifier: BSD-3-Clause */
/* An engine module: the built-in one behind the symbol that a host looks for. */
#include <larder/engine.h>

#include "engine/segment/segment.h"

__attribute__((visibility("default"))) const struct larder_engine_ops *
larder_engine_entry(uint32_t host_abi_major, uint32_t host_abi_minor)
{
    return segment_engine_entry(host_abi_major, host_abi_minor);
}
