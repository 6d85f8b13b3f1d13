// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Doing several things at once and taking the first that ends; the others are cancelled.

#include <rondo/scope/detail/race.hpp>

#include <utility>

namespace rondo::inline RONDO_ABI {

/// `co_await when_any(a, b, ...)`: runs tasks and other awaitables side by side until the first one ends, cancels the others, and
/// waits until they are gone. Gives a std::variant whose index() tells the winner: std::monostate in place of void, a
/// std::reference_wrapper for a reference.
///
///     auto first = co_await when_any(inbox.pop(), stop.wait());
///     if (first.index() == 0) handle(std::get<0>(first));
///
/// Suspends: unless one ends without waiting. Children start in order, each running to where it first waits; after one that ends at
///           once, later ones are not started.
/// Resumes:  once it has suspended: on a later step when there were others to cancel, else in the step in which the winner ends.
/// Cancel:   cancels the children, and waits for those that cannot be withdrawn.
/// Throws:   the winner's exception: a failure wins, too. Exceptions of losers, which end later, go to on_unhandled_exception.
///           std::logic_error for an empty task.
/// Lifetime: children may refer to the caller's locals. What a losing operation has been granted (a message, a lock, a permit) goes
///           back; the winner's value is taken when the caller resumes. What a losing task had taken dies with its locals.
/// Cost:     no allocation but the tasks' frames. A combinator among the arguments runs in a frame of its own.
template <class... Awaitables>
[[nodiscard("co_await it")]] auto when_any(Awaitables&&... awaitables) {
    static_assert(sizeof...(Awaitables) != 0, "rondo: when_any of nothing would never end");
    static_assert((detail::called<Awaitables> && ...),
                  "rondo: a function is called first: when_any(f(), ...), with parentheses");
    static_assert((awaitable<Awaitables> && ...),
                  "rondo: when_any takes what can be awaited, and consumes tasks: when_any(std::move(t), ...), "
                  "when_any(std::move(vector))");
    return detail::combining<detail::race_each<Awaitables...>, Awaitables...>(std::in_place,
                                                                              std::forward<Awaitables>(awaitables)...);
}

/// The same for a range of tasks, of which the first to end wins.
/// Throws: std::invalid_argument for an empty range.
/// Cost:   also one vector for the children.
template <detail::task_range Range>
[[nodiscard("co_await it")]] auto when_any(Range&& tasks) {
    return detail::race_tasks(std::forward<Range>(tasks));
}

/// What when_any gives for a range of tasks.
template <class T>
class any_result {
public:
    any_result(std::size_t i, detail::element_t<T> v) : index(i), value(std::move(v)) {}

    std::size_t index;           // of the winner in the range
    detail::element_t<T> value;  // std::monostate for void, a std::reference_wrapper for a reference
};

}  // namespace rondo::inline RONDO_ABI
