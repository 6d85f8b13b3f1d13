// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// A picture of time: which task ran when, and what it waited for.

#include <rondo/debug/detail/drawing.hpp>
#include <rondo/debug/detail/recorder.hpp>
#include <rondo/debug/detail/trace.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace rondo::inline RONDO_ABI::debug {

/// While it lives, records the steps of all loops that run on this thread, and of each task, or child of a combinator, what it waits for
/// in between. By the loop's time, which may be virtual; outside of loops, where the thread is busy with something else, by the steady clock.
///
///     rondo::debug::timeline picture;
///     rondo::run(five_pages());
///     std::ofstream("five_pages.svg") << picture.svg("Five pages");
///
/// A lane without a name is called as its coroutine. A child that ends in the step in which it began has none; what another runs
/// in that step is its parent's. Made inside
/// a task, it begins with the next round.
///
/// Thread: where it was made; only loops that run there are recorded.
/// Cost:   per step some looks at the clock and some hundred bytes; at the end, it is full after `most` spans and marks, or
///         when there is no memory left, and records no more (is_full tells). Without one, nothing.
class timeline {
public:
    explicit timeline(std::size_t most = 1'000'000) : recorder_(most) {}
    timeline(const timeline&) = delete;
    timeline& operator=(const timeline&) = delete;
    ~timeline() = default;

    /// Marks this moment in the lane of the running task; outside of tasks, in the thread's. Throws: std::bad_alloc.
    void note(std::string_view text) { recorder_.remark_here(text); }

    /// An SVG picture for light and dark pages that needs nothing else: at the top when the thread ran, below it, for the first
    /// `rows` lanes, when each ran, what it waited for, and how late it went on. Throws: std::bad_alloc.
    std::string svg(std::string_view title = "", std::size_t rows = 40) const {
        return detail::drawing(recorder_.result(), rows).draw(title);
    }

    /// The same in the trace event format, for ui.perfetto.dev or chrome://tracing, with every lane. Throws: std::bad_alloc.
    std::string trace_json() const { return detail::trace_writer(recorder_.result()).write(); }

    /// Whether something had no room.
    bool is_full() const noexcept { return recorder_.result().is_full; }

private:
    detail::recorder recorder_;
};

}  // namespace rondo::inline RONDO_ABI::debug
