// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Looking at coroutine frames from tests: how many live, and what happens when there is no memory for one.

#include <rondo/core/detail/frame_pool.hpp>

#include <cstddef>

namespace rondo::inline RONDO_ABI::testing {

/// The frames, and records of spawned tasks, of this thread that are alive: zero when nothing has leaked. A frame that
/// the compiler has made part of its caller's is none.
inline std::size_t live_frames() noexcept { return detail::frame_pool::of_this_thread().live(); }

/// While it lives, the `nth` allocation of a frame from its construction on (1: the next one) throws
/// std::bad_alloc, once, on this thread.
class [[nodiscard("it works while it lives")]] fail_frame_allocation {
public:
    explicit fail_frame_allocation(std::size_t nth) noexcept { detail::frame_pool::of_this_thread().fail_at(nth); }
    fail_frame_allocation(const fail_frame_allocation&) = delete;
    fail_frame_allocation& operator=(const fail_frame_allocation&) = delete;
    ~fail_frame_allocation() {
        if (!happened()) detail::frame_pool::of_this_thread().fail_at(0);
    }

    /// Whether there was an nth allocation.
    bool happened() const noexcept { return detail::frame_pool::of_this_thread().failure_in() == 0; }
};

}  // namespace rondo::inline RONDO_ABI::testing
