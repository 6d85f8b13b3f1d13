// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// A first-in, first-out buffer of a fixed capacity, allocated once. The queues keep their messages in it.

#include <rondo/base/config.hpp>

#include <cstddef>
#include <memory>
#include <utility>

namespace rondo::inline RONDO_ABI::detail {

template <class T>
class ring_buffer {
public:
    /// Throws: std::bad_alloc or std::bad_array_new_length when there is no room for `capacity` elements.
    explicit ring_buffer(std::size_t capacity) : slots_(std::allocator<T>().allocate(capacity)), capacity_(capacity) {}
    ring_buffer(const ring_buffer&) = delete;
    ring_buffer& operator=(const ring_buffer&) = delete;
    ~ring_buffer() {
        while (!empty()) pop_front();
        std::allocator<T>().deallocate(slots_, capacity_);
    }

    std::size_t size() const noexcept { return size_; }
    std::size_t capacity() const noexcept { return capacity_; }
    bool empty() const noexcept { return size_ == 0; }
    bool full() const noexcept { return size_ == capacity_; }

    T& front() noexcept { return slots_[first_]; }

    /// Needs room. If the constructor of T throws, nothing has changed.
    template <class... Args>
    void emplace_back(Args&&... args) {
        std::construct_at(slots_ + back_, std::forward<Args>(args)...);
        back_ = after(back_);
        ++size_;
    }

    void pop_front() noexcept {
        std::destroy_at(slots_ + first_);
        first_ = after(first_);
        --size_;
    }

private:
    std::size_t after(std::size_t index) const noexcept { return ++index == capacity_ ? 0 : index; }

    T* slots_;
    std::size_t capacity_;
    std::size_t size_ = 0;
    std::size_t first_ = 0;
    std::size_t back_ = 0;
};

}  // namespace rondo::inline RONDO_ABI::detail
