// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Doing the same for many things, a bounded number at a time.

#include <rondo/core/task.hpp>
#include <rondo/scope/when_all.hpp>

#include <cstddef>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

namespace rondo::inline RONDO_ABI {

namespace detail {

inline std::size_t checked_limit(std::size_t limit) {
    if (limit == 0) raise<std::invalid_argument>("rondo: a limit of zero at a time would never get anything done");
    return limit;
}

/// Takes one element after the other until there are no more.
template <class Iterator, class Sentinel, class F>
task<> work_off(Iterator& next, const Sentinel& end, F& f) {
    while (next != end) {
        auto step = f(*next);
        ++next;
        co_await unseen<decltype(step)>(std::move(step));
    }
}

template <class Range, class F>
task<> for_each_concurrent_of(Range range, std::size_t limit, F f) {
    auto next = std::begin(range);
    const auto end = std::end(range);
    std::vector<task<>> workers;
    if constexpr (std::forward_iterator<decltype(next)>) {
        const auto length = static_cast<std::size_t>(std::distance(next, end));
        if (length < limit) limit = length;
    }
    workers.reserve(limit);
    for (std::size_t i = 0; i < limit; ++i) workers.push_back(work_off(next, end, f));
    auto all = when_all(std::move(workers));
    co_await unseen<decltype(all)>(std::move(all));
}

}  // namespace detail

/// `co_await for_each_concurrent(range, limit, f)`: awaits `f(element)` for each element, in order, at most `limit` at a time. f gives a task
/// or another awaitable, whose result is dropped.
///
///     co_await for_each_concurrent(urls, 10, [&](const std::string& url) { return download(url); });
///
/// Suspends: unless all end without waiting. Each element starts in the step in which there is room for it.
/// Resumes:  in the step in which the last one ends.
/// Cancel:   cancels those that run; the rest does not start.
/// Throws:   the first exception, of f or of what it gave, after those that run were cancelled and have ended; later ones go to
///           on_unhandled_exception. std::invalid_argument for a limit of zero; std::bad_alloc.
/// Lifetime: a range given as an lvalue is referred to, else kept; f is kept. An element is referred to until what f
///           gave for it has ended, if f does so.
/// Cost:     a frame for each of the `limit` workers (never more than elements), a vector of them, and the frames that f makes.
template <class Range, class F>
[[nodiscard("co_await it")]] task<> for_each_concurrent(Range&& range, std::size_t limit, F f) {
    static_assert(
        requires { requires awaitable<decltype(f(*std::begin(range)))>; },
        "rondo: for_each_concurrent's callable takes an element and returns a task, or something else to await");
    return detail::for_each_concurrent_of<Range, F>(std::forward<Range>(range), detail::checked_limit(limit),
                                                    std::move(f));
}

}  // namespace rondo::inline RONDO_ABI
