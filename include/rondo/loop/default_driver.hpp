// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// The driver that every platform has: the steady clock and a condition variable. No polling, and no
// processor time while it waits.

#include <rondo/base/config.hpp>
#include <rondo/loop/driver.hpp>

#include <optional>
#include <utility>

#if RONDO_HAS_THREADS
#include <atomic>
#include <condition_variable>
#include <mutex>
#else
#include <time.h>
#endif

namespace rondo::inline RONDO_ABI {

#if RONDO_HAS_THREADS

class default_driver final : public driver {
public:
    default_driver() = default;
    /// The waiting thread may destroy it as soon as it is woken: the others must be through.
    ~default_driver() override {
        while (waking_.load(std::memory_order_acquire) != 0) {
        }
    }

    time_point now() noexcept override { return time_point::clock::now(); }

    void wait(std::optional<time_point> deadline) override {
        std::unique_lock lock(mutex_);
        const auto is_woken = [this] { return woken_; };
        if (!deadline)
            changed_.wait(lock, is_woken);
        else if (*deadline > time_point::clock::now())  // asked first, for a mere look must not cost a system call
            changed_.wait_until(lock, *deadline, is_woken);
        woken_ = false;
    }

    void wake() noexcept override {
        waking_.fetch_add(1, std::memory_order_relaxed);
        {
            std::lock_guard lock(mutex_);
            woken_ = true;
        }
        changed_.notify_one();  // without the lock, which the woken thread takes at once
        waking_.fetch_sub(1, std::memory_order_release);
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool woken_ = false;
    std::atomic<int> waking_{0};  // threads inside wake()
};

#else

/// Of a system without threads: nothing can come while it waits.
class default_driver final : public driver {
public:
    default_driver() = default;

    time_point now() noexcept override { return time_point::clock::now(); }

    void wait(std::optional<time_point> deadline) override {
        if (std::exchange(woken_, false)) return;
        if (!deadline) detail::fatal("rondo: the loop waits for another thread, and there are none");
        const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(*deadline - now()).count();
        if (left <= 0) return;
        timespec time = {};
        time.tv_sec = static_cast<time_t>(left / 1'000'000'000);
        time.tv_nsec = static_cast<long>(left % 1'000'000'000);
        ::nanosleep(&time, nullptr);
    }

    void wake() noexcept override { woken_ = true; }

private:
    bool woken_ = false;
};

#endif

}  // namespace rondo::inline RONDO_ABI
