// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// The event loop: it owns tasks, and resumes them one after another on the thread that runs it.

#include <rondo/base/misuse.hpp>
#include <rondo/core/outcome.hpp>
#include <rondo/core/task.hpp>
#include <rondo/loop/deadlock_error.hpp>
#include <rondo/loop/default_driver.hpp>
#include <rondo/loop/detail/engine.hpp>
#include <rondo/loop/detail/main_task.hpp>
#include <rondo/loop/driver.hpp>
#include <rondo/loop/join_handle.hpp>
#include <rondo/loop/loop_handle.hpp>
#include <rondo/loop/work_guard.hpp>

#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <source_location>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace rondo::inline RONDO_ABI {

namespace detail {
template <class T>
T run_on(std::unique_ptr<driver> d, task<T>&& main, const std::source_location& where);
struct loop_access;
}  // namespace detail

/// Runs tasks. A step is the start or resumption of a task, up to where it waits next, or a posted function;
/// steps are taken in rounds. A round collects what other threads sent and the timers that are due, then takes
/// the steps that were ready when it began, first in, first out; what they make ready runs in the next
/// round. So a task that only yields starves neither timers nor others.
///
///     rondo::event_loop loop;
///     auto handle = loop.spawn(serve(), "server");
///     int result = loop.run(main_task());
///
/// Destruction cancels every task, and waits for those that cannot be withdrawn (close() tells).
/// `where` is the line that the std::logic_error of a call in the wrong place names.
/// Thread: one; only post, stop, and the members of handle() and keep_alive() may be called from others.
class event_loop {
public:
    /// A loop on the default driver: the steady clock and a condition variable.
    event_loop() : event_loop(std::make_unique<default_driver>()) {}
    /// A loop on a driver of your own; not null, or std::invalid_argument.
    explicit event_loop(std::unique_ptr<driver> d) : engine_(*this, std::move(d)) {}
    event_loop(const event_loop&) = delete;
    event_loop& operator=(const event_loop&) = delete;
    ~event_loop() = default;

    /// Runs until `main` has ended, and returns its result. Spawned tasks run beside it, and stay where they
    /// are then.
    /// Throws: what `main` throws; `cancelled` after stop(); deadlock_error when nothing can go on, after `main`
    ///         has been unwound; the first unhandled exception of a spawned task if there is no handler for it;
    ///         std::logic_error inside a running loop.
    template <class T>
    T run(task<T>&& main, std::source_location where = std::source_location::current());

    template <detail::not_a_task_to_run Other>
    auto run(Other&&) {
        return detail::explain_run<Other>();
    }

    /// The same as an outcome: is_cancelled() after stop().
    template <class T>
    outcome<T> try_run(task<T>&& main, std::source_location where = std::source_location::current());

    template <detail::not_a_task_to_run Other>
    auto try_run(Other&&) {
        return detail::explain_run<Other>();
    }

    /// Runs until no task is left, nothing is ready, and no work_guard lives. After stop(): cancels all tasks and returns.
    /// Throws: deadlock_error, unhandled exceptions and std::logic_error as above; the tasks stay.
    void run(std::source_location where = std::source_location::current());

    /// One round, without waiting: for use inside somebody else's loop. Returns the number of steps.
    /// Throws: unhandled exceptions; std::logic_error inside a running loop.
    std::size_t poll(std::source_location where = std::source_location::current()) { return engine_.poll(where); }

    /// When to poll again at the latest: now while work is ready, else the earliest timer, else nothing. What becomes
    /// ready or due before that, by a call from outside the loop, is announced by driver::wake().
    std::optional<time_point> next_deadline() const noexcept { return engine_.next_deadline(); }

    /// Starts `t` on the next round, as a task of its own that the loop owns. `name` is copied, and shows up in reports.
    /// Throws: std::logic_error for an empty task; std::bad_alloc.
    /// Cost:   one allocation, recycled; one more for a name.
    template <class T>
    join_handle<T> spawn(task<T>&& t, std::string_view name = {});

    /// Starts the task that `f(args...)` returns. `f` and `args` are kept in the task's frame: a lambda with
    /// captures is safe here. std::ref passes a reference.
    template <class F, class... Args>
        requires detail::makes_task<F, Args...>
    auto spawn(F f, Args... args) {
        return spawn(detail::call_in_frame(std::move(f), std::move(args)...));
    }
    template <class F, class... Args>
        requires detail::makes_no_task<F, Args...>
    auto spawn(F&&, Args&&...) {
        return detail::explain_spawn<F>();
    }

    /// Runs `f()` on the loop's thread, as a ready step of its own. What it throws goes to on_unhandled_exception. One that the loop
    /// does not come to before its end is destroyed unrun.
    /// Thread: any. Cost: one allocation.
    template <class F>
    void post(F&& f) {
        detail::post_to(engine_.box(), std::forward<F>(f));
    }

