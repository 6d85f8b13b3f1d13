// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Doing several things at once and seeing how each ended: gather(return_exceptions=True), with types.

#include <rondo/scope/detail/gather.hpp>

#include <utility>

namespace rondo::inline RONDO_ABI {

/// `co_await when_all_settled(a, b, ...)`: as when_all, but a failure is an outcome like others: nobody is
/// cancelled for it, and it never throws for a child. Gives a std::tuple of outcome<T>.
///
///     auto [user, posts] = co_await when_all_settled(load_user(id), load_posts(id));
///     if (!posts.has_value()) log(posts.error());
///
/// Suspends, Resumes, Cancel, Lifetime, Cost: as when_all. When the caller is cancelled, exceptions of children that had
/// failed by then go to on_unhandled_exception.
template <class... Awaitables>
[[nodiscard("co_await it")]] auto when_all_settled(Awaitables&&... awaitables) {
    static_assert((detail::called<Awaitables> && ...),
                  "rondo: a function is called first: when_all_settled(f(), ...), with parentheses");
    static_assert(
        (awaitable<Awaitables> && ...),
        "rondo: when_all_settled takes what can be awaited, and consumes tasks: when_all_settled(std::move(t), ...)");
    return detail::gathering_each<detail::failures::settle, Awaitables...>(std::in_place,
                                                                           std::forward<Awaitables>(awaitables)...);
}

/// The same for a range of tasks: gives a std::vector of outcome<T>, in the range's order.
template <detail::task_range Range>
[[nodiscard("co_await it")]] auto when_all_settled(Range&& tasks) {
    return detail::gather_tasks<detail::failures::settle>(std::forward<Range>(tasks));
}

}  // namespace rondo::inline RONDO_ABI
