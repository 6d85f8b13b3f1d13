// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// A first-in, first-out buffer of a fixed capacity, allocated once, whose oldest elements can be promised: set apart from
// the rest, in their order. Bounded queues keep their messages in it. Everything is O(1), and moves no element.

#include <rondo/base/config.hpp>

#include <bit>
#include <cstddef>
#include <memory>
#include <utility>

namespace rondo::inline RONDO_ABI::detail {

/// Elements stay in their slots; what goes round are the slots' numbers. Places count up for ever, and are taken modulo the
/// size of a ring: from first_ to back_ are the slots of elements that are not promised, from there to end_ those that are free; those
/// of the promised elements have a ring of their own.
template <class T>
class ring_buffer {
public:
    /// Throws: std::bad_alloc or std::bad_array_new_length when there is no room for `capacity` elements.
    explicit ring_buffer(std::size_t capacity)
        : mask_(std::bit_ceil(capacity) - 1),
          order_(new std::size_t[2 * (mask_ + 1)]),
          slots_(std::allocator<T>().allocate(capacity)),
          capacity_(capacity),
          end_(capacity) {
        for (std::size_t i = 0; i < capacity; ++i) order_[i] = i;
    }
    ring_buffer(const ring_buffer&) = delete;
    ring_buffer& operator=(const ring_buffer&) = delete;
    ~ring_buffer() {
        while (promised() != 0) pop_promised();
        while (!empty()) pop();
        std::allocator<T>().deallocate(slots_, capacity_);
    }

    /// How many are not promised.
    std::size_t size() const noexcept { return back_ - first_; }
    bool empty() const noexcept { return first_ == back_; }
    std::size_t promised() const noexcept { return back_apart_ - first_apart_; }
    std::size_t capacity() const noexcept { return capacity_; }
    bool full() const noexcept { return back_ == end_; }

    /// The oldest that is not promised.
    T& front() noexcept { return slots_[slot(first_)]; }
    T& promised_front() noexcept { return slots_[slot_apart(first_apart_)]; }

    /// Needs room. If the constructor of T throws, nothing has changed.
    template <class... Args>
    void emplace_back(Args&&... args) {
        std::construct_at(slots_ + slot(back_), std::forward<Args>(args)...);
        ++back_;
    }

    /// Destroys the front.
    void pop() noexcept { free(slot(first_++)); }
    void pop_promised() noexcept { free(slot_apart(first_apart_++)); }

    /// Sets the front apart, behind those that are.
    void promise() noexcept { slot_apart(back_apart_++) = slot(first_++); }
    /// The newest that is promised becomes the front again.
    void take_promise_back() noexcept { slot(--first_) = slot_apart(--back_apart_); }

private:
    std::size_t& slot(std::size_t place) noexcept { return order_[place & mask_]; }
    std::size_t& slot_apart(std::size_t place) noexcept { return order_[mask_ + 1 + (place & mask_)]; }

    void free(std::size_t n) noexcept {
        std::destroy_at(slots_ + n);
        slot(end_++) = n;
    }

    std::size_t mask_;
    std::unique_ptr<std::size_t[]> order_;
    T* slots_;
    std::size_t capacity_;
    std::size_t first_ = 0;
    std::size_t back_ = 0;
    std::size_t end_;
    std::size_t first_apart_ = 0;
    std::size_t back_apart_ = 0;
};

}  // namespace rondo::inline RONDO_ABI::detail
