// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Keeps an idle loop waiting for work from outside.

#include <rondo/loop/detail/mailbox.hpp>

#include <utility>

namespace rondo::inline RONDO_ABI {

/// While it lives, a loop with nothing to do waits instead of giving up: run() does not return, and no
/// deadlock is reported. Movable. From event_loop::keep_alive(). May outlive the loop.
/// Thread: it may be destroyed on any thread.
class [[nodiscard("the loop is kept alive for as long as the guard lives")]] work_guard {
public:
    work_guard(work_guard&& other) noexcept : box_(std::exchange(other.box_, nullptr)) {}
    work_guard& operator=(work_guard&& other) noexcept {
        work_guard moved(std::move(other));
        std::swap(box_, moved.box_);
        return *this;
    }
    // Not inlined, or g++ 12 finds that the guard in an empty std::optional "may be used uninitialized".
    [[gnu::noinline]] ~work_guard() { reset(); }

    /// Ends it early.
    void reset() noexcept {
        if (detail::mailbox* const box = std::exchange(box_, nullptr)) {
            box->let_go();
            box->release();
        }
    }

private:
    friend class event_loop;
    explicit work_guard(detail::mailbox& box) noexcept : box_(&box) {
        box.retain();
        box.hold();
    }

    detail::mailbox* box_;
};

}  // namespace rondo::inline RONDO_ABI
