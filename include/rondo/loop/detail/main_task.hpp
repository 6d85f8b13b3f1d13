// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// The task that event_loop::run was given, and the callable that spawn was given.

#include <rondo/base/misuse.hpp>
#include <rondo/base/result.hpp>
#include <rondo/core/task.hpp>
#include <rondo/loop/detail/engine.hpp>

#include <type_traits>
#include <utility>

namespace rondo::inline RONDO_ABI::detail {

/// Lies on the stack of run.
template <class T>
class main_task final : public root {
public:
    main_task(engine& loop, task<T>& t) : root(loop, task_access::release(t)) { loop.make_ready_to_start(*top()); }
    /// There is something left only when a driver has thrown.
    ~main_task() {
        if (top() == nullptr) return;
        cancel();
        const scheduler::scope current(loop());
        if (top() != nullptr) raze(*this, mercy::none);
    }

    const char* name() const noexcept override { return "main"; }
    result<T>& outcome() noexcept { return outcome_; }

private:
    frame* ended(frame* f) noexcept override {
        if (f != nullptr)
            collect(*f, outcome_);
        else
            outcome_.set_cancelled();
        return where().is_over(*this, f != nullptr ? home::ending::with_value : home::ending::cancelled);
    }

    result<T> outcome_;
};

/// `f(args...)` gives a task, with the arguments as rvalues, or, where that does not compile, as lvalues.
template <class F, class... Args>
concept takes_rvalues = requires(F& f, Args&&... args) {
    { f(std::move(args)...) } -> task_like;
};
template <class F, class... Args>
concept makes_task = takes_rvalues<F, Args...> || requires(F& f, Args&... args) {
    { f(args...) } -> task_like;
};

/// Caught by overloads that say what is wrong. An lvalue counts: a task runs once, and is handed over.
template <class A>
concept not_a_task_to_run = !task_like<A> || std::is_lvalue_reference_v<A>;
/// Nor a callable that makes one from these.
template <class F, class... Args>
concept makes_no_task = not_a_task_to_run<F> && !makes_task<std::decay_t<F>, std::decay_t<Args>...>;
template <class F>
auto explain_spawn() {
    static_assert(!task_like<F>, "rondo: a task runs once: spawn(std::move(t)), or spawn(f()) for another");
    static_assert(task_like<F>,
                  "rondo: spawn takes a task and a name, or a callable that returns a task, with its "
                  "arguments (std::ref(x) for a reference) and no name");
    return anything();
}

/// The same for run.
template <class... Others>
auto explain_run() {
    if constexpr (sizeof...(Others) != 1)
        static_assert(never<Others...>, "rondo: run takes one task: co_await the others in it, or when_all(f(), g())");
    else if constexpr ((task_like<Others> && ...))
        static_assert(never<Others...>, "rondo: a task runs once: run(std::move(t)), or run(f()) for another");
    else if constexpr ((awaitable<Others> && ...))
        static_assert(never<Others...>,
                      "rondo: run takes a task: put the co_await into a coroutine that returns task<>");
    else
        static_assert(never<Others...>,
                      "rondo: run takes a task, which is what a coroutine returns: run(f()), with parentheses");
    return anything();
}

template <class F, class... Args>
struct made_task {
    using type = decltype(std::declval<F&>()(std::declval<Args&>()...));
};
template <class F, class... Args>
    requires takes_rvalues<F, Args...>
struct made_task<F, Args...> {
    using type = decltype(std::declval<F&>()(std::declval<Args>()...));
};

/// Keeps the callable and its arguments alive, in its own frame, for as long as the task runs.
template <class F, class... Args>
typename made_task<F, Args...>::type call_in_frame(F f, Args... args) {
    if constexpr (takes_rvalues<F, Args...>)
        co_return co_await unseen<typename made_task<F, Args...>::type>(f(std::move(args)...));
    else
        co_return co_await unseen<typename made_task<F, Args...>::type>(f(args...));
}

}  // namespace rondo::inline RONDO_ABI::detail
