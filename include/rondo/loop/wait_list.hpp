// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// The one wait list. Whatever makes tasks wait (queues, locks, events) keeps them here: first in, first out, removal in O(1), and a record
// of who has been granted what he waited for but has not resumed yet, so that a grant whose receiver is
// cancelled goes on to the next. Waiters lie in the frames of the tasks that wait: no allocation.
//
// A primitive grants in the order of the list, and never lets anybody take what is there while others wait.
// Its awaiters hold a `waiter` each:
//
//     void await_suspend(waker w)   free ? list.grant(waiter, w) : list.add(waiter, w);
//     T    await_resume()           if (waiter.is_granted()) waiter.leave();  ...
//     bool await_cancel() noexcept  if (waiter.leave()) give_back();  return true;
//
// For what is not taken but only waited for: add, tell_front, tell_all.

#include <rondo/base/intrusive_list.hpp>
#include <rondo/core/resumer.hpp>

namespace rondo::inline RONDO_ABI::detail {

class waiter : public list_node {
public:
    waiter() noexcept = default;

    /// Was given what it waits for; its task is ready, or a combinator has taken note.
    bool is_granted() const noexcept { return state_ == state::granted; }
    /// What it waited on has been destroyed: it will never resume, and can only be cancelled.
    bool is_detached() const noexcept { return state_ == state::detached; }

    /// Takes it out of its list. True if it had been granted: what it was given is the caller's to pass on.
    [[gnu::always_inline]] bool leave() noexcept {
        if (state_ == state::idle) return false;  // it did not have to wait, or has been told
        if (is_linked()) unlink();
        const bool granted = is_granted();
        if (granted) state_ = state::idle;
        return granted;
    }

private:
    friend class wait_list;
    enum class state : unsigned char { idle, waiting, granted, detached };

    waker waker_;
    state state_ = state::idle;
};

class wait_list {
public:
    wait_list() noexcept = default;
    wait_list(const wait_list&) = delete;
    wait_list& operator=(const wait_list&) = delete;

    /// Detaches those that are in it.
    ~wait_list() {
        while (!waiting_.empty()) waiting_.pop_front().state_ = waiter::state::detached;
        while (!granted_.empty()) {
            waiter& w = granted_.pop_front();
            w.state_ = waiter::state::detached;
            w.waker_.unwake();
        }
    }

    /// Whether nobody waits. Who was granted does not wait any more.
    bool empty() const noexcept { return waiting_.empty(); }
    waiter& front() noexcept { return waiting_.front(); }

    /// Puts `w` at the end.
    void add(waiter& w, waker who) noexcept {
        w.waker_ = who;
        w.state_ = waiter::state::waiting;
        waiting_.push_back(w);
    }

    /// Grants the first one; its task becomes a ready step.
    waiter& grant_front() noexcept {
        waiter& w = waiting_.pop_front();
        mark(w);
        w.waker_.wake();
        return w;
    }

    /// Grants one that does not have to wait, but has used up its step.
    void grant(waiter& w, waker who) noexcept {
        w.waker_ = who;
        mark(w);
        who.put_off();
    }

    /// Moves `w`, who waits in a list, to the end of `other`, where it waits on.
    static void move(waiter& w, wait_list& other) noexcept {
        w.unlink();
        other.waiting_.push_back(w);
    }

    // The same for what leaves nothing to be taken, such as the news that something has happened: it cannot be taken back, and so
    // not be passed on, and whoever has heard it does not need the list any more.

    void tell_front() noexcept {
        waiter& w = waiting_.pop_front();
        w.state_ = waiter::state::idle;
        w.waker_.wake();
    }
    void tell_all() noexcept {
        intrusive_list<waiter> told;
        told.splice_back(waiting_);
        while (!told.empty()) {
            waiter& w = told.pop_front();
            w.state_ = waiter::state::idle;
            w.waker_.wake();
        }
    }

private:
    void mark(waiter& w) noexcept {
        w.state_ = waiter::state::granted;
        granted_.push_back(w);
    }

    intrusive_list<waiter> waiting_;
    intrusive_list<waiter> granted_;
};

}  // namespace rondo::inline RONDO_ABI::detail
