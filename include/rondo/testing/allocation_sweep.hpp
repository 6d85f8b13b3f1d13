// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Running out of memory wherever a frame is made.

#include <rondo/testing/cancel_sweep.hpp>
#include <rondo/testing/frames.hpp>
#include <rondo/testing/run.hpp>

#include <cstddef>
#include <exception>
#include <new>
#include <utility>

namespace rondo::inline RONDO_ABI::testing {

/// Runs `make_task()`, which gives a task<>, again and again under virtual time, with the first, the second, the third ... allocation of a frame (or of
/// a spawned task's record) throwing std::bad_alloc, until none is left to fail: the last run is undisturbed. After each run, when its loop is gone,
/// `examine()` is called (or `examine(n)`: the nth failed; zero for the last run). Returns the number of runs in which one failed.
/// Throws: what examine throws; what a run throws that is no std::bad_alloc; std::logic_error when frames are left after examine. Which run
///         it was is said on stderr.
/// `only`: not zero: only the run in which that one fails.
template <class MakeTask, class Check>
std::size_t allocation_sweep(MakeTask&& make_task, Check&& examine, std::size_t only = 0) {
    for (std::size_t nth = only != 0 ? only : 1;; ++nth) {
        const std::size_t before = live_frames();
        bool failed = false;
        std::exception_ptr error;
        {
            const fail_frame_allocation failure(nth);
            detail::guarded([&] { testing::run(make_task()); }, [&](std::exception_ptr e) { error = std::move(e); });
            failed = failure.happened();
        }
        detail::tell_run("allocation_sweep", "no memory for frame", nth, [&] {
            if (error && !(failed && detail::is_a<std::bad_alloc>(error))) detail::rethrow(error);
            detail::call_check(examine, failed ? nth : 0);
        });
        detail::require_no_leak(before, "allocation_sweep", "no memory for frame", nth);
        if (only != 0) return failed ? 1 : 0;
        if (!failed) return nth - 1;
    }
}

}  // namespace rondo::inline RONDO_ABI::testing
