// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Threads for tests: a gate where one waits until the test opens it, several that begin at the same instant, and a value that
// counts its kind on all of them.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace support {

/// Shut until open() is called; stays open then.
class gate {
public:
    gate() = default;
    gate(const gate&) = delete;
    gate& operator=(const gate&) = delete;

    void open() {
        const std::lock_guard lock(mutex_);
        open_ = true;
        opened_.notify_all();
    }
    void wait() {
        std::unique_lock lock(mutex_);
        opened_.wait(lock, [this] { return open_; });
    }
    bool is_open() {
        const std::lock_guard lock(mutex_);
        return open_;
    }

private:
    std::mutex mutex_;
    std::condition_variable opened_;
    bool open_ = false;
};

/// Threads that are joined at the latest when it goes.
class threads {
public:
    threads() = default;
    threads(const threads&) = delete;
    threads& operator=(const threads&) = delete;
    ~threads() { join(); }

    template <class F>
    void start(F f) {
        all_.emplace_back(std::move(f));
    }
    void join() {
        for (std::thread& one : all_) one.join();
        all_.clear();
    }

private:
    std::vector<std::thread> all_;
};

/// Where a number of threads wait for each other, awake, so that they leave at nearly the same instant.
class starting_line {
public:
    explicit starting_line(int runners) noexcept : missing_(runners) {}
    starting_line(const starting_line&) = delete;
    starting_line& operator=(const starting_line&) = delete;

    void wait() noexcept {
        missing_.fetch_sub(1);
        while (missing_.load() > 0) std::this_thread::yield();
    }

private:
    std::atomic<int> missing_;
};

/// A moment's work that the optimiser leaves in, for races that are to fall a little later from turn to turn.
inline void dawdle(int turns) noexcept {
    std::atomic<int> left = turns;
    while (left.load(std::memory_order_relaxed) > 0) left.fetch_sub(1, std::memory_order_relaxed);
}

/// A value that may live on any thread, and knows how many of its kind do.
class counted {
public:
    explicit counted(int number = 0) noexcept : number_(number) { ++count(); }
    counted(counted&& other) noexcept : number_(std::exchange(other.number_, -1)) { ++count(); }
    counted(const counted& other) noexcept : number_(other.number_) { ++count(); }
    counted& operator=(const counted&) = default;
    ~counted() { --count(); }

    int number() const noexcept { return number_; }
    static int live() noexcept { return count(); }

private:
    static std::atomic<int>& count() noexcept {
        static std::atomic<int> number_of_live = 0;
        return number_of_live;
    }
    int number_;
};

}  // namespace support
