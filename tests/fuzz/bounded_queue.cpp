// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// Operations on a bounded_queue: its two models, by the first byte.

#include <support/queue_model.hpp>

#include <rondo/rondo.hpp>

#include <cstddef>
#include <cstdint>
#include <fuzz/judge.hpp>
#include <queue/bounded_queue_model.hpp>
#include <utility>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    using races = support::queue_model::world<rondo::bounded_queue<support::queue_model::message>>;
    support::choices c(bytes, size);
    if (c.pick(2) == 0)
        fuzz::judge<bounded_queue_model::world>(std::move(c));
    else
        fuzz::judge<races>(std::move(c));
    return 0;
}
