// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// Programs of the size of an example, under every sweep there is: see support/sweeps.hpp.

#include <support/journal.hpp>
#include <support/leak_check.hpp>
#include <support/letters.hpp>
#include <support/sweeps.hpp>
#include <support/tasks.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cstddef>
#include <map>
#include <numeric>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using rondo::task;
using support::disturbance;
using support::letters;
using support::sweeps;
using support::swept;
using support::tracked;

namespace {

/// A producer, three workers, and a queue that is closed at the end.
class worker_pool final : public swept {
public:
    task<> program() override {
        co_await rondo::with_task_group([this](rondo::task_group& group) -> task<> {
            for (int i = 0; i < 3; ++i) may_lose(group.spawn(works(), "worker"));
            for (int i = 0; i < 6; ++i) co_await post.sends(box, i);
            box.close();
        });
    }
    void check(disturbance by) override {
        post.drain(box);
        REQUIRE(post.are_all_there());
        if (by == disturbance::none && is_in_order()) REQUIRE(std::is_sorted(post.read.begin(), post.read.end()));
        if (by == disturbance::none || by == disturbance::loss) REQUIRE(post.number_read() == 6);
    }

private:
    task<> works() {
        const presence here(*this);
        while (const auto letter = co_await box.pop()) {
            post.read.push_back(letter->number());
            point();
            co_await rondo::sleep(letter->number() * 1ms);
            point();
        }
    }

    support::letter_box box{2};
    letters post;
};

/// Transfers between accounts, each of which is behind a lock and needs two steps that belong together.
class bank final : public swept {
public:
    bank() : accounts(3, 100) {}

    task<> program() override {
        co_await rondo::with_task_group([this](rondo::task_group& group) -> task<> {
            may_lose(group.spawn(transfers(0, 1, 10)));
            may_lose(group.spawn(transfers(1, 2, 20)));
            group.spawn(transfers(2, 0, 30));
            co_await audits();
        });
    }
    void check(disturbance by) override {
        REQUIRE(std::accumulate(accounts.begin(), accounts.end(), 0) == 300);
        REQUIRE(!books.is_locked());
        for (const int sum : audited) REQUIRE(sum == 300);
        if (by == disturbance::none) REQUIRE(accounts == std::vector<int>{120, 90, 90});
        if (by == disturbance::none || by == disturbance::loss) REQUIRE(audited.size() == 3);
    }

private:
    /// Takes its frames before the money moves, and lets nobody stop it in the middle: so also without memory.
    task<> transfers(std::size_t from, std::size_t to, int amount) {
        const presence here(*this);
        const auto guard = co_await books.scoped_lock();
        point();
        co_await rondo::uncancellable(moves(from, to, amount));
    }
    task<> moves(std::size_t from, std::size_t to, int amount) {
        accounts[from] -= amount;
        point();
        co_await rondo::yield();
        point();
        accounts[to] += amount;
    }
    task<> audits() {
        for (int i = 0; i < 3; ++i) {
            const auto guard = co_await books.scoped_lock();
            audited.push_back(std::accumulate(accounts.begin(), accounts.end(), 0));
            point();
            co_await rondo::yield();
        }
    }

    rondo::mutex books;
    std::vector<int> accounts;
    std::vector<int> audited;
};

/// Connections that are opened, used for a while or not, and closed by a cleanup that takes time.
class connections final : public swept {
public:
    task<> program() override {
        std::vector<task<>> all;
        for (int i = 0; i < 4; ++i) all.push_back(uses(i));
        co_await rondo::when_all_limited(3, std::move(all));
    }
    void check(disturbance by) override {
        REQUIRE(open == 0);
        REQUIRE(most <= 2);
        REQUIRE(places.available() == 2);
        if (by != disturbance::no_memory) REQUIRE(goodbyes == talks);
        if (by == disturbance::none) REQUIRE(goodbyes == 4);
    }

private:
    task<> uses(int number) {
        const presence here(*this);
        const auto permit = co_await places.scoped_acquire();
        most = std::max(most, ++open);
        const support::call_at_exit closes([this] { --open; });
        const auto talk = [this, number]() -> task<> {
            ++talks;
            const presence inside(*this);
            (void)co_await rondo::try_with_timeout(number * 2ms, support::nap(3ms));
        };
        const auto says_goodbye = [this]() -> task<> {
            const presence inside(*this);
            co_await rondo::yield();
            ++goodbyes;
        };
        co_await rondo::finally(talk(), says_goodbye);
    }

    rondo::semaphore places{2};
    int open = 0;
    int most = 0;
    int talks = 0;
    int goodbyes = 0;
};

/// Jobs that fail now and then, and are tried again until they are acknowledged, or given up after three attempts.
class reliable_jobs final : public swept {
public:
    reliable_jobs() : jobs(3), given_up(10) { jobs.dead_letters(3, given_up); }

