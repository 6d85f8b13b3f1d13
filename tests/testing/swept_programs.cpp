// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// Programs of the size of an example, cancelled after every step, short of memory for every frame, and in random orders of steps.

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
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using rondo::task;
using support::letters;
using support::sweeps;
using support::tracked;

namespace {

/// `World`: made anew for each run; its program() is swept, and check() holds whatever has become of it.
template <class World>
void sweep_all() {
    std::optional<World> now;
    sweeps::all(
        [&] {
            now.emplace();
            return now->program();
        },
        [&] {
            now->check();
            now.reset();
            CHECK(tracked::live() == 0);
        });
}

/// A producer, three workers, and a queue that is closed at the end.
class worker_pool {
public:
    task<> program() {
        co_await rondo::with_task_group([this](rondo::task_group& group) -> task<> {
            for (int i = 0; i < 3; ++i) group.spawn(works(), "worker");
            for (int i = 0; i < 6; ++i) co_await post.sends(box, i);
            box.close();
        });
    }
    void check() {
        post.drain(box);
        CHECK(post.are_all_there());
    }

private:
    task<> works() {
        while (const auto letter = co_await box.pop()) {
            post.read.push_back(letter->number());
            co_await rondo::sleep(letter->number() * 1ms);
        }
    }

    support::letter_box box{2};
    letters post;
};

/// Transfers between accounts, each of which is behind a lock and needs two steps that belong together.
class bank {
public:
    bank() : accounts(3, 100) {}

    task<> program() {
        co_await rondo::when_all(transfers(0, 1, 10), transfers(1, 2, 20), transfers(2, 0, 30), audits());
    }
    void check() {
        CHECK(std::accumulate(accounts.begin(), accounts.end(), 0) == 300);
        CHECK(!books.is_locked());
        for (const int sum : audited) CHECK(sum == 300);
    }

private:
    /// Takes its frames before the money moves, and lets nobody stop it in the middle.
    task<> transfers(std::size_t from, std::size_t to, int amount) {
        const auto guard = co_await books.scoped_lock();
        co_await rondo::uncancellable(moves(from, to, amount));
    }
    task<> moves(std::size_t from, std::size_t to, int amount) {
        accounts[from] -= amount;
        co_await rondo::yield();
        accounts[to] += amount;
    }
    task<> audits() {
        for (int i = 0; i < 3; ++i) {
            const auto guard = co_await books.scoped_lock();
            audited.push_back(std::accumulate(accounts.begin(), accounts.end(), 0));
            co_await rondo::yield();
        }
    }

