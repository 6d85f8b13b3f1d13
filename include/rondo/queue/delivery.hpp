// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// A message in work: what message_queue::receive gives.

#include <rondo/base/config.hpp>
#include <rondo/queue/detail/lessor.hpp>

#include <cstddef>
#include <stdexcept>
#include <utility>

namespace rondo::inline RONDO_ABI {

/// A lease on a message that stays in its queue. Movable. Destroyed without ack() it is as nack().
/// If the queue goes first, the message goes with it, and ack() and nack() do nothing.
template <class T>
class delivery {
public:
    delivery(delivery&& other) noexcept : slot_(other.slot_), attempt_(other.attempt_), state_(other.state_) {
        take_from(other);
    }
    delivery& operator=(delivery&& other) noexcept {
        if (this != &other) {
            give_up();
            slot_ = other.slot_;
            attempt_ = other.attempt_;
            state_ = other.state_;
            take_from(other);
        }
        return *this;
    }
    ~delivery() { give_up(); }

    /// The message. It may be changed, and comes back changed.
    /// Throws: std::logic_error after ack() or nack(), when moved from, and when the queue is gone.
    T& operator*() const {
        if (state_ != state::held)
            detail::raise<std::logic_error>(
                state_ == state::detached ? "rondo: this delivery has no message: its queue is gone"
                                          : "rondo: this delivery has no message: it was acknowledged or given back");
        return slot_->message();
    }
    T* operator->() const { return std::addressof(**this); }

    /// How many times the message has been delivered: 1, 2, ...
    std::size_t attempt() const noexcept { return attempt_; }

    /// Removes the message: it has been processed.
    /// Throws: std::logic_error after ack() or nack(), and when moved from.
    void ack() {
        if (end()) slot_->owner().remove(*slot_);
    }

    /// Puts the message back to the front, for another attempt, or to the dead letters.
    /// Throws: as ack.
    void nack() {
        if (end()) slot_->owner().put_back(*slot_);
    }

    /// Whether it still has its message.
    explicit operator bool() const noexcept { return state_ == state::held; }

private:
    friend detail::lessor<T>;
    enum class state : unsigned char { held, ended, detached };

    explicit delivery(detail::message_slot<T>& s) noexcept : slot_(&s), attempt_(s.attempts) { s.holder = this; }

    void take_from(delivery& other) noexcept {
        other.state_ = state::ended;
        if (state_ == state::held) slot_->holder = this;
    }
    /// False: there is no queue any more.
    bool end() {
        if (state_ == state::ended)
            detail::raise<std::logic_error>("rondo: this delivery has been acknowledged or given back already");
        return std::exchange(state_, state::ended) == state::held;
    }
    void give_up() noexcept {
        if (std::exchange(state_, state::ended) == state::held) slot_->owner().put_back(*slot_);
    }
    void detach() noexcept { state_ = state::detached; }

    detail::message_slot<T>* slot_;
    std::size_t attempt_;
    state state_ = state::held;
};

template <class T>
delivery<T> detail::lessor<T>::lease(message_slot<T>& s) noexcept {
    ++s.attempts;
    return delivery<T>(s);
}

template <class T>
void detail::lessor<T>::detach(message_slot<T>& s) noexcept {
    if (s.holder != nullptr) s.holder->detach();
}

}  // namespace rondo::inline RONDO_ABI
