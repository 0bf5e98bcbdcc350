/* SPDX-License-Identifier: BSD-3-Clause */
/* The segment engine's one public symbol; what it is: doc/design/0006-segment-engine.md. */
#ifndef LARDER_ENGINE_SEGMENT_SEGMENT_H
#define LARDER_ENGINE_SEGMENT_SEGMENT_H

#include <larder/engine.h>

/* The built-in form of larder_engine_entry(). */
const struct larder_engine_ops *segment_engine_entry(uint32_t host_abi_major,
                                                     uint32_t host_abi_minor);

#endif
