// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Looking at a loop from outside: what all its tasks are doing.

#include <rondo/loop/event_loop.hpp>

#include <string>

namespace rondo::inline RONDO_ABI::debug {

/// The tasks of `loop` as a tree: names, the file and line of every co_await, what each waits for, since when, until when, who
/// holds it, and the circles of those that wait for one another; where that is a child of a combinator, or a task without a name,
/// its coroutine in parentheses: "main (transfer)". Needs neither RTTI nor debug information. Times are as exact as the
/// loop's last look at the clock; a wait of more than 49 days looks shorter.
///
///     std::fputs(rondo::debug::dump(loop).c_str(), stderr);
///
/// Thread: the loop's: between runs, in a task, or in a posted function.
/// Throws: std::bad_alloc. Cost: O(n log n) of the frames that are alive.
inline std::string dump(event_loop& loop) { return detail::loop_access::inside(loop).report_tasks(); }

}  // namespace rondo::inline RONDO_ABI::debug
