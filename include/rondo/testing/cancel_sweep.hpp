// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Cancelling a program wherever it can be cancelled.

#include <rondo/testing/detail/steered_loop.hpp>
#include <rondo/testing/frames.hpp>

#include <cstddef>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>

namespace rondo::inline RONDO_ABI::detail {

/// In their order, with a stop after so many of them.
class stopping_steering final : public detail::steering {
public:
    explicit stopping_steering(std::size_t after) noexcept : left_(after) {}

    void begin(event_loop& loop) noexcept { loop_ = &loop; }
    void end() noexcept { left_ = 0; }

    std::size_t choose(std::size_t) noexcept override {
        if (left_ != 0 && --left_ == 0) {
            has_stopped_ = true;
            loop_->stop();
        }
        return 0;
    }
    bool has_stopped() const noexcept { return has_stopped_; }

private:
    std::size_t left_;  // zero: none
    event_loop* loop_ = nullptr;
    bool has_stopped_ = false;
};

/// `examine()`, or `examine(at)`; zero: nothing was done to that run.
template <class Check>
void call_check(Check& examine, std::size_t at) {
    if constexpr (requires { examine(at); })
        examine(at);
    else
        examine();
}

/// The run of a sweep, by what was done to it. Says on stderr which one it was when `f()` throws, and lets that pass.
template <class F>
void tell_run(const char* sweep, const char* what, std::size_t at, F f) {
    detail::guarded(f, [&](std::exception_ptr error) {
        const std::string n = std::to_string(at);
        std::fputs(
            ("rondo: " + std::string(sweep) + " failed: " + what + " " + n + "; this run alone: only = " + n + "\n")
                .c_str(),
            stderr);
        detail::rethrow(std::move(error));
    });
}

inline void require_no_leak(std::size_t before, const char* sweep, const char* what, std::size_t at) {
    if (testing::live_frames() <= before) return;
    detail::raise<std::logic_error>(std::string("rondo: ") + sweep + ": " +
                                    std::to_string(testing::live_frames() - before) + " frames have leaked: " + what +
                                    " " + std::to_string(at));
}

}  // namespace rondo::inline RONDO_ABI::detail

namespace rondo::inline RONDO_ABI::testing {

/// Runs `make_task()`, which gives a task<>, again and again under virtual time, each time on a new loop: cancelled when the loop has taken one step, two,
/// three, ... until it ends by itself before that: the last run is undisturbed. After each run, when its loop is gone,
/// `examine()` is called (or `examine(n)`: cancelled after n steps; zero for the last run). Returns the number of runs that were cancelled.
/// Tasks that it has spawned are cancelled with the loop. The program must end by itself: a sweep of one that does not, does not either.
///
///     testing::cancel_sweep([&] { return transfer(from, to); }, [&] { CHECK(from.sum() + to.sum() == 100); });
///
/// Throws: what examine throws; what the undisturbed run throws; std::logic_error when frames are left after examine, which is to let go
///         of handles that outlive a run. Exceptions of the cancelled runs are dropped. Which run it was is said on stderr.
/// `only`: not zero: only the run that is cancelled after so many steps, to look at one that failed. A program that ends
///         before runs undisturbed: zero is returned.
template <class MakeTask, class Check>
std::size_t cancel_sweep(MakeTask&& make_task, Check&& examine, std::size_t only = 0) {
    for (std::size_t at = only != 0 ? only : 1;; ++at) {
        const std::size_t before = live_frames();
        detail::stopping_steering steering(at);
        std::exception_ptr error;
        bool was_cancelled = false;
        {
            detail::steered_loop loop(steering);
            loop.on_unhandled_exception([&](std::exception_ptr e) {
                if (!error) error = std::move(e);
            });
            steering.begin(loop);
            auto ended = loop.try_run(make_task());
            steering.end();
            was_cancelled = steering.has_stopped() && ended.is_cancelled();
            if (!error) error = ended.error();
        }
        detail::tell_run("cancel_sweep", "cancelled after step", at, [&] {
            if (!was_cancelled && error) detail::rethrow(error);
            detail::call_check(examine, was_cancelled ? at : 0);
        });
        detail::require_no_leak(before, "cancel_sweep", "cancelled after step", at);
        if (only != 0) return was_cancelled ? 1 : 0;
        if (!was_cancelled) return at - 1;
    }
}

}  // namespace rondo::inline RONDO_ABI::testing
