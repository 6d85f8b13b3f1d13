// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Every operator new of the program, counted, and failing when asked to. Replaces the global functions: include it
// in one file of a program.

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace support {

class allocations {
public:
    static std::size_t count() noexcept { return count_; }

    /// While it lives, the n-th allocation from now on (1: the next) throws std::bad_alloc.
    class failure {
    public:
        explicit failure(std::size_t nth) noexcept { fail_in_ = nth; }
        failure(const failure&) = delete;
        failure& operator=(const failure&) = delete;
        ~failure() { fail_in_ = 0; }
        bool happened() const noexcept { return fail_in_ == 0; }
    };

    static void* allocate(std::size_t size) {
        ++count_;
        if (fail_in_ != 0 && --fail_in_ == 0) throw std::bad_alloc();
        if (void* const memory = std::malloc(size == 0 ? 1 : size)) return memory;
        throw std::bad_alloc();
    }

private:
    static inline std::atomic<std::size_t> count_ = 0;
    static inline std::atomic<std::size_t> fail_in_ = 0;
};

}  // namespace support

// Not inlined: half inlined, g++ takes them for a mismatch.
[[gnu::noinline]] void* operator new(std::size_t size) { return support::allocations::allocate(size); }
[[gnu::noinline]] void* operator new[](std::size_t size) { return support::allocations::allocate(size); }
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
