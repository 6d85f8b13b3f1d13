// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// What mutex and semaphore are made of: a number of permits, and those who wait for one. A permit that is given back while
// somebody waits is his at once: nobody who comes later can take it.

#include <rondo/base/misuse.hpp>
#include <rondo/core/awaitable.hpp>
#include <rondo/loop/detail/root.hpp>
#include <rondo/loop/wait_list.hpp>

#include <cstddef>
#include <utility>

namespace rondo::inline RONDO_ABI::detail {

class permits : public holdings {
public:
    permits(const permits&) = delete;
    permits& operator=(const permits&) = delete;

    /// Never while somebody waits.
    bool is_free() const noexcept { return available_ != 0; }
    void take() noexcept { --available_; }
    void give(std::size_t n) noexcept {
        if (waiters_.empty())
            available_ += n;
        else
            hand_over(n);
    }

    /// Takes a permit for one who does not have to wait, or lets him wait.
    void request(waiter& w, waker who) noexcept {
        if (is_free()) {
            take();
            waiters_.grant(w, who);
        } else {
            waiters_.add(w, who);
        }
    }

    /// Lets `w`, who waits in another list, wait here instead.
    void admit(waiter& w) noexcept {
        wait_list::move(w, waiters_);
        hand_over(std::exchange(available_, 0));
    }

protected:
    explicit permits(std::size_t n) noexcept : available_(n) {}
    ~permits() = default;

    std::size_t available() const noexcept { return available_; }

private:
    /// `n` permits, to those who wait.
    [[gnu::noinline]] void hand_over(std::size_t n) noexcept {
        for (; n != 0 && !waiters_.empty(); --n) waiters_.grant_front();
        available_ += n;
    }

    std::size_t available_;
    wait_list waiters_;
};

/// Waits for a permit of `Owner`, which turns it into a `Held` (void: nobody looks after it).
template <class Owner, class Held>
class acquire_awaiter final : private waiter {
public:
    explicit acquire_awaiter(Owner& owner) noexcept : owner_(&owner) {}
    acquire_awaiter(const acquire_awaiter&) = delete;
    acquire_awaiter& operator=(const acquire_awaiter&) = delete;

    bool await_ready() const noexcept { return owner_->is_free() && scheduler::current()->spend(); }
    void await_suspend(waker w) noexcept { owner_->request(*this, w); }
    [[gnu::always_inline]] Held await_resume() noexcept {
        if (!leave()) owner_->take();
        return owner_->template held<Held>();
    }
    bool await_cancel() noexcept {
        if (!is_detached() && leave()) owner_->give(1);
        return true;
    }
    wait_info await_describe() const noexcept {
        if (is_detached()) return wait_info(Owner::wait_is_over, nullptr);
        wait_info info(Owner::wait, owner_);
        info.held = owner_;
        return info;
    }

private:
    Owner* owner_;
};

template <class Owner, class Held>
class [[nodiscard("co_await it")]] acquiring : public unawaited<Held> {
public:
    explicit acquiring(Owner& owner) noexcept : owner_(&owner) {}
    auto operator co_await() const noexcept { return acquire_awaiter<Owner, Held>(*owner_); }

private:
    Owner* owner_;
};

}  // namespace rondo::inline RONDO_ABI::detail
