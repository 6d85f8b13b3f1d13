// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// Threads against a loop, for long.

#include <support/leak_check.hpp>
#include <support/tasks.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <coroutine>
#include <optional>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using rondo::event_loop;
using rondo::task;

namespace {

/// A thread that resumes, in any order it likes, what is given to it.
class worker {
public:
    worker() : thread_([this] { work(); }) {}
    worker(const worker&) = delete;
    worker& operator=(const worker&) = delete;
    ~worker() {
        stop_ = true;
        thread_.join();
    }

    class hop {
    public:
        explicit hop(worker& to) noexcept : to_(to) {}
        hop(const hop&) = delete;
        hop& operator=(const hop&) = delete;
        bool await_ready() const noexcept { return false; }
        void await_suspend(std::coroutine_handle<> waiter) noexcept {
            handle_ = waiter;
            next_ = to_.waiting_.load(std::memory_order_relaxed);
            while (!to_.waiting_.compare_exchange_weak(next_, this, std::memory_order_release)) {
            }
        }
        void await_resume() const noexcept {}

    private:
        friend class worker;
        worker& to_;
        std::coroutine_handle<> handle_;
        hop* next_ = nullptr;
    };

private:
    void work() {
        for (;;) {
            const bool last = stop_;
            for (hop* one = waiting_.exchange(nullptr, std::memory_order_acquire); one != nullptr;) {
                hop* const next = one->next_;
                one->handle_.resume();
                one = next;
            }
            if (last) return;
            std::this_thread::yield();
        }
    }

    std::atomic<hop*> waiting_{nullptr};
    std::atomic<bool> stop_{false};
    std::thread thread_;
};

task<> hops(worker& to, int times, long& total) {
    for (int i = 0; i < times; ++i) {
        co_await worker::hop(to);
        ++total;
    }
}

}  // namespace

TEST_CASE("two hundred thousand hops to another thread and back") {
    worker first;
    worker second;
    long total = 0;
    event_loop loop;
    for (int i = 0; i < 50; ++i) loop.spawn(hops(i % 2 == 0 ? first : second, 4'000, total));
    loop.run();
    CHECK(total == 200'000);
}

TEST_CASE("loops that are destroyed while threads resume and post, two thousand times") {
    worker resumes;
    for (int i = 0; i < 2'000; ++i) {
        long total = 0;
        std::thread posts;
        {
            event_loop loop;
            for (int k = 0; k < 4; ++k) loop.spawn(hops(resumes, 1'000, total));
            posts = std::thread([handle = loop.handle()] {
                while (handle.post([] {})) {
                }
            });
            for (int k = 0; k < i % 20; ++k) loop.poll();
        }
        posts.join();
    }
}

TEST_CASE("a million posts from four threads") {
    event_loop loop;
    std::optional<rondo::work_guard> guard(loop.keep_alive());
    int arrived = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&] {
            for (int i = 0; i < 250'000; ++i) {
                loop.post([&] {
                    if (++arrived == 1'000'000) guard.reset();
                });
            }
        });
    }
    loop.run();
    for (std::thread& one : threads) one.join();
    CHECK(arrived == 1'000'000);
}
