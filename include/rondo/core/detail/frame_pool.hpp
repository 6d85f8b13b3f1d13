// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Where coroutine frames come from: a free list per size class and thread, filled by what is freed. A frame
// may be freed on another thread than the one it came from; each block is one of operator new's, and the
// lists are given back when their thread ends. The fast path is three instructions each way; everything
// unusual (first use, big frames, AddressSanitizer, injected failures, a thread on its way out) empties the
// lists or clears `recycles_`, and so arrives in the slow path without a test of its own.

#include <rondo/base/config.hpp>

#include <cstddef>
#include <new>

#if defined(__ELF__)
extern "C" {
// AddressSanitizer's runtime, if it is linked in.
__attribute__((weak)) void __asan_poison_memory_region(const volatile void* address, std::size_t size);
__attribute__((weak)) void __asan_unpoison_memory_region(const volatile void* address, std::size_t size);
}
#endif

namespace rondo::inline RONDO_ABI::detail {

class frame_pool {
public:
    static frame_pool& of_this_thread() noexcept { return pool_; }

    /// Throws: std::bad_alloc.
    void* allocate(std::size_t size) {
        const std::size_t index = class_of(size);
        if (index < classes) [[likely]] {
            if (block* const first = free_[index]; first != nullptr) [[likely]] {
                free_[index] = first->next;
                return first;
            }
        }
        return allocate_slowly(size);
    }

    void deallocate(void* memory, std::size_t size) noexcept {
        const std::size_t index = class_of(size);
        if (index < classes && recycles_) [[likely]]
            free_[index] = ::new (memory) block{free_[index]};
        else
            deallocate_slowly(memory, size);
    }

    /// Frames of this thread that are alive: what it took from operator new, less what it gave back and
    /// what lies in the lists. For tests: it walks the lists.
    std::size_t live() const noexcept {
        std::size_t count = taken_ - poisoned_count_;
        for (const block* list : free_)
            for (; list != nullptr; list = list->next) --count;
        return count;
    }

    /// For tests: lets the n-th allocation from now (1: the next) throw std::bad_alloc; 0 disarms.
    void fail_at(std::size_t n) noexcept {
        fail_in_ = n;
        give_back();
        recycles_ = false;
        if (n == 0) prepare();
    }
    std::size_t failure_in() const noexcept { return fail_in_; }

private:
    struct block {
        block* next;
    };

    static constexpr std::size_t granule = 16;
    static constexpr std::size_t classes = 64;
    // Class n has room for 16n + 8 bytes: what is left of a block of 16n + 16 when malloc has taken a word for itself.
    static constexpr std::size_t class_of(std::size_t size) noexcept { return (size + granule / 2 - 1) / granule; }
    static constexpr std::size_t room_of(std::size_t index) noexcept { return index * granule + granule / 2; }
    static constexpr std::size_t rounded(std::size_t size) noexcept { return room_of(class_of(size)); }

    // Neither is inlined: they are the rare way, and would swell every coroutine.
    [[gnu::noinline]] void* allocate_slowly(std::size_t size) {
        if (fail_in_ != 0 && --fail_in_ == 0) {
            fail_in_ = 0;
            prepare();
            raise<std::bad_alloc>();
        }
        if (!prepared_ && !retired_ && fail_in_ == 0) prepare();
        if (const std::size_t index = class_of(size); index < classes && poisoned_[index] != nullptr) {
            block* const first = poisoned_[index];
            unpoison(first, rounded(size));
            poisoned_[index] = first->next;
            --poisoned_count_;
            return first;
        }
        void* const memory = ::operator new(rounded(size));
        ++taken_;
        return memory;
    }

    [[gnu::noinline]] void deallocate_slowly(void* memory, std::size_t size) noexcept {
        if (const std::size_t index = class_of(size); index < classes && poisons() && prepared_ && fail_in_ == 0) {
            poisoned_[index] = ::new (memory) block{poisoned_[index]};
            ++poisoned_count_;
            poison(memory, rounded(size));
            return;
        }
        --taken_;
        ::operator delete(memory);
    }

    void prepare() noexcept {
        if constexpr (!threads_end_well) return;  // without lists there is nothing to give back
        thread_local retirement at_thread_exit;
        at_thread_exit.pool = this;
        prepared_ = true;
        recycles_ = !poisons();
    }

    void give_back() noexcept {
        for (std::size_t index = 0; index < classes; ++index) {
            while (block* const first = free_[index]) {
                free_[index] = first->next;
                --taken_;
                ::operator delete(first);
            }
            while (block* const first = poisoned_[index]) {
                unpoison(first, room_of(index));
                poisoned_[index] = first->next;
                --poisoned_count_;
                --taken_;
                ::operator delete(first);
            }
        }
    }

    struct retirement {
        frame_pool* pool = nullptr;
        ~retirement() {
            pool->give_back();
            pool->recycles_ = pool->prepared_ = false;
            pool->retired_ = true;
        }
    };

#if defined(__ELF__)
    static bool poisons() noexcept { return &__asan_poison_memory_region != nullptr; }
    static void poison(void* memory, std::size_t size) noexcept { __asan_poison_memory_region(memory, size); }
    static void unpoison(void* memory, std::size_t size) noexcept {
        if (poisons()) __asan_unpoison_memory_region(memory, size);
    }
#else
    static bool poisons() noexcept { return false; }
    static void poison(void*, std::size_t) noexcept {}
    static void unpoison(void*, std::size_t) noexcept {}
#endif

    block* free_[classes] = {};
    bool recycles_ = false;          // what is freed goes to free_
    bool prepared_ = false;          // the thread's end will give the lists back
    bool retired_ = false;           // it has; from now on straight from and to operator new and delete
    std::size_t taken_ = 0;          // blocks from operator new, not given back
    std::size_t fail_in_ = 0;        // allocations until the one that fails; 0: none will
    block* poisoned_[classes] = {};  // in place of free_ under AddressSanitizer
    std::size_t poisoned_count_ = 0;

    static thread_local constinit frame_pool pool_;
};

inline thread_local constinit frame_pool frame_pool::pool_{};

/// Base of what is allocated like a frame.
class from_frame_pool {
public:
    static void* operator new(std::size_t size) { return frame_pool::of_this_thread().allocate(size); }
    static void operator delete(void* memory, std::size_t size) noexcept {
        frame_pool::of_this_thread().deallocate(memory, size);
    }
};

}  // namespace rondo::inline RONDO_ABI::detail
