// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// The root of a tree of tasks: what event_loop::run was given, and each spawned task.

#include <rondo/core/detail/branch.hpp>

#include <exception>

namespace rondo::inline RONDO_ABI::detail {

class root : public branch, public list_node {
public:
    /// What reports call it; null for no name.
    virtual const char* name() const noexcept = 0;

    /// Of one that has ended with an exception that nobody has collected yet: the loop is about to go.
    virtual void loop_ends() noexcept {}

    /// What it has thrown; null if it has not.
    virtual std::exception_ptr failure() const noexcept { return nullptr; }

    scheduler& loop() const noexcept { return *loop_; }
    void cancel() noexcept { branch::cancel(*loop_); }

    frame* child_ended(frame& f) noexcept final {
        end(&f);
        return nullptr;
    }
    frame* child_unwound(frame&) noexcept final {
        end(nullptr);
        return nullptr;
    }
    frame* parent() noexcept final { return nullptr; }

protected:
    root(scheduler& loop, frame& top) noexcept : branch(&top), loop_(&loop) {}
    ~root() = default;

    /// `f` has run to its end and is to be destroyed; null: it was cancelled, and is gone. The last call
    /// to the root: it may destroy itself.
    virtual void ended(frame* f) noexcept = 0;

private:
    void end(frame* f) noexcept {
        detach_top(*loop_);
        if (is_linked()) unlink();  // from the loop's list of tasks
        ended(f);
    }

    scheduler* loop_;
};

}  // namespace rondo::inline RONDO_ABI::detail
