// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// A first-in, first-out buffer of a fixed capacity, allocated once, which can also give away an element from further behind
// without moving any other. The queues keep their messages in it.

#include <rondo/base/config.hpp>

#include <cstddef>
#include <memory>
#include <utility>

namespace rondo::inline RONDO_ABI::detail {

/// Elements stay in their slots; `order_` is a circular permutation of the slots, of which size() from first_ on
/// are in use, oldest first, and the rest are free. Pushing and popping read it; only erase(n > 0) changes it.
template <class T>
class ring_buffer {
public:
    /// Throws: std::bad_alloc or std::bad_array_new_length when there is no room for `capacity` elements.
    explicit ring_buffer(std::size_t capacity)
        : order_(new std::size_t[capacity]), slots_(std::allocator<T>().allocate(capacity)), capacity_(capacity) {
        for (std::size_t i = 0; i < capacity; ++i) order_[i] = i;
    }
    ring_buffer(const ring_buffer&) = delete;
    ring_buffer& operator=(const ring_buffer&) = delete;
    ~ring_buffer() {
        while (!empty()) erase(0);
        std::allocator<T>().deallocate(slots_, capacity_);
    }

    std::size_t size() const noexcept { return size_; }
    std::size_t capacity() const noexcept { return capacity_; }
    bool empty() const noexcept { return size_ == 0; }
    bool full() const noexcept { return size_ == capacity_; }

    /// The n-th oldest.
    T& operator[](std::size_t n) noexcept { return slots_[order_[n == 0 ? first_ : place(n)]]; }

    /// Needs room. If the constructor of T throws, nothing has changed.
    template <class... Args>
    void emplace_back(Args&&... args) {
        std::construct_at(slots_ + order_[back_], std::forward<Args>(args)...);
        if (++back_ == capacity_) back_ = 0;
        ++size_;
    }

    /// Destroys the n-th oldest. Cost: O(n).
    void erase(std::size_t n) noexcept {
        if (n != 0) [[unlikely]]
            bring_to_front(n);
        std::destroy_at(slots_ + order_[first_]);
        if (++first_ == capacity_) first_ = 0;
        --size_;
    }

private:
    std::size_t place(std::size_t n) const noexcept {
        const std::size_t behind = capacity_ - first_;
        return n < behind ? first_ + n : n - behind;
    }

    void bring_to_front(std::size_t n) noexcept {
        std::size_t at = place(n);
        const std::size_t slot = order_[at];
        while (at != first_) {
            const std::size_t before = (at == 0 ? capacity_ : at) - 1;
            order_[at] = order_[before];
            at = before;
        }
        order_[first_] = slot;
    }

    std::unique_ptr<std::size_t[]> order_;
    T* slots_;
    std::size_t capacity_;
    std::size_t size_ = 0;
    std::size_t first_ = 0;
    std::size_t back_ = 0;
};

}  // namespace rondo::inline RONDO_ABI::detail
