// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// The threads behind to_thread, by themselves.

#include <support/leak_check.hpp>
#include <support/threads.hpp>

#include <rondo/bridge/detail/thread_pool.hpp>
#include <rondo/rondo.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

namespace {

using rondo::detail::thread_pool;
using support::gate;

/// Calls a function, and counts how often. Its owner may wait for the count, and go.
template <class F>
class task_of final : public rondo::detail::job {
public:
    explicit task_of(F f) : f_(std::move(f)) {}
    void run() noexcept override { f_(); }
    void tell() noexcept override { ++runs; }

    std::atomic<int> runs = 0;

private:
    F f_;
};

void wait_for(const std::atomic<int>& runs, int count = 1) {
    while (runs < count) std::this_thread::yield();
}

/// Occupies one thread.
class blocker {
public:
    blocker() = default;
    blocker(const blocker&) = delete;
    blocker& operator=(const blocker&) = delete;

    void occupy(thread_pool& pool) {
        pool.submit(job_);
        began_.wait();
    }
    void submit(thread_pool& pool) { pool.submit(job_); }
    bool began() { return began_.is_open(); }
    void wait_until_begun() { began_.wait(); }
    void let_go() {
        go_on_.open();
        wait_for(job_.runs);
    }

private:
    class body {
    public:
        explicit body(blocker& b) noexcept : b_(&b) {}
        void operator()() {
            b_->began_.open();
            b_->go_on_.wait();
        }

    private:
        blocker* b_;
    };

    gate began_;
    gate go_on_;
    task_of<body> job_{body(*this)};
};

}  // namespace

TEST_CASE("a pool has no threads before its first job") {
    thread_pool pool(2);
    CHECK(pool.size() == 0);
    task_of job([] {});
    pool.submit(job);
    wait_for(job.runs);
    CHECK(pool.size() == 1);
}

TEST_CASE("a job runs once, on a thread of the pool's") {
    std::thread::id where;
    task_of job([&where] { where = std::this_thread::get_id(); });
    {
        thread_pool pool(2);
        pool.submit(job);
        wait_for(job.runs);
    }
    CHECK(job.runs == 1);
    CHECK(where != std::this_thread::get_id());
    CHECK(where != std::thread::id());
}

TEST_CASE("a job may be submitted again when it has run, by itself too") {
    thread_pool pool(2);
    std::atomic<int> turns = 0;
    rondo::detail::job* self = nullptr;
    task_of job([&] {
        if (++turns < 50) pool.submit(*self);
    });
    self = &job;
    pool.submit(job);
    wait_for(job.runs, 50);
    CHECK(turns == 50);
}

TEST_CASE("a second thread starts where the first is busy, and no third") {
    thread_pool pool(2);
    blocker first;
    blocker second;
    blocker third;
    first.occupy(pool);
    CHECK(pool.size() == 1);
    second.occupy(pool);
    CHECK(pool.size() == 2);
    third.submit(pool);
    CHECK(pool.size() == 2);
    CHECK(!third.began());
    first.let_go();
    third.wait_until_begun();
    CHECK(pool.size() == 2);
    second.let_go();
    third.let_go();
}

TEST_CASE("jobs that wait run in the order in which they came") {
    thread_pool pool(1);
    blocker first;
    first.occupy(pool);
    std::vector<int> order;
    task_of one([&order] { order.push_back(1); });
    task_of two([&order] { order.push_back(2); });
    task_of three([&order] { order.push_back(3); });
    pool.submit(one);
    pool.submit(two);
    pool.submit(three);
    first.let_go();
    wait_for(three.runs);
    CHECK(order == std::vector<int>{1, 2, 3});
    CHECK(pool.size() == 1);
}

TEST_CASE("a job that waits can be withdrawn, and does not run; one that runs, or has run, cannot") {
    thread_pool pool(1);
    blocker first;
    first.occupy(pool);
    task_of waiting([] {});
    task_of stays([] {});
    pool.submit(waiting);
    pool.submit(stays);
    CHECK(pool.withdraw(waiting));
    CHECK(!pool.withdraw(waiting));
    first.let_go();
    wait_for(stays.runs);
    CHECK(waiting.runs == 0);
    CHECK(!pool.withdraw(stays));
    pool.submit(waiting);
    wait_for(waiting.runs);
    CHECK(waiting.runs == 1);
}

TEST_CASE("after a withdrawal there are threads for what comes next") {
    thread_pool pool(2);
    blocker first;
    first.occupy(pool);
    for (int i = 0; i < 20; ++i) {
        blocker second;
        second.occupy(pool);
        task_of waiting([] {});
        pool.submit(waiting);
        CHECK(pool.withdraw(waiting));
        second.let_go();
    }
    CHECK(pool.size() == 2);
    first.let_go();
}

