// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// The way into rondo: asyncio.run.

#include <rondo/base/misuse.hpp>
#include <rondo/loop/event_loop.hpp>

#include <memory>
#include <source_location>
#include <utility>

namespace rondo::inline RONDO_ABI {

/// Runs `main` on a new loop until it has ended, then cancels the tasks that are left, waits for those that cannot
/// be withdrawn, and returns the result. Where the run is cut short (stop, deadlock, failure) the spawned tasks,
/// which may refer to locals of `main`, are cancelled before it.
///
///     int main() { return rondo::run(serve()); }
///
/// Throws: what `main` throws; `cancelled` after stop(); deadlock_error; the first exception of a spawned task
///         that no handle can deliver; std::logic_error inside a running loop, or for an empty task.
template <class T>
T run(task<T>&& main, std::source_location where = std::source_location::current()) {
    return detail::run_on(std::make_unique<default_driver>(), std::move(main), where);
}
template <class... Others>
    requires(sizeof...(Others) != 1 || (detail::not_a_task_to_run<Others> && ...))
auto run(Others&&...) {
    return detail::explain_run<Others...>();
}

}  // namespace rondo::inline RONDO_ABI
