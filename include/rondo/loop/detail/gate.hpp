// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Waiting for something to have happened, which nobody takes away: a flag, a count at zero.

#include <rondo/core/awaitable.hpp>
#include <rondo/loop/wait_list.hpp>

namespace rondo::inline RONDO_ABI::detail {

/// `Gate`: has is_open(), a list waiters_ of those who wait, and what reports say that they wait for.
template <class Gate>
class gate_awaiter : private waiter {
public:
    explicit gate_awaiter(Gate& gate) noexcept : gate_(&gate) {}
    gate_awaiter(const gate_awaiter&) = delete;
    gate_awaiter& operator=(const gate_awaiter&) = delete;

    bool await_ready() const noexcept { return gate_->is_open() && scheduler::current()->spend(); }
    void await_suspend(waker w) noexcept {
        if (gate_->is_open())
            w.put_off();
        else
            gate_->waiters_.add(*this, w);
    }
    void await_resume() const noexcept {}
    bool await_cancel() noexcept {
        leave();
        return true;
    }
    wait_info await_describe() const noexcept {
        return is_detached() ? wait_info(Gate::wait_is_over, nullptr) : wait_info(Gate::wait_name, gate_);
    }

protected:
    Gate* gate_;
};

template <class Gate, class Awaiter>
class [[nodiscard("co_await it")]] gate_wait {
public:
    explicit gate_wait(Gate& gate) noexcept : gate_(&gate) {}
    auto operator co_await() const noexcept { return Awaiter(*gate_); }

private:
    Gate* gate_;
};

}  // namespace rondo::inline RONDO_ABI::detail
