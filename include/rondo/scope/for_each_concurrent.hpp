// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Doing the same for many things, a bounded number at a time.

#include <rondo/base/misuse.hpp>
#include <rondo/core/task.hpp>
#include <rondo/scope/when_all.hpp>

#include <concepts>
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

template <class Range>
using range_iterator = decltype(std::begin(std::declval<Range&>()));

/// What a worker keeps of an element while it is worked on: the reference, where that stays good; else a value.
template <class Iterator>
using kept_element =
    std::conditional_t<std::forward_iterator<Iterator>, std::iter_reference_t<Iterator>, std::iter_value_t<Iterator>>;

/// Takes one element after the other until there are no more.
template <class Iterator, class Sentinel, class F>
task<> work_off(Iterator& next, const Sentinel& end, F& f) {
    using kept = kept_element<Iterator>;
    while (next != end) {
        kept element = *next;
        ++next;
        using awaited = decltype(f(static_cast<kept&&>(element)));
        co_await unseen<awaited>(f(static_cast<kept&&>(element)));
    }
}
/// The same for one that has got an element already.
template <class Iterator, class Sentinel, class F>
task<> work_off_from(kept_element<Iterator> first, Iterator& next, const Sentinel& end, F& f) {
    using kept = kept_element<Iterator>;
    using awaited = decltype(f(static_cast<kept&&>(first)));
    co_await unseen<awaited>(f(static_cast<kept&&>(first)));
    while (next != end) {
        kept element = *next;
        ++next;
        co_await unseen<awaited>(f(static_cast<kept&&>(element)));
    }
}

/// No more workers than elements.
template <class Range, class F>
task<> for_each_concurrent_of(Range range, std::size_t limit, F f) {
    auto next = std::begin(range);
    const auto end = std::end(range);
    using iterator = decltype(next);
    std::vector<task<>> workers;
    if constexpr (std::forward_iterator<iterator>) {
        std::size_t count = 0;
        for (auto ahead = next; count < limit && ahead != end; ++ahead) ++count;
        workers.reserve(count);
        while (workers.size() < count) workers.push_back(work_off(next, end, f));
    } else {
        for (; workers.size() < limit && next != end; ++next)
            workers.push_back(work_off_from<iterator>(*next, next, end, f));
    }
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
template <class Range, class Limit, class... Others>
    requires(sizeof...(Others) != 1 || !std::convertible_to<Limit, std::size_t>)
auto for_each_concurrent(Range&&, Limit&&, Others&&...) {
    static_assert(detail::never<Range>,
                  "rondo: for_each_concurrent takes a range, a limit and a callable, in this order: "
                  "for_each_concurrent(urls, 10, f)");
    return detail::anything();
}

}  // namespace rondo::inline RONDO_ABI