    task<> program() override {
        co_await rondo::with_task_group([this](rondo::task_group& group) -> task<> {
            may_lose(group.spawn(works()));
            may_lose(group.spawn(works()));
            group.spawn(works());
            for (int i = 0; i < 4; ++i) {
                co_await jobs.push(i);
                pushed = i + 1;
            }
            co_await jobs.join();
            is_joined = true;
            group.cancel();
        });
    }
    void check(disturbance by) override {
        REQUIRE(jobs.in_flight() == 0);
        REQUIRE(!is_attempt_wrong);
        std::vector<int> all = done;
        while (const auto job = given_up.try_pop()) all.push_back(*job);
        // What is neither done nor given up is still there: nothing is lost, nothing acknowledged twice.
        std::sort(all.begin(), all.end());
        REQUIRE(std::adjacent_find(all.begin(), all.end()) == all.end());
        const std::size_t accounted = all.size() + jobs.size();
        REQUIRE(accounted >= static_cast<std::size_t>(pushed));
        REQUIRE(accounted <= static_cast<std::size_t>(pushed) + 1);  // given room, but not gone on
        if (is_joined) REQUIRE(all == std::vector<int>{0, 1, 2, 3});
        if (by == disturbance::none) REQUIRE(attempts == std::map<int, std::size_t>{{0, 1}, {1, 2}, {2, 3}, {3, 1}});
        if (by == disturbance::loss) REQUIRE(is_joined);
        // Two have begun before 1 came back, to the front.
        if (by == disturbance::none && is_in_order()) REQUIRE(done == std::vector<int>{0, 3, 1});
    }

private:
    task<> works() {
        const presence here(*this);
        while (auto job = co_await jobs.receive()) {
            const int number = **job;
            if (job->attempt() != ++attempts[number]) is_attempt_wrong = true;
            point();
            co_await rondo::sleep(1ms);
            point();
            if (number == 2 || (number == 1 && job->attempt() == 1)) continue;  // it comes back
            done.push_back(number);
            job->ack();
        }
    }

    rondo::message_queue<int> jobs;
    rondo::bounded_queue<int> given_up;
    std::vector<int> done;
    std::map<int, std::size_t> attempts;
    int pushed = 0;
    bool is_attempt_wrong = false;
    bool is_joined = false;
};

/// Numbers from a generator go through a race with a clock.
class stream_with_a_clock final : public swept {
public:
    task<> program() override {
        auto source = numbers();
        while (const auto number = co_await source.next()) {
            point();
            const auto end = co_await rondo::when_any(support::nap(*number * 1ms), rondo::sleep(2500us));
            (end.index() == 0 ? in_time : late) += 1;
        }
    }
    void check(disturbance by) override {
        if (by != disturbance::none) return;
        REQUIRE(in_time == 2);
        REQUIRE(late == 3);
    }

private:
    rondo::async_generator<int> numbers() {
        const presence here(*this);
        for (int i = 0; i < 5; ++i) {
            const tracked local(i);
            co_await rondo::yield();
            point();
            co_yield i + 1;
        }
    }

    int in_time = 0, late = 0;
};

/// Producers and consumers round a condition variable, as textbooks have it.
class textbook_buffer final : public swept {
public:
    task<> program() override {
        co_await rondo::with_task_group([this](rondo::task_group& group) -> task<> {
            may_lose(group.spawn(consumes()));
            may_lose(group.spawn(consumes()));
            group.spawn(consumes());
            auto first = group.spawn(produces(3));
            auto second = group.spawn(produces(3));
            co_await rondo::when_all(first, second);
            const auto guard = co_await lock.scoped_lock();
            is_closed = true;
            has_items.notify_all();
        });
    }
    void check(disturbance by) override {
        REQUIRE(!lock.is_locked());
        REQUIRE(made == taken + static_cast<int>(items.size()));
        REQUIRE(items.size() <= 2);
        if (by == disturbance::none || by == disturbance::loss) REQUIRE(taken == 6);
    }

private:
    task<> produces(int number) {
        const presence here(*this);
        for (; number > 0; --number) {
            auto guard = co_await lock.scoped_lock();
            co_await has_room.wait(guard, [this] { return items.size() < 2; });
            point();
            items.emplace_back(made++);
            has_items.notify_one();
        }
    }
    task<> consumes() {
        const presence here(*this);
        for (;;) {
            auto guard = co_await lock.scoped_lock();
            point();
            co_await has_items.wait(guard, [this] { return !items.empty() || is_closed; });
            point();
            if (items.empty()) co_return;
            items.erase(items.begin());
            ++taken;
            has_room.notify_one();
        }
    }

    rondo::mutex lock;
    rondo::condition_variable has_room, has_items;
    std::vector<tracked> items;
    int made = 0, taken = 0;
    bool is_closed = false;
};

/// Three stages that three tasks pass together.
class stages final : public swept {
public:
    task<> program() override {
        rondo::latch all_done(3);
        rondo::event start;
        co_await rondo::with_task_group([&](rondo::task_group& group) -> task<> {
            for (int i = 0; i < 3; ++i) group.spawn(takes_part(start, all_done));
            start.set();
            co_await all_done.wait();
        });
    }
    void check(disturbance by) override {
        REQUIRE(!is_alone);
        if (by == disturbance::none) REQUIRE(begun == std::vector<int>{3, 3, 3});
    }

private:
    task<> takes_part(rondo::event& start, rondo::latch& all_done) {
        const presence here(*this);
        co_await start.wait();
        for (std::size_t stage = 0; stage < 3; ++stage) {
            ++begun[stage];
            point();
            co_await meeting.arrive_and_wait();
            if (begun[stage] != 3) is_alone = true;
        }
        all_done.count_down();
    }

    rondo::barrier meeting{3};
    std::vector<int> begun = std::vector<int>(3);
    bool is_alone = false;
};

}  // namespace

TEST_CASE("a worker pool accounts for every letter") { sweeps::all<worker_pool>(260, 9); }

TEST_CASE("no money is made or lost in a bank") { sweeps::all<bank>(100, 8); }

TEST_CASE("connections are closed, and their places are free again") { sweeps::all<connections>(50, 17); }

TEST_CASE("jobs are done once, given up, or still there") { sweeps::all<reliable_jobs>(190, 5); }

TEST_CASE("a stream ends with those who read it") { sweeps::all<stream_with_a_clock>(45, 4); }

TEST_CASE("a textbook's buffer holds what was made and not taken") { sweeps::all<textbook_buffer>(260, 18); }

TEST_CASE("stages that are passed together") { sweeps::all<stages>(35, 5); }
