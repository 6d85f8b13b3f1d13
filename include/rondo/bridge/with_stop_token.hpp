// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Letting somebody outside of the loop cancel an operation. Not part of rondo.hpp: <stop_token> is missing on some standard libraries,
// and takes long to parse.

#include <rondo/bridge/detail/letter.hpp>
#include <rondo/core/errors.hpp>
#include <rondo/scope/detail/holders.hpp>

#include <exception>
#include <optional>
#include <stop_token>
#include <utility>
#include <version>

#if !defined(__cpp_lib_jthread)
#error \
    "rondo: with_stop_token needs std::stop_token, which libc++ has from 20 on, and before with -fexperimental-library"
#endif

namespace rondo::inline RONDO_ABI {

namespace detail {

template <class A>
class stoppable final : public one_of<A> {
public:
    stoppable(std::stop_token&& token, A&& operand) : one_of<A>(static_cast<A&&>(operand)), token_(std::move(token)) {}
    ~stoppable() { forget(); }

    bool await_ready() const noexcept { return token_.stop_requested(); }
    await_result_t<A> await_resume() {
        if (this->child_.has_result()) return this->child_.take();
        if (no_memory_) rethrow(std::exchange(no_memory_, nullptr));
        raise<cancelled>();
    }
    wait_info describe() const noexcept override { return wait_info("with_stop_token", nullptr); }

private:
    /// The news that a stop was requested.
    class news final : public letter {
    public:
        explicit news(stoppable& s) noexcept : letter(s.loop()), to_(&s) {}
        void forget() noexcept { to_ = nullptr; }

    private:
        void delivered() noexcept override {
            if (to_ != nullptr) to_->stop();
        }
        stoppable* to_;
    };

    /// What the token calls, on the thread that requests the stop.
    class sender {
    public:
        explicit sender(news& n) noexcept : news_(&n) {}
        void operator()() const noexcept { news_->send(); }

    private:
        news* news_;
    };

    void start_child() noexcept override {
        this->child_.start(*this);
        if (!this->others_run() || !token_.stop_possible()) return;
        ++this->loop().outstanding;
        is_outstanding_ = true;
        guarded(
            [&] {
                news_ = new news(*this);
                on_stop_.emplace(token_, sender(*news_));
            },
            [&](std::exception_ptr error) {
                no_memory_ = std::move(error);
                stop();
            });
    }

    void stop() noexcept {
        uncount();
        if (!this->is_over()) this->from_outside([this] { this->child_.cancel(late_results::delivered); });
    }

    void uncount() noexcept {
        if (std::exchange(is_outstanding_, false)) --this->loop().outstanding;
    }

    void forget() noexcept {
        uncount();
        on_stop_.reset();  // nobody calls it any more
        if (news_ == nullptr) return;
        news_->forget();
        news_->release();
    }

    std::stop_token token_;
    bool is_outstanding_ = false;
    news* news_ = nullptr;
    std::optional<std::stop_callback<sender>> on_stop_;
    std::exception_ptr no_memory_;
};

}  // namespace detail

/// `co_await with_stop_token(token, op)`: the result of op; when a stop is requested, by whatever thread, op is cancelled, and gone before
/// the caller goes on.
///
///     std::jthread server([](std::stop_token stop) {
///         rondo::event_loop().try_run(serve_until(stop));      // in it: co_await with_stop_token(stop, serve());
///     });
///
/// Suspends: unless op ends without waiting, or the stop came first: op is not started then.
/// Resumes:  in the step in which op ends; on a later step when it was cancelled, or is an operation rather than a task.
/// Cancel:   cancels op.
/// Throws:   `cancelled` after a stop, unless op has ended nevertheless (it must not leave a thread's function); what op throws;
///           std::bad_alloc.
/// Until the stop the token counts as outstanding: an idle loop waits for it, also when the last stop_source has gone meanwhile.
/// Cost:     one allocation, and one of the token's.
template <class Op>
[[nodiscard("co_await it")]] auto with_stop_token(std::stop_token token, Op&& op) {
    static_assert(detail::called<Op>,
                  "rondo: a function is called first: with_stop_token(token, f()), with parentheses");
    static_assert(
        awaitable<Op>,
        "rondo: with_stop_token takes what can be awaited, and consumes a task: with_stop_token(token, std::move(t))");
    return detail::combining<detail::stoppable<Op>, std::stop_token, Op>(std::in_place, std::move(token),
                                                                         std::forward<Op>(op));
}

}  // namespace rondo::inline RONDO_ABI