TEST_CASE("two jobs that wait for each other run: an idle thread is not counted twice") {
    for (int i = 0; i < 500; ++i) {
        thread_pool pool(2);
        task_of warm([] {});
        pool.submit(warm);
        if (i % 2 == 0) wait_for(warm.runs);
        support::dawdle(i * 3);
        support::starting_line line(2);
        task_of one([&line] { line.wait(); });
        task_of two([&line] { line.wait(); });
        pool.submit(one);
        pool.submit(two);
        wait_for(one.runs);
        wait_for(two.runs);
        CHECK(pool.size() <= 2);
    }
}

TEST_CASE("a thousand jobs: each once, never more threads than allowed, and the same ones again") {
    constexpr std::size_t many = 1000;
    std::mutex mutex;
    std::set<std::thread::id> ids;
    std::atomic<int> inside = 0;
    std::atomic<int> too_many = 0;
    const auto body = [&] {
        if (++inside > 3) ++too_many;
        {
            const std::lock_guard lock(mutex);
            ids.insert(std::this_thread::get_id());
        }
        support::dawdle(20);
        --inside;
    };
    using job = task_of<decltype(body)>;
    std::vector<std::unique_ptr<job>> jobs;
    for (std::size_t i = 0; i < many; ++i) jobs.push_back(std::make_unique<job>(body));
    thread_pool pool(3);
    for (int again = 1; again <= 2; ++again) {
        for (const auto& one : jobs) pool.submit(*one);
        for (const auto& one : jobs) wait_for(one->runs, again);
    }
    CHECK(std::all_of(jobs.begin(), jobs.end(), [](const auto& one) { return one->runs == 2; }));
    CHECK(too_many == 0);
    CHECK(pool.size() <= 3);
    CHECK(ids.size() <= 3);
}

TEST_CASE("a pool that goes waits for what runs, and for what waits") {
    gate go_on;
    std::atomic<bool> finished = false;
    std::atomic<int> ran = 0;
    task_of slow([&] {
        go_on.wait();
        support::dawdle(10'000);
        finished = true;
    });
    const auto count = [&ran] { ++ran; };
    task_of<decltype(count)> queued[3] = {task_of<decltype(count)>(count), task_of<decltype(count)>(count),
                                          task_of<decltype(count)>(count)};
    {
        thread_pool pool(1);
        pool.submit(slow);
        for (auto& one : queued) pool.submit(one);
        go_on.open();
    }
    CHECK(finished);
    CHECK(ran == 3);
}

TEST_CASE("a pool may go unused, and with idle threads") {
    const thread_pool unused(4);
    thread_pool pool(4);
    blocker all[4];
    for (blocker& one : all) one.occupy(pool);
    CHECK(pool.size() == 4);
    for (blocker& one : all) one.let_go();
}

TEST_CASE("eight threads submit and withdraw: each job runs or was withdrawn, once") {
    constexpr int submitters = 8;
    constexpr int turns = 300;
    std::atomic<int> ran = 0;
    std::atomic<int> withdrawn = 0;
    std::atomic<int> wrong = 0;
    {
        thread_pool pool(2);
        support::starting_line line(submitters);
        support::threads threads;
        for (int me = 0; me < submitters; ++me) {
            threads.start([&, me] {
                line.wait();
                for (int i = 0; i < turns; ++i) {
                    task_of job([&ran] { ++ran; });
                    pool.submit(job);
                    if ((i + me) % 2 == 0) support::dawdle(i % 50);
                    if ((i + me) % 3 != 0 && pool.withdraw(job)) {
                        ++withdrawn;
                        if (job.runs != 0) ++wrong;
                    } else {
                        wait_for(job.runs);
                        if (job.runs != 1 || pool.withdraw(job)) ++wrong;
                    }
                    if (pool.size() > 2) ++wrong;
                }
            });
        }
        threads.join();
    }
    CHECK(wrong == 0);
    CHECK(ran + withdrawn == submitters * turns);
}

TEST_CASE("jobs may submit jobs") {
    thread_pool pool(2);
    task_of inner([] {});
    task_of outer([&] {
        pool.submit(inner);
        wait_for(inner.runs);
    });
    pool.submit(outer);
    wait_for(outer.runs);
    CHECK(inner.runs == 1);
}

TEST_CASE("the program's pool allows min(32, cores + 4) threads") {
    const std::size_t cores = std::thread::hardware_concurrency();
    CHECK(thread_pool::limit() == std::min<std::size_t>(32, cores + 4));
    CHECK(&thread_pool::instance() == &thread_pool::instance());
    CHECK(thread_pool::idle_time == std::chrono::seconds(10));
}
