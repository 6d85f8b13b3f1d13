// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// What from_callback gives to an operation for its end.

#include <rondo/base/result.hpp>
#include <rondo/bridge/detail/letter.hpp>
#include <rondo/core/errors.hpp>
#include <rondo/core/resumer.hpp>

#include <atomic>
#include <concepts>
#include <cstddef>
#include <exception>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace rondo::inline RONDO_ABI {

template <class T = void>
class callback;

namespace detail {

template <class T, class Start, class OnCancel>
class callback_awaiter;

/// What a callback and its waiter share.
template <class T>
class callback_state final : public letter {
public:
    explicit callback_state(scheduler& loop) noexcept : letter(loop) {}

    // --- On the loop's thread ---

    bool has_come() const noexcept { return has_come_; }
    void wait(waker w) noexcept {
        waiter_ = w;
        if (has_come_) return w.wake();
        if (is_abandoned_) return;
        is_awaited_ = true;
        ++w.loop().outstanding;
    }
    bool has_failed() const noexcept { return has_come_ && (was_dropped_ || outcome_.has_error()); }
    T take() {
        if (was_dropped_) raise<callback_dropped>();
        return outcome_.take();
    }
    /// True if it has not been called, and so never will be.
    bool abandon() noexcept {
        is_abandoned_ = true;
        if (std::exchange(is_awaited_, false)) --waiter_.loop().outstanding;
        return claim(phase::abandoned);
    }

    // --- On any thread ---

    /// `write(outcome)`, once.
    template <class Write>
    void call(Write&& write) noexcept {
        if (!claim(phase::called)) return;
        guarded([&] { write(outcome_); }, [&](std::exception_ptr error) { outcome_.set_error(std::move(error)); });
        send();
    }

    void add_copy() noexcept { copies_.fetch_add(1, std::memory_order_relaxed); }
    void drop_copy() noexcept {
        if (copies_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
        if (claim(phase::called)) {
            was_dropped_ = true;
            send();
        }
        release();
    }

private:
    enum class phase : unsigned char { open, called, abandoned };

    bool claim(phase next) noexcept {
        phase expected = phase::open;
        return phase_.compare_exchange_strong(expected, next, std::memory_order_acq_rel, std::memory_order_relaxed);
    }

    void delivered() noexcept override {
        has_come_ = true;
        if (!std::exchange(is_awaited_, false)) return;
        --waiter_.loop().outstanding;
        waiter_.wake();
    }

    std::atomic<phase> phase_{phase::open};
    std::atomic<std::size_t> copies_{0};
    bool has_come_ = false;
    bool is_awaited_ = false;
    bool is_abandoned_ = false;
    bool was_dropped_ = false;
    waker waiter_;
    result<T> outcome_;
};

/// Whether a callback<T> may be called with these: for a reference one that it can be bound to, and that will not be gone.
template <class T, class... Args>
concept makes_result =
    (std::is_void_v<T> && sizeof...(Args) == 0) ||
    (std::is_reference_v<T> && sizeof...(Args) == 1 && ((binds_to<T, Args> && std::is_reference_v<Args>) && ...)) ||
    (!std::is_void_v<T> && !std::is_reference_v<T> && std::constructible_from<stored_t<T>, Args...>);

}  // namespace detail

/// Ends the operation of a from_callback. Copyable; the copies are one: the first call counts, all others do nothing, also after the
/// waiter was cancelled, and after the loop has gone. When the last copy goes uncalled, the waiter gets callback_dropped.
/// Thread: any; a single object is not to be used by two threads at once, copies are.
template <class T>
class callback {
public:
    callback(const callback& other) noexcept : state_(other.state_) {
        if (state_ != nullptr) state_->add_copy();
    }
    callback(callback&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
    callback& operator=(callback other) noexcept {
        std::swap(state_, other.state_);
        return *this;
    }
    ~callback() {
        if (state_ != nullptr) state_->drop_copy();
    }

    /// `done(v)`: resumes the waiter with a T made from `v` (for void: `done()`). If making it throws, the waiter gets that.
    template <class... Args>
        requires detail::makes_result<T, Args...>
    void operator()(Args&&... args) const noexcept {
        if (state_ == nullptr) return;
        state_->call([&](detail::result<T>& outcome) { outcome.set_value(std::forward<Args>(args)...); });
    }

    /// Resumes the waiter with an exception.
    void fail(std::exception_ptr error) const noexcept {
        if (state_ == nullptr) return;
        state_->call([&](detail::result<T>& outcome) {
            if (error == nullptr) detail::raise<std::invalid_argument>("rondo: callback::fail without an exception");
            outcome.set_error(std::move(error));
        });
    }

private:
    template <class, class, class>
    friend class detail::callback_awaiter;

    explicit callback(detail::callback_state<T>& state) noexcept : state_(&state) {
        state.retain();
        state.add_copy();
    }

    detail::callback_state<T>* state_;
};

}  // namespace rondo::inline RONDO_ABI
