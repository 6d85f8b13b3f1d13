// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Seeing results in the order in which they come: asyncio.as_completed.

#include <rondo/base/misuse.hpp>
#include <rondo/core/outcome.hpp>
#include <rondo/core/task.hpp>
#include <rondo/loop/wait_list.hpp>
#include <rondo/scope/when_all.hpp>
#include <rondo/scope/when_all_settled.hpp>

#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace rondo::inline RONDO_ABI {

namespace detail {

/// The outcomes that have come, in order, and the one who takes them.
template <class T>
class completions {
public:
    class next_awaiter : private waiter {
    public:
        explicit next_awaiter(completions& c) noexcept : from_(&c) {}
        next_awaiter(const next_awaiter&) = delete;
        next_awaiter& operator=(const next_awaiter&) = delete;

        bool await_ready() const noexcept { return from_->taken_ != from_->come_.size(); }
        void await_suspend(waker w) noexcept { from_->waiting_.add(*this, w); }
        std::pair<std::size_t, outcome<T>>& await_resume() {
            leave();
            return from_->come_[from_->taken_++];
        }
        bool await_cancel() noexcept {
            leave();
            return true;
        }
        wait_info await_describe() const noexcept { return wait_info("for_each_completed", nullptr); }

    private:
        completions* from_;
    };

    class next_one {
    public:
        explicit next_one(completions& c) noexcept : from_(&c) {}
        auto operator co_await() const noexcept { return next_awaiter(*from_); }

    private:
        completions* from_;
    };

    explicit completions(std::size_t expected) { come_.reserve(expected); }
    completions(const completions&) = delete;
    completions& operator=(const completions&) = delete;
    /// Reports the exceptions that nobody has been told of.
    ~completions() {
        for (; taken_ < come_.size(); ++taken_)
            if (std::exception_ptr error = come_[taken_].second.error()) scheduler::current()->report(std::move(error));
    }

    void add(std::size_t index, outcome<T>&& o) {
        come_.emplace_back(index, std::move(o));
        if (!waiting_.empty()) waiting_.grant_front();
    }
    next_one next() noexcept { return next_one(*this); }

private:
    std::vector<std::pair<std::size_t, outcome<T>>> come_;
    std::size_t taken_ = 0;
    wait_list waiting_;
};

template <class T>
task<> announce(completions<T>& to, std::size_t index, task<T> t) {
    auto settling = when_all_settled(std::move(t));
    auto [o] = co_await unseen<decltype(settling)>(std::move(settling));
    to.add(index, std::move(o));
}

template <class T, class F>
task<> consume(completions<T>& from, std::size_t count, F& f) {
    for (; count > 0; --count) {
        auto next = from.next();
        auto& [index, o] = co_await unseen<decltype(next)>(std::move(next));
        if constexpr (requires { requires awaitable<decltype(f(index, std::move(o)))>; }) {
            auto&& step = f(index, std::move(o));
            using step_type = decltype(f(index, std::move(o)));
            co_await unseen<step_type>(std::forward<step_type>(step));
        } else {
            f(index, std::move(o));
        }
    }
}

template <class T, class F>
task<> for_each_completed_of(std::vector<task<T>> tasks, F f) {
    completions<T> board(tasks.size());
    std::vector<task<>> all;
    all.reserve(tasks.size() + 1);
    for (std::size_t i = 0; i < tasks.size(); ++i) all.push_back(announce(board, i, std::move(tasks[i])));
    all.push_back(consume(board, tasks.size(), f));
    auto done = when_all(std::move(all));
    co_await unseen<decltype(done)>(std::move(done));
}

}  // namespace detail

/// `co_await for_each_completed(tasks, f)`: runs the tasks side by side and calls `f(index, outcome<T>)` for each, in the order in which they end; index is
/// the place in the range. f may be a coroutine: what it returns is awaited if it can be, while the other tasks go on, before the
/// next call.
///
///     co_await for_each_completed(std::move(downloads), [&](std::size_t i, outcome<page> o) { show(i, o); });
///
/// Suspends: unless all end without waiting. Tasks start in order, each running to where it first waits.
/// Resumes:  in the step in which f has ended for the last one.
/// Cancel:   cancels f and the tasks that run.
/// Throws:   what f throws, after the tasks that run were cancelled and have ended. A task's exception is in its outcome.
/// Lifetime: f is kept until the end. (g++ 11 and 12: give a lambda that captures by value a name before the co_await.)
/// Cost:     a frame and an entry in a vector for each task, beside its own frame.
template <detail::task_range Range, class F>
[[nodiscard("co_await it")]] task<> for_each_completed(Range&& tasks, F f) {
    using T = detail::range_task_value<Range>;
    static_assert(
        requires(std::size_t i, outcome<T> o) { f(i, std::move(o)); },
        "rondo: for_each_completed's callable takes an index and an outcome<T>");
    return detail::for_each_completed_of<T, F>(detail::take_tasks<task<T>>(std::forward<Range>(tasks)), std::move(f));
}
template <class Other, class F>
    requires(!detail::task_range<Other>)
auto for_each_completed(Other&&, F&&) {
    static_assert(detail::never<Other>,
                  "rondo: for_each_completed takes a vector of tasks, which it consumes, and a callable: "
                  "for_each_completed(std::move(tasks), f)");
    return detail::anything();
}

}  // namespace rondo::inline RONDO_ABI
