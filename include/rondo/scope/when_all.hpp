// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Doing several things at once and waiting for all of them: asyncio.gather. When one fails the others are
// cancelled; to see each outcome instead take when_all_settled.

#include <rondo/scope/detail/gather.hpp>

#include <utility>

namespace rondo::inline RONDO_ABI {

/// `co_await when_all(a, b, ...)`: runs tasks and other awaitables side by side until all have ended, and gives their
/// results as a std::tuple, in the order of the arguments: std::monostate in place of void, a std::reference_wrapper for a reference; nothing
/// at all when every result is void. Nothing starts before it is awaited.
///
///     auto [user, posts] = co_await when_all(load_user(id), load_posts(id));
///
/// Suspends: unless all end without waiting. Children start in order, each running to where it first waits;
///           after one that fails at once, later ones are not started.
/// Resumes:  in the step in which the last child ends; when that one was cancelled, or is an operation rather than a task, on a later step.
/// Cancel:   cancels the children, and waits for those that cannot be withdrawn.
/// Throws:   the first exception of a child, after the others were cancelled and have ended; later ones go
///           to on_unhandled_exception. std::logic_error for an empty task.
/// Lifetime: children may refer to the caller's locals. An operation such as q.pop() is granted in its turn, and its value
///           taken when the caller resumes; if a sibling fails, it goes back.
/// Cost:     no allocation but the tasks' frames. A combinator among the arguments runs in a frame of its own.
template <class... Awaitables>
[[nodiscard("co_await it")]] auto when_all(Awaitables&&... awaitables) {
    static_assert((detail::called<Awaitables> && ...),
                  "rondo: a function is called first: when_all(f(), ...), with parentheses");
    static_assert((awaitable<Awaitables> && ...),
                  "rondo: when_all takes what can be awaited, and consumes tasks: when_all(std::move(t), ...), "
                  "when_all(std::move(vector))");
    return detail::gathering_each<detail::failures::throw_first, Awaitables...>(
        std::in_place, std::forward<Awaitables>(awaitables)...);
}

/// The same for a range of tasks: gives a std::vector of the results, in the range's order; nothing for task<>.
/// The range is a view that makes tasks, or a container given up with std::move. None: completes at once.
/// Cost: also one vector for the children, and one for the results.
template <detail::task_range Range>
[[nodiscard("co_await it")]] auto when_all(Range&& tasks) {
    return detail::gather_tasks<detail::failures::throw_first>(std::forward<Range>(tasks));
}

}  // namespace rondo::inline RONDO_ABI
