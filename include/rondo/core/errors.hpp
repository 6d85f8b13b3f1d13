// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// The exceptions of the library. All derive from std::runtime_error; misuse throws std::logic_error or
// std::invalid_argument instead.

#include <rondo/base/config.hpp>

#include <stdexcept>

namespace rondo::inline RONDO_ABI {

/// The task that was waited for has been cancelled, or the loop was stopped. A cancelled task itself never
/// sees this: its frames are destroyed where it waits. Leaving a task it is an ordinary failure.
class cancelled : public std::runtime_error {
public:
    cancelled() : std::runtime_error("rondo: the task was cancelled") {}
};

/// An operation did not end within its time.
class timeout_error : public std::runtime_error {
public:
    timeout_error() : std::runtime_error("rondo: the operation timed out") {}
};

/// A push met a closed queue. The value that was to be pushed is as it was.
class queue_closed : public std::runtime_error {
public:
    queue_closed() : std::runtime_error("rondo: push to a closed queue") {}
};

/// The last copy of a callback was dropped without being called.
class callback_dropped : public std::runtime_error {
public:
    callback_dropped() : std::runtime_error("rondo: the callback was dropped without being called") {}
};

}  // namespace rondo::inline RONDO_ABI
