// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Starting a task that runs beside the one that starts it: asyncio.create_task.

#include <rondo/loop/event_loop.hpp>

#include <source_location>
#include <string_view>
#include <type_traits>
#include <utility>

namespace rondo::inline RONDO_ABI {

/// event_loop::spawn on the current loop: starts `t` on the next round, as a task of its own.
/// Throws: std::logic_error when no loop is running on this thread, or for an empty task; std::bad_alloc.
template <class T>
join_handle<T> spawn(task<T>&& t, std::string_view name = {},
                     std::source_location where = std::source_location::current()) {
    return event_loop::current(where).spawn(std::move(t), name);
}

/// The same for the task that `f(args...)` returns; `f` and `args` are copied or moved into the task's frame
/// (std::ref(x) passes a reference).
template <class F, class... Args>
    requires detail::makes_task<F, Args...>
auto spawn(F f, Args... args) {
    return event_loop::current(std::source_location()).spawn(std::move(f), std::move(args)...);
}

template <class F, class... Args>
    requires detail::makes_no_task<F, Args...>
auto spawn(F&&, Args&&...) {
    return detail::explain_spawn<F>();
}

}  // namespace rondo::inline RONDO_ABI