    rondo::mutex books;
    std::vector<int> accounts;
    std::vector<int> audited;
};

/// Connections that are opened, used for a while or not, and closed by a cleanup that takes time.
class connections {
public:
    task<> program() {
        std::vector<task<>> all;
        for (int i = 0; i < 4; ++i) all.push_back(uses(i));
        co_await rondo::when_all_limited(3, std::move(all));
    }
    void check() {
        CHECK(open == 0);
        CHECK(most <= 2);
        CHECK(places.available() == 2);
        CHECK(goodbyes <= 4);
    }

private:
    task<> uses(int number) {
        const auto permit = co_await places.scoped_acquire();
        most = std::max(most, ++open);
        const support::call_at_exit closes([this] { --open; });
        const auto talk = [this, number]() -> task<> {
            ++talks;
            (void)co_await rondo::try_with_timeout(number * 2ms, support::nap(3ms));
        };
        const auto says_goodbye = [this]() -> task<> {
            ++goodbyes;
            co_await rondo::yield();
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
class reliable_jobs {
public:
    reliable_jobs() : jobs(3), given_up(10) { jobs.dead_letters(3, given_up); }

    task<> program() {
        co_await rondo::with_task_group([this](rondo::task_group& group) -> task<> {
            group.spawn(works());
            group.spawn(works());
            for (int i = 0; i < 4; ++i) {
                co_await jobs.push(i);
                pushed = i + 1;
            }
            co_await jobs.join();
            group.cancel();
        });
        is_over = true;
    }
    void check() {
        CHECK(jobs.in_flight() == 0);
        std::vector<int> all = done;
        while (const auto job = given_up.try_pop()) {
            CHECK(*job == 2);  // the one that always fails
            all.push_back(*job);
        }
        // What is neither done nor given up is still there: nothing is lost, nothing acknowledged twice.
        std::sort(all.begin(), all.end());
        CHECK(std::adjacent_find(all.begin(), all.end()) == all.end());
        const std::size_t accounted = all.size() + jobs.size();
        CHECK(accounted >= static_cast<std::size_t>(pushed));
        CHECK(accounted <= static_cast<std::size_t>(pushed) + 1);  // given room, but not gone on
        if (is_over) CHECK(all == std::vector<int>{0, 1, 2, 3});
    }

private:
    task<> works() {
        while (auto job = co_await jobs.receive()) {
            co_await rondo::sleep(1ms);
            const int number = **job;
            if (number == 2 || (number == 1 && job->attempt() == 1)) continue;  // it comes back
            done.push_back(number);
            job->ack();
        }
    }

    rondo::message_queue<int> jobs;
    rondo::bounded_queue<int> given_up;
    std::vector<int> done;
    int pushed = 0;
    bool is_over = false;
};

/// Numbers from a generator go through a race with a clock, and their sum comes out.
class stream_with_a_clock {
public:
    task<> program() {
        auto source = numbers();
        while (const auto number = co_await source.next()) {
            const auto end = co_await rondo::when_any(support::nap(*number * 1ms), rondo::sleep(3ms));
            (end.index() == 0 ? in_time : late) += 1;
        }
        is_over = true;
    }
    void check() {
        CHECK(live == 0);
        if (is_over) CHECK(in_time + late == 5);
    }

private:
    rondo::async_generator<int> numbers() {
        ++live;
        const support::call_at_exit leaves([this] { --live; });
        for (int i = 0; i < 5; ++i) {
            const tracked local(i);
            co_await rondo::yield();
            co_yield i + 1;
        }
    }

    int in_time = 0, late = 0, live = 0;
    bool is_over = false;
};

/// Producers and consumers round a condition variable, as textbooks have it.
class textbook_buffer {
public:
    task<> program() {
        auto first = rondo::spawn(consumes(3));
        auto second = rondo::spawn(consumes(3));
        co_await rondo::when_all(produces(3), produces(3), first, second);
        is_over = true;
    }
    void check() {
        CHECK(!lock.is_locked());
        CHECK(made == taken + static_cast<int>(items.size()));
        CHECK(items.size() <= 2);
        if (is_over) CHECK(taken == 6);
    }

private:
    task<> produces(int number) {
        for (; number > 0; --number) {
            auto guard = co_await lock.scoped_lock();
            co_await has_room.wait(guard, [this] { return items.size() < 2; });
            items.emplace_back(made++);
            has_items.notify_one();
        }
    }
    task<> consumes(int number) {
        for (; number > 0; --number) {
            auto guard = co_await lock.scoped_lock();
            co_await has_items.wait(guard, [this] { return !items.empty(); });
            items.erase(items.begin());
            ++taken;
            has_room.notify_one();
        }
    }

    rondo::mutex lock;
    rondo::condition_variable has_room, has_items;
    std::vector<tracked> items;
    int made = 0, taken = 0;
    bool is_over = false;
};

/// Three stages that three tasks pass together.
class stages {
public:
    task<> program() {
        rondo::latch all_done(3);
        rondo::event start;
        const auto takes_part = [&]() -> task<> {
            co_await start.wait();
            for (std::size_t stage = 0; stage < 3; ++stage) {
                ++begun[stage];
                co_await meeting.arrive_and_wait();
                if (begun[stage] != 3) is_alone = true;
            }
            all_done.count_down();
        };
        co_await rondo::with_task_group([&](rondo::task_group& group) -> task<> {
            for (int i = 0; i < 3; ++i) group.spawn(takes_part());
            start.set();
            co_await all_done.wait();
        });
        is_over = true;
    }
    void check() {
        CHECK(!is_alone);
        if (is_over) CHECK(begun == std::vector<int>{3, 3, 3});
    }

private:
    rondo::barrier meeting{3};
    std::vector<int> begun = std::vector<int>(3);
    bool is_alone = false;
    bool is_over = false;
};

}  // namespace

TEST_CASE("a worker pool accounts for every letter") { sweep_all<worker_pool>(); }

TEST_CASE("no money is made or lost in a bank") {
    // moves() is one frame, made before anything moves: so also without memory.
    sweep_all<bank>();
}

TEST_CASE("connections are closed, and their places are free again") { sweep_all<connections>(); }

TEST_CASE("jobs are done once, given up, or still there") { sweep_all<reliable_jobs>(); }

TEST_CASE("a stream ends with those who read it") { sweep_all<stream_with_a_clock>(); }

TEST_CASE("a textbook's buffer holds what was made and not taken") { sweep_all<textbook_buffer>(); }

TEST_CASE("stages that are passed together") { sweep_all<stages>(); }

TEST_CASE("such a program has many steps to be cancelled after, and frames to be refused") {
    std::optional<worker_pool> now;
    const auto make = [&] {
        now.emplace();
        return now->program();
    };
    CHECK(rondo::testing::cancel_sweep(make, [&] { now.reset(); }) > 10);
    CHECK(rondo::testing::allocation_sweep(make, [&] { now.reset(); }) > 10);
}
