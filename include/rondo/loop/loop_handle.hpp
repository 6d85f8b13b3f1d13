// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// A way to reach a loop that may be gone: what other threads, callbacks and bridges keep.

#include <rondo/loop/detail/call.hpp>

#include <utility>

namespace rondo::inline RONDO_ABI {

/// Refers to a loop without keeping it alive. Copyable. From event_loop::handle().
/// Thread: any; a single handle object is not to be used by two threads at once, copies are.
class loop_handle {
public:
    loop_handle(const loop_handle& other) noexcept : box_(other.box_) {
        if (box_ != nullptr) box_->retain();
    }
    loop_handle(loop_handle&& other) noexcept : box_(std::exchange(other.box_, nullptr)) {}
    loop_handle& operator=(loop_handle other) noexcept {
        std::swap(box_, other.box_);
        return *this;
    }
    ~loop_handle() {
        if (box_ != nullptr) box_->release();
    }

    /// Runs `f()` on the loop's thread, as a ready step of its own. False when the loop is gone: `f` is
    /// destroyed unrun. (True promises no more than that the loop was there: one that ends before the turn
    /// of `f` destroys it unrun, too.)
    /// Throws: std::bad_alloc, and what moving `f` throws.
    /// Cost:   one allocation.
    template <class F>
    bool post(F&& f) const {
        return box_ != nullptr && detail::post_to(*box_, std::forward<F>(f));
    }

private:
    friend class event_loop;
    explicit loop_handle(detail::mailbox& box) noexcept : box_(&box) { box.retain(); }

    detail::mailbox* box_;
};

}  // namespace rondo::inline RONDO_ABI
