// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// What run throws when the tasks that are left wait for one another.

#include <rondo/base/config.hpp>

#include <stdexcept>
#include <string>

namespace rondo::inline RONDO_ABI {

/// Nothing is ready, no timer is set, nothing outside is under way, and tasks still wait. what() lists
/// them: the name that spawn was given, and for each co_await up the chain its file, line and what it waits for;
/// and tasks that have failed without being joined, for one of them may be the cause.
class deadlock_error : public std::runtime_error {
public:
    explicit deadlock_error(const std::string& report) : std::runtime_error(report) {}
};

}  // namespace rondo::inline RONDO_ABI