    /// Cancels what runs; where nothing runs, or `main` has ended by then, the next run. Thread: any.
    void stop() noexcept { engine_.box().stop(); }

    /// Cancels every task. True once nothing is left: destruction will not wait then; until then, poll. A loop that was
    /// closed takes no new tasks: what is spawned is destroyed unstarted, unless a cleanup that still runs spawns it.
    bool close() noexcept { return engine_.close(); }

    /// A way to post to the loop that may outlive it.
    loop_handle handle() const noexcept { return loop_handle(engine_.box()); }

    /// While the guard lives, an idle loop waits instead of giving up.
    work_guard keep_alive() noexcept { return work_guard(engine_.box()); }

    /// The driver's time.
    time_point now() const noexcept { return engine_.now(); }

    /// `handler(std::exception_ptr)` is called between steps with what no task, handle or caller can be told any more: the
    /// exception of a spawned task whose handle is gone, of a posted function, the second failure under a combinator. Without a handler run and
    /// poll throw the first such exception, and later ones of the same run are dropped.
    template <class F>
    void on_unhandled_exception(F handler);

    /// The loop whose task is running. Throws: std::logic_error when there is none on this thread.
    static event_loop& current(std::source_location where = std::source_location::current());

private:
    friend struct detail::loop_access;
    template <class T>
    friend T detail::run_on(std::unique_ptr<driver> d, task<T>&& main, const std::source_location& where);

    /// `alone`: the loop ends with `main`.
    template <class T>
    T run_to_end(task<T>& main, bool alone, const std::source_location& where);
    [[noreturn]] static void raise(detail::engine::result_of_drive& r);

    detail::engine engine_;
};

// ---------------------------------------------------------------------------------------------------------

template <class T>
T event_loop::run(task<T>&& main, std::source_location where) {
    return run_to_end(main, false, where);
}

template <class T>
T event_loop::run_to_end(task<T>& main, bool alone, const std::source_location& where) {
    detail::main_task<T> root(engine_, main);
    auto r = engine_.drive(&root, alone, where);
    if (alone) {
        std::exception_ptr late = engine_.finish();
        if (late && r.how == detail::engine::ending::done && !root.outcome().has_error()) {
            r.how = detail::engine::ending::failed;
            r.error = std::move(late);
        }
    }
    if (r.how != detail::engine::ending::done && !root.outcome().has_error()) raise(r);
    if (root.outcome().is_cancelled()) detail::raise<cancelled>();
    return root.outcome().take();
}

/// The way to a loop's inside, for testing and debugging aids.
struct detail::loop_access {
    static engine& inside(event_loop& loop) noexcept { return loop.engine_; }
};

/// A run on a loop of its own.
template <class T>
T detail::run_on(std::unique_ptr<driver> d, task<T>&& main, const std::source_location& where) {
    event_loop loop(std::move(d));
    return loop.run_to_end(main, true, where);
}

template <class T>
outcome<T> event_loop::try_run(task<T>&& main, std::source_location where) {
    detail::main_task<T> root(engine_, main);
    auto r = engine_.drive(&root, false, where);
    if (r.how == detail::engine::ending::deadlocked)
        root.outcome().set_error(detail::make_error<deadlock_error>(r.report));
    else if (r.how == detail::engine::ending::failed)
        root.outcome().set_error(r.error);
    else if (r.how == detail::engine::ending::stopped)
        root.outcome().set_cancelled();
    return outcome<T>(std::move(root.outcome()));
}

inline void event_loop::run(std::source_location where) {
    auto r = engine_.drive(nullptr, false, where);
    if (r.how == detail::engine::ending::failed || r.how == detail::engine::ending::deadlocked) raise(r);
}

inline void event_loop::raise(detail::engine::result_of_drive& r) {
    if (r.how == detail::engine::ending::deadlocked) detail::raise<deadlock_error>(r.report);
    if (r.how == detail::engine::ending::failed) detail::rethrow(std::move(r.error));
    detail::raise<cancelled>();
}

template <class T>
join_handle<T> event_loop::spawn(task<T>&& t, std::string_view name) {
    return detail::spawn_access::spawn(engine_, t, name);
}

template <class F>
void event_loop::on_unhandled_exception(F handler) {
    class holder final : public detail::error_handler {
    public:
        explicit holder(F&& f) : f_(std::move(f)) {}
        void operator()(std::exception_ptr error) override { f_(std::move(error)); }

    private:
        F f_;
    };
    engine_.set_handler(std::make_unique<holder>(std::move(handler)));
}

inline event_loop& event_loop::current(std::source_location where) {
    detail::scheduler* const here = detail::scheduler::current();
    if (here == nullptr)
        detail::raise_at<std::logic_error>(
            where, "rondo: no event loop is running on this thread: call this in a task, under run()");
    return static_cast<detail::engine*>(here)->face();
}

}  // namespace rondo::inline RONDO_ABI
