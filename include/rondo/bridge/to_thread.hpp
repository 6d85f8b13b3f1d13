// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Calling what blocks, or computes for long, without holding the loop up: asyncio.to_thread.

#include <rondo/base/misuse.hpp>
#include <rondo/base/result.hpp>
#include <rondo/bridge/detail/letter.hpp>
#include <rondo/bridge/detail/thread_pool.hpp>
#include <rondo/core/awaitable.hpp>

#include <atomic>
#include <exception>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace rondo::inline RONDO_ABI {

namespace detail {

/// A call on its way to a thread and back. The thread keeps a reference of its own.
template <class F, class... Args>
class thread_call final : public letter, public job {
public:
    using value_type = std::invoke_result_t<F, Args...>;

    thread_call(scheduler& loop, F&& f, std::tuple<Args...>&& args)
        : letter(loop), called_(std::in_place, std::move(f), std::move(args)) {}

    // --- On the loop's thread ---

    /// Throws: std::system_error, std::bad_alloc.
    void start(waker w) {
        waiter_ = w;
        retain();
        guarded([&] { thread_pool::instance().submit(*this); },
                [&](std::exception_ptr error) {
                    release();
                    rethrow(std::move(error));
                });
        is_awaited_ = true;
        ++w.loop().outstanding;
    }
    /// True: it will not be run, or has been.
    bool withdraw() noexcept {
        if (!is_awaited_) return true;
        if (!thread_pool::instance().withdraw(*this)) return false;
        forget();
        release();
        return true;
    }
    /// For one whose loop comes to no proper end: nothing that the call refers to may go before it has ended.
    void block_until_over() noexcept {
        if (!is_awaited_) return;
        forget();
        over_.wait(false, std::memory_order_acquire);
    }

    value_type take() {
        is_taken_ = true;
        return outcome_.take();
    }
    bool has_failed() const noexcept { return has_come_ && outcome_.has_error(); }
    /// What has come back goes, on this thread. Returns an exception that nobody took.
    std::exception_ptr clear() noexcept {
        if (!has_come_) return nullptr;
        std::exception_ptr error = outcome_.has_error() && !is_taken_ ? std::move(outcome_.error()) : nullptr;
        outcome_.clear();
        return error;
    }

private:
    void run() noexcept override {
        guarded(
            [&] {
                if constexpr (std::is_void_v<value_type>) {
                    std::apply(std::move(called_->first), std::move(called_->second));
                    outcome_.set_value();
                } else {
                    outcome_.set_value(std::apply(std::move(called_->first), std::move(called_->second)));
                }
            },
            [&](std::exception_ptr error) { outcome_.set_error(std::move(error)); });
        called_.reset();  // before the caller goes on: it may refer to his locals
    }

    void tell() noexcept override {
        over_.store(true, std::memory_order_release);
        over_.notify_all();
        send();
        release();
    }

    void delivered() noexcept override {
        has_come_ = true;
        if (!is_awaited_) return;
        forget();
        waiter_.wake_or_unwind();
    }

    void forget() noexcept {
        is_awaited_ = false;
        --waiter_.loop().outstanding;
    }

    std::optional<std::pair<F, std::tuple<Args...>>> called_;
    result<value_type> outcome_;
    std::atomic<bool> over_{false};
    waker waiter_;
    bool is_awaited_ = false;
    bool has_come_ = false;
    bool is_taken_ = false;
};

template <class F, class... Args>
class thread_awaiter final {
    using call = thread_call<F, Args...>;

public:
    thread_awaiter(F&& f, std::tuple<Args...>&& args)
        : loop_(scheduler::current()), call_(*new call(*loop_, std::move(f), std::move(args))) {}
    thread_awaiter(const thread_awaiter&) = delete;
    thread_awaiter& operator=(const thread_awaiter&) = delete;
    ~thread_awaiter() {
        call_->block_until_over();
        if (std::exception_ptr error = call_->clear()) loop_->report(std::move(error));
    }

    bool await_ready() const noexcept { return false; }
    void await_suspend(waker w) { call_->start(w); }
    typename call::value_type await_resume() { return call_->take(); }
    bool await_cancel() noexcept { return call_->withdraw(); }
    bool await_failed() const noexcept { return call_->has_failed(); }
    wait_info await_describe() const noexcept { return wait_info("to_thread", nullptr); }

private:
    scheduler* loop_;
    held_letter<call> call_;
};

template <class F, class... Args>
class [[nodiscard("co_await it")]] threading : public unawaited<std::invoke_result_t<F, Args...>> {
public:
    template <class G, class... As>
    explicit threading(std::in_place_t, G&& f, As&&... args)
        : f_(std::forward<G>(f)), args_(std::forward<As>(args)...) {}
    auto operator co_await() && { return thread_awaiter<F, Args...>(std::move(f_), std::move(args_)); }

private:
    F f_;
    std::tuple<Args...> args_;
};

}  // namespace detail

/// `co_await to_thread(f, args...)`: calls `f(args...)` on another thread, and gives its result; other tasks go on meanwhile. f and args are
/// moved or copied to where the thread finds them (std::ref passes a reference), and gone before the caller goes on. (g++ 11 and 12: give a
/// lambda that captures by value a name before the co_await.)
///
///     std::string text = co_await to_thread(read_file, "big.txt");
///
/// Suspends: always.
/// Resumes:  on a later step, when the call has returned.
/// Cancel:   a call that no thread has begun is taken back; one that runs is waited for: the caller is unwound when it has
///           returned, so that f may refer to the caller's locals. with_timeout around it gives its result.
/// Throws:   what f throws, which goes to on_unhandled_exception if the caller has been cancelled; std::system_error if no thread can
///           be started; std::bad_alloc.
/// Link:     with Threads::Threads where the C library is older than glibc 2.34.
/// Threads:  at most min(32, cores + 4) in the program, shared by all loops; they start when they are needed, and leave after 10 s
///           without work. f must touch nothing of the loop's but what is thread-safe (post, stop, loop_handle, callback).
/// Cost:     one allocation, and one wake-up of a thread, each way.
template <class F, class... Args>
[[nodiscard("co_await it")]] auto to_thread(F&& f, Args&&... args) {
    static_assert(std::is_invocable_v<std::decay_t<F>, std::decay_t<Args>...>,
                  "rondo: to_thread's callable does not take these arguments (by value; std::ref(x) for a reference)");
    static_assert(!detail::task_like<std::invoke_result_t<std::decay_t<F>, std::decay_t<Args>...>>,
                  "rondo: to_thread calls an ordinary function; a task runs on the loop: co_await it");
    return detail::threading<std::decay_t<F>, std::decay_t<Args>...>(std::in_place, std::forward<F>(f),
                                                                     std::forward<Args>(args)...);
}

}  // namespace rondo::inline RONDO_ABI
