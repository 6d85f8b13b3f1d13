// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Finding out who blocks the loop.

#include <rondo/debug/detail/place.hpp>
#include <rondo/loop/detail/rounds.hpp>
#include <rondo/loop/detail/watch.hpp>

#include <chrono>
#include <exception>
#include <source_location>
#include <string>
#include <utility>

namespace rondo::inline RONDO_ABI::debug {

/// A step that took long. Nobody else could go on meanwhile.
struct slow_step {
    std::string task;           // whose step it was: its name, "a task" for one without, or "a posted function"
    duration took;              // by the loop's clock
    std::source_location from;  // the co_await from which it went on; line zero: the task's beginning
    std::source_location to;    // the co_await where it waits now; line zero: it has ended

    /// In a sentence: "main held the loop for 1.002 s: from pages.cpp:12 (five_pages) to its end".
    std::string text() const {
        const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(took).count();
        std::string fraction = std::to_string(milliseconds % 1000);
        fraction.insert(0, 3 - fraction.size(), '0');
        return task + " held the loop for " + std::to_string(milliseconds / 1000) + '.' + fraction + " s: from " +
               (detail::is_known(from) ? detail::text_of(from) : "its beginning") + " to " +
               (detail::is_known(to) ? detail::text_of(to) : "its end");
    }
};

/// While it lives, calls `handler(const slow_step&)` after each step that took longer than a limit, on any loop that runs on this
/// thread: a task that blocks, or computes, where it should give way (asyncio's slow_callback_duration).
///
///     rondo::debug::slow_steps warn(100ms, [](const rondo::debug::slow_step& s) { std::puts(s.text().c_str()); });
///     rondo::run(serve());
///
/// What the handler throws goes to the loop's on_unhandled_exception. It may spawn, post and cancel; it may not run a loop, or end this.
/// Made inside a task, it begins with the next round. Under virtual time, where steps take none, nothing is slow.
///
/// Thread: where it was made; only loops that run there are watched.
/// Cost:   two looks at the clock per step, and a walk up to the task. Without one, nothing.
template <class F>
class slow_steps final : private detail::watch {
public:
    slow_steps(duration limit, F handler) : limit_(limit), handler_(std::move(handler)) {
        if (detail::scheduler* const here = detail::scheduler::current()) static_cast<detail::rounds*>(here)->follow();
    }

private:
    void enters(detail::rounds&) noexcept override {}
    void leaves(detail::rounds&) noexcept override {}
    void ends(detail::rounds&, detail::branch&) noexcept override {}

    void step_begins(detail::rounds& loop, detail::step& s) noexcept override {
        detail::guarded(
            [&] {
                detail::frame* const f = detail::frame_of(s);
                now_.from = detail::place_of(f);
                const char* const name = f != nullptr ? detail::task_of(f).name() : "a posted function";
                now_.task = name != nullptr ? name : "a task";  // kept: the task may be gone at the end of the step
            },
            [&](const std::exception_ptr&) { now_.task.clear(); });
        began_ = loop.now();
        has_begun_ = true;
    }
    void step_ends(detail::rounds& loop, detail::frame* f) noexcept override {
        if (!std::exchange(has_begun_, false)) return;  // made in this step
        now_.took = loop.now() - began_;
        is_slow_ = now_.took > limit_;
        if (is_slow_) now_.to = detail::place_of(f);
    }
    void step_is_over(detail::rounds& loop) noexcept override {
        if (!std::exchange(is_slow_, false)) return;
        detail::guarded([&] { handler_(std::as_const(now_)); },
                        [&](std::exception_ptr error) { loop.report(std::move(error)); });
    }

    duration limit_;
    F handler_;
    slow_step now_{};
    time_point began_;
    bool has_begun_ = false;
    bool is_slow_ = false;
};

}  // namespace rondo::inline RONDO_ABI::debug
