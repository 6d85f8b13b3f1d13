// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// The loop's only contact with the world: a clock and a place to wait. Derive from it to run rondo on
// epoll, in a GUI, in a game, or in time of your own making.

#include <rondo/base/config.hpp>

#include <chrono>
#include <optional>

namespace rondo::inline RONDO_ABI {

using duration = std::chrono::steady_clock::duration;
using time_point = std::chrono::steady_clock::time_point;

/// A clock and a place to wait. An event_loop owns one.
class driver {
public:
    driver() = default;
    driver(const driver&) = delete;
    driver& operator=(const driver&) = delete;
    virtual ~driver() = default;

    /// The time. Never goes back.
    virtual time_point now() noexcept = 0;

    /// Waits until `deadline` or until somebody calls wake(), whichever is first; without a deadline, for wake()
    /// alone. May return early: the loop looks again. A deadline that has passed means: look for events, do not wait.
    /// May make tasks ready on the way (resumer::resume, a queue's try_push), and is to return then.
    virtual void wait(std::optional<time_point> deadline) = 0;

    /// Lets a running or else the next wait() return.
    /// Thread: any, also while wait() runs.
    virtual void wake() noexcept = 0;
};

}  // namespace rondo::inline RONDO_ABI
