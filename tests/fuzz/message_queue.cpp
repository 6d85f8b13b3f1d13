// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// Operations on a message_queue.

#include <support/queue_model.hpp>

#include <rondo/rondo.hpp>

#include <cstddef>
#include <cstdint>
#include <fuzz/judge.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    using world = support::queue_model::world<rondo::message_queue<support::queue_model::message>>;
    fuzz::judge<world>(support::choices(bytes, size));
    return 0;
}
