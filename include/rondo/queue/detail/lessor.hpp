// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Where a message_queue keeps its messages: slots, each of which is free, queued, reserved for a consumer who is about to resume, or leased.
// A message never moves between them.

#include <rondo/base/config.hpp>
#include <rondo/base/intrusive_list.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <utility>

namespace rondo::inline RONDO_ABI {

template <class T>
class delivery;

namespace detail {

template <class T>
class lessor;

template <class T>
class message_slot : public list_node {
public:
    message_slot() noexcept {}
    ~message_slot() {}

    T& message() noexcept { return message_; }
    lessor<T>& owner() const noexcept { return *owner_; }

    std::size_t attempts = 0;
    std::int64_t place = 0;         // of two queued messages the one with the lower place comes first
    delivery<T>* holder = nullptr;  // of a leased one

private:
    friend lessor<T>;

    lessor<T>* owner_ = nullptr;
    bool used_ = false;
    union {
        T message_;
    };
};

template <class T>
class lessor {
public:
    lessor(const lessor&) = delete;
    lessor& operator=(const lessor&) = delete;

    /// A leased message has been processed.
    void remove(message_slot<T>& s) noexcept {
        discard(s);
        settle();
    }

    /// A leased message comes back: to the front, or, after too many attempts, to the dead letters.
    void put_back(message_slot<T>& s) noexcept {
        s.holder = nullptr;
        if (dead_limit_ != 0 && s.attempts >= dead_limit_ && is_buried(s)) return remove(s);
        s.place = --front_;
        queue(nullptr, s);
        settle();
    }

protected:
    explicit lessor(std::size_t capacity) : slots_(new message_slot<T>[capacity]), capacity_(capacity) {
        for (std::size_t i = 0; i < capacity; ++i) {
            slots_[i].owner_ = this;
            free_.push_back(slots_[i]);
        }
    }
    ~lessor() {
        for (std::size_t i = 0; i < capacity_; ++i)
            if (slots_[i].used_) detach(slots_[i]);
        // Only now: a message's destructor may drop deliveries of others.
        for (std::size_t i = 0; i < capacity_; ++i)
            if (slots_[i].used_) std::destroy_at(std::addressof(slots_[i].message_));
    }

    std::size_t places() const noexcept { return capacity_; }
    std::size_t used() const noexcept { return used_; }
    std::size_t queued() const noexcept { return queued_count_; }

    /// Needs room. If the constructor of T throws, nothing has changed.
    template <class U>
    void append(U&& v) {
        message_slot<T>& s = free_.front();
        std::construct_at(std::addressof(s.message_), std::forward<U>(v));
        s.unlink();
        s.used_ = true;
        s.attempts = 0;
        s.place = ++back_;
        ++used_;
        queued_.push_back(s);
        ++queued_count_;
    }

    /// Takes the first message out of the line, for a consumer who will have it leased or not.
    message_slot<T>& reserve() noexcept {
        --queued_count_;
        return queued_.pop_front();
    }
    /// He did not: it is back where it was.
    void unreserve(message_slot<T>& s) noexcept {
        message_slot<T>* before = nullptr;
        for (message_slot<T>* next = queued_.next(nullptr); next != nullptr && next->place < s.place;
             next = queued_.next(before))
            before = next;
        queue(before, s);
        settle();
    }
    delivery<T> lease(message_slot<T>& s) noexcept;

    using burial = bool (*)(void* queue, T& message);
    void set_dead_letters(std::size_t limit, void* queue, burial bury) noexcept {
        dead_limit_ = limit;
        dead_queue_ = queue;
        bury_ = bury;
    }

    /// Something has changed: those who wait may have what they wait for.
    virtual void settle() noexcept = 0;

private:
    static void detach(message_slot<T>& s) noexcept;

    void queue(message_slot<T>* before, message_slot<T>& s) noexcept {
        queued_.insert_after(before, s);
        ++queued_count_;
    }

    void discard(message_slot<T>& s) noexcept {
        if (s.is_linked()) s.unlink();
        std::destroy_at(std::addressof(s.message_));
        s.used_ = false;
        s.holder = nullptr;
        --used_;
        free_.push_back(s);
    }

    bool is_buried(message_slot<T>& s) noexcept {
        bool taken = false;
        guarded([&] { taken = bury_(dead_queue_, s.message_); }, [](const std::exception_ptr&) {});
        return taken;
    }

    std::unique_ptr<message_slot<T>[]> slots_;
    std::size_t capacity_;
    std::size_t used_ = 0;
    std::size_t queued_count_ = 0;
    std::int64_t front_ = 0;  // the lowest place that was given
    std::int64_t back_ = 0;   // the highest one
    intrusive_list<message_slot<T>> free_;
    intrusive_list<message_slot<T>> queued_;
    std::size_t dead_limit_ = 0;  // none
    void* dead_queue_ = nullptr;
    burial bury_ = nullptr;
};

}  // namespace detail
}  // namespace rondo::inline RONDO_ABI
