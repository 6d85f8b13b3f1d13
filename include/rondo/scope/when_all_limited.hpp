// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// when_all with a bound on how many tasks run at a time.

#include <rondo/base/misuse.hpp>
#include <rondo/base/result.hpp>
#include <rondo/core/task.hpp>
#include <rondo/scope/for_each_concurrent.hpp>
#include <rondo/scope/when_all.hpp>

#include <concepts>
#include <cstddef>
#include <type_traits>
#include <utility>
#include <vector>

namespace rondo::inline RONDO_ABI {

namespace detail {

/// Runs one task after the other until there are no more.
template <class T>
task<> run_off(std::vector<task<T>>& tasks, std::vector<result<T>>& results, std::size_t& next) {
    while (next != tasks.size()) {
        const std::size_t i = next++;
        task<T> t = std::move(tasks[i]);
        if constexpr (std::is_void_v<T>)
            co_await unseen<task<T>>(std::move(t));
        else
            results[i].set_value(co_await unseen<task<T>>(std::move(t)));
    }
}

template <class T>
struct results_of {
    using type = std::vector<element_t<T>>;
};
template <>
struct results_of<void> {
    using type = void;
};

template <class T>
task<typename results_of<T>::type> when_all_limited_of(std::size_t limit, std::vector<task<T>> tasks) {
    if (tasks.size() < limit) limit = tasks.size();
    std::vector<result<T>> results(std::is_void_v<T> ? 0 : tasks.size());
    std::vector<task<>> workers;
    workers.reserve(limit);
    std::size_t next = 0;
    for (std::size_t i = 0; i < limit; ++i) workers.push_back(run_off(tasks, results, next));
    auto all = when_all(std::move(workers));
    co_await unseen<decltype(all)>(std::move(all));
    if constexpr (!std::is_void_v<T>) {
        std::vector<element_t<T>> values;
        values.reserve(results.size());
        for (result<T>& r : results) values.push_back(element_t<T>(r.take()));
        co_return values;
    }
}

}  // namespace detail

/// `co_await when_all_limited(limit, tasks)`: as when_all for a range of tasks, but with at most `limit` of them at a time; the others start, in
/// order, in the step in which one before them ends.
///
///     auto pages = co_await when_all_limited(10, std::move(downloads));
///
/// Suspends, Resumes, Cancel, Lifetime: as when_all. Tasks that have not started when one fails are destroyed.
/// Throws:   as when_all; std::invalid_argument for a limit of zero.
/// Cost:     a frame for each of the `limit` workers (never more than tasks), and vectors of workers, tasks and results.
template <detail::task_range Range>
[[nodiscard("co_await it")]] auto when_all_limited(std::size_t limit, Range&& tasks) {
    using T = detail::range_task_value<Range>;
    return detail::when_all_limited_of<T>(detail::checked_limit(limit),
                                          detail::take_tasks<task<T>>(std::forward<Range>(tasks)));
}
template <class Limit, class Range, class... Others>
    requires(sizeof...(Others) != 0 || !std::convertible_to<Limit, std::size_t> || !detail::task_range<Range>)
auto when_all_limited(Limit&&, Range&&, Others&&...) {
    static_assert(detail::never<Range>,
                  "rondo: when_all_limited takes the limit first, and then a vector of tasks, which it consumes: "
                  "when_all_limited(2, std::move(tasks))");
    return detail::anything();
}

}  // namespace rondo::inline RONDO_ABI
