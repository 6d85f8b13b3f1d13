// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Awaiting what an API with callbacks does.

#include <rondo/base/misuse.hpp>
#include <rondo/bridge/callback.hpp>
#include <rondo/core/awaitable.hpp>

#include <type_traits>
#include <utility>

namespace rondo::inline RONDO_ABI {

namespace detail {

/// Stands for an operation that cannot be withdrawn.
class no_withdrawal {
public:
    no_withdrawal() noexcept {}
    void operator()() const noexcept {}
};

template <class T, class Start, class OnCancel>
class callback_awaiter final {
public:
    callback_awaiter(Start&& start, OnCancel&& on_cancel)
        : start_(static_cast<Start&&>(start)),
          on_cancel_(static_cast<OnCancel&&>(on_cancel)),
          call_(*new callback_state<T>(*scheduler::current())) {}
    callback_awaiter(const callback_awaiter&) = delete;
    callback_awaiter& operator=(const callback_awaiter&) = delete;
    ~callback_awaiter() { call_->abandon(); }

    bool await_ready() {
        begin();
        return call_->has_come();
    }
    void await_suspend(waker w) {
        begin();
        call_->wait(w);
    }
    T await_resume() { return call_->take(); }
    bool await_cancel() noexcept {
        if (call_->abandon()) on_cancel_();
        return true;
    }
    bool await_failed() const noexcept { return call_->has_failed(); }
    wait_info await_describe() const noexcept { return wait_info("from_callback", nullptr); }

private:
    void begin() {
        if (!std::exchange(has_begun_, true)) start_(callback<T>(*call_));
    }

    Start start_;
    OnCancel on_cancel_;
    held_letter<callback_state<T>> call_;
    bool has_begun_ = false;
};

template <class T, class Start, class OnCancel>
class [[nodiscard("co_await it")]] calling_back : public unawaited<T> {
public:
    template <class S, class C>
    explicit calling_back(std::in_place_t, S&& start, C&& on_cancel)
        : start_(std::forward<S>(start)), on_cancel_(std::forward<C>(on_cancel)) {}
    auto operator co_await() && {
        return callback_awaiter<T, Start, OnCancel>(std::move(start_), std::move(on_cancel_));
    }

private:
    Start start_;
    OnCancel on_cancel_;
};

}  // namespace detail

/// `co_await from_callback<T>(start)`: calls `start(done)`, which begins an operation and passes `done`, a callback<T>, on; gives
/// what `done` is called with. done may be copied, and called at once, later, or from another thread, once: what comes
/// after the first call, after a cancellation, or after the loop's end does nothing.
///
///     int answer = co_await from_callback<int>([&](callback<int> done) {
///         legacy_ask(question, [done](int a) { done(a); });
///     });
///
/// `from_callback<T>(start, on_cancel)`: `on_cancel()`, which does not throw, withdraws the operation when the waiter is cancelled.
/// Suspends: unless done was called before start returned.
/// Resumes:  on a later step. Until then the operation counts as outstanding: an idle loop waits for it.
/// Cancel:   at once; the operation may go on, with nobody to take its result.
/// Throws:   what start throws; what was given to done.fail(); callback_dropped when the last copy of done is gone, uncalled.
/// Lifetime: start and on_cancel are kept until the end. (g++ 11 and 12: give a lambda that captures by value a name before the co_await.)
/// Cost:     one allocation, shared by the copies of done.
template <class T = void, class Start, class OnCancel>
[[nodiscard("co_await it")]] auto from_callback(Start&& start, OnCancel&& on_cancel) {
    using kept = std::decay_t<Start>;
    static_assert(
        requires(kept& f, callback<T> done) { f(std::move(done)); },
        "rondo: from_callback<T>'s start is called with a callback<T>: [&](callback<T> done) { ... }");
    static_assert(
        requires(std::decay_t<OnCancel>& f) { f(); }, "rondo: from_callback's on_cancel is called without arguments");
    return detail::calling_back<T, kept, std::decay_t<OnCancel>>(std::in_place, std::forward<Start>(start),
                                                                 std::forward<OnCancel>(on_cancel));
}

template <class T = void, class Start>
[[nodiscard("co_await it")]] auto from_callback(Start&& start) {
    return from_callback<T>(std::forward<Start>(start), detail::no_withdrawal());
}

}  // namespace rondo::inline RONDO_ABI
