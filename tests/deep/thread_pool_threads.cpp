// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// The ten seconds after which a thread without work leaves.

#include <support/leak_check.hpp>
#include <support/threads.hpp>

#include <rondo/bridge/detail/thread_pool.hpp>
#include <rondo/rondo.hpp>

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <chrono>
#include <thread>

namespace {

using namespace std::chrono_literals;
using rondo::detail::thread_pool;

class meeting final : public rondo::detail::job {
public:
    explicit meeting(support::starting_line& line) noexcept : line_(&line) {}
    void run() noexcept override { line_->wait(); }
    void tell() noexcept override { ++runs; }
    void wait() const {
        while (runs == 0) std::this_thread::yield();
    }
    std::atomic<int> runs = 0;

private:
    support::starting_line* line_;
};

void meet(thread_pool& pool) {
    support::starting_line line(3);
    meeting all[3] = {meeting(line), meeting(line), meeting(line)};
    for (meeting& one : all) pool.submit(one);
    for (const meeting& one : all) one.wait();
}

}  // namespace

TEST_CASE("threads without work leave after ten seconds, one with work stays, and new ones come when there is more") {
    thread_pool pool(3);
    meet(pool);
    CHECK(pool.size() == 3);
    const auto until = std::chrono::steady_clock::now() + thread_pool::idle_time + 1s;
    while (std::chrono::steady_clock::now() < until) {
        support::starting_line alone(1);
        meeting job(alone);
        pool.submit(job);
        job.wait();
        std::this_thread::sleep_for(100ms);
    }
    CHECK(pool.size() >= 1);
    CHECK(pool.size() <= 3);
    std::this_thread::sleep_for(thread_pool::idle_time + 1s);
    CHECK(pool.size() == 0);
    meet(pool);
    CHECK(pool.size() == 3);
}
