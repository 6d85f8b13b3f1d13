// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <support/clocks.hpp>
#include <support/foreign.hpp>
#include <support/leak_check.hpp>
#include <support/tasks.hpp>

#include <rondo/core/awaitable.hpp>
#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using rondo::event_loop;
using rondo::task;

namespace {

/// Resumes its waiter from a thread of its own, after `delay`.
class elsewhere {
public:
    explicit elsewhere(std::vector<std::thread>& threads, std::chrono::milliseconds delay = 0ms)
        : threads_(threads), delay_(delay) {}
    elsewhere(const elsewhere&) = delete;
    elsewhere& operator=(const elsewhere&) = delete;

    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiter) {
        threads_.emplace_back([this, waiter, delay = delay_] {
            std::this_thread::sleep_for(delay);
            resumer_ = std::this_thread::get_id();
            waiter.resume();
        });
    }
    std::thread::id await_resume() const noexcept { return resumer_; }

private:
    std::vector<std::thread>& threads_;
    std::chrono::milliseconds delay_;
    std::thread::id resumer_;
};

class joining_threads {
public:
    joining_threads() = default;
    joining_threads(const joining_threads&) = delete;
    joining_threads& operator=(const joining_threads&) = delete;
    ~joining_threads() {
        for (std::thread& one : all) one.join();
    }
    std::vector<std::thread> all;
};

task<> hops(std::vector<std::thread>& threads, int times, int& on_loop_thread, int& resumed_elsewhere) {
    const std::thread::id home = std::this_thread::get_id();
    for (int i = 0; i < times; ++i) {
        const std::thread::id resumer = co_await elsewhere(threads);
        on_loop_thread += std::this_thread::get_id() == home ? 1 : 0;
        resumed_elsewhere += resumer != home ? 1 : 0;
    }
}

task<> waits_elsewhere(std::vector<std::thread>& threads, std::chrono::milliseconds delay, bool& unwound,
                       bool& went_on) {
    support::call_at_exit leave([&] { unwound = true; });
    co_await elsewhere(threads, delay);
    went_on = true;
}

}  // namespace

TEST_CASE("a task that is resumed on another thread goes on on its own loop's thread") {
    joining_threads threads;
    int on_loop_thread = 0;
    int resumed_elsewhere = 0;
    rondo::run(hops(threads.all, 50, on_loop_thread, resumed_elsewhere));
    CHECK(on_loop_thread == 50);
    CHECK(resumed_elsewhere == 50);
}

TEST_CASE("a loop waits for the thread that will resume, and is woken by it") {
    joining_threads threads;
    bool unwound = false;
    bool went_on = false;
    const auto before = std::chrono::steady_clock::now();
    rondo::run(waits_elsewhere(threads.all, 30ms, unwound, went_on));
    CHECK(std::chrono::steady_clock::now() - before >= 30ms);
    CHECK(went_on);
}

TEST_CASE("virtual time waits for the thread that will resume, too") {
    joining_threads threads;
    bool unwound = false;
    bool went_on = false;
    rondo::testing::run(waits_elsewhere(threads.all, 10ms, unwound, went_on));
    CHECK(went_on);
}

TEST_CASE("a task cancelled while a thread works for it is unwound when that thread resumes it") {
    joining_threads threads;
    bool unwound = false;
    bool went_on = false;
    event_loop loop;
    auto handle = loop.spawn(waits_elsewhere(threads.all, 20ms, unwound, went_on));
    loop.poll();
    handle.cancel();
    CHECK(!unwound);
    loop.run();
    CHECK(handle.done());
    CHECK(unwound);
    CHECK(!went_on);
}

TEST_CASE("destroying a loop waits for the threads that will resume its tasks") {
    joining_threads threads;
    bool unwound = false;
    bool went_on = false;
    {
        event_loop loop;
        for (int i = 0; i < 4; ++i) loop.spawn(waits_elsewhere(threads.all, 20ms, unwound, went_on));
        loop.poll();
        CHECK(!loop.close());  // destruction would have to wait
        CHECK(!unwound);
    }
    CHECK(unwound);
    CHECK(!went_on);
}

TEST_CASE("closing a loop again and again, polling in between, tells when destruction will not wait") {
    joining_threads threads;
    bool unwound = false;
    bool went_on = false;
    event_loop loop;
    loop.spawn(waits_elsewhere(threads.all, 20ms, unwound, went_on));
    loop.poll();
    while (!loop.close()) {
        std::this_thread::sleep_for(1ms);
        loop.poll();
    }
    CHECK(unwound);
}
