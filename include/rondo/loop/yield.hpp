// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Letting others go first.

#include <rondo/core/awaitable.hpp>

namespace rondo::inline RONDO_ABI {

namespace detail {

class yield_awaiter {
public:
    static constexpr bool only_yields = true;

    yield_awaiter() noexcept = default;

    bool await_ready() const noexcept { return false; }
    void await_suspend(waker w) const noexcept { w.wake_next_round(); }
    void await_resume() const noexcept {}
    bool await_cancel() const noexcept { return true; }
    wait_info await_describe() const noexcept { return yielded::wait().describe(); }
};

class [[nodiscard("co_await it")]] yielding {
public:
    yielding() noexcept = default;
    auto operator co_await() const noexcept { return yield_awaiter(); }
};

}  // namespace detail

/// `co_await yield()`: goes on behind everything that is ready now, in the next round. Timers and posts come in between.
/// Suspends: always. Cancel: leaves the ready list. Cost: no allocation.
/// (Where a macro has taken the name: `co_await (rondo::yield)()`.)
[[nodiscard("co_await it")]] inline auto(yield)() noexcept { return detail::yielding(); }

}  // namespace rondo::inline RONDO_ABI
