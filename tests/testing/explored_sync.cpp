// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// Locks, permits and notifications in every order in which the steps of a few tasks, one of which is cancelled, can come.

#include <support/leak_check.hpp>
#include <support/sweeps.hpp>
#include <support/tasks.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <vector>

using namespace std::chrono_literals;
using rondo::join_handle;
using rondo::task;
using support::sweeps;

namespace {

task<> cancels(join_handle<>& victim) {
    victim.cancel();
    co_return;
}

/// Who has asked for a place inside, who came in, and how many were there at most.
class room {
public:
    room() = default;
    room(const room&) = delete;
    room& operator=(const room&) = delete;

    class visit {
    public:
        visit(room& where, int who) : room_(&where) {
            room_->came.push_back(who);
            room_->most = std::max(room_->most, ++room_->inside);
        }
        visit(const visit&) = delete;
        visit& operator=(const visit&) = delete;
        ~visit() { --room_->inside; }

    private:
        room* room_;
    };

    std::vector<int> asked, came;
    int inside = 0;
    int most = 0;
};

class locked_room : public room {
public:
    task<> enters(int who) {
        asked.push_back(who);
        const auto guard = co_await door.scoped_lock();
        const visit here(*this, who);
        co_await rondo::yield();
    }
    rondo::mutex door;
};

class crowded_room : public room {
public:
    task<> enters(int who) {
        asked.push_back(who);
        const auto permit = co_await seats.scoped_acquire();
        const visit here(*this, who);
        co_await rondo::yield();
    }
    rondo::semaphore seats{2};
};

/// `number` of them go to the room; the first one is cancelled at some point.
template <class Room>
task<> visitors(Room& where, int number, bool with_cancel) {
    std::vector<join_handle<>> all;
    for (int i = 0; i < number; ++i) all.push_back(rondo::spawn(where.enters(i)));
    std::optional<join_handle<>> canceller;
    if (with_cancel) canceller = rondo::spawn(cancels(all.front()));
    for (auto& one : all) (void)co_await one.settled();
    if (canceller) co_await *canceller;
}

/// Those who have come, in the order in which they asked, if the first one is left out who never came.
bool came_in_turn(const room& r) {
    std::vector<int> expected;
    for (const int who : r.asked)
        if (who != 0 || std::count(r.came.begin(), r.came.end(), 0) != 0) expected.push_back(who);
    return r.came == expected;
}

template <class Room, class Check>
rondo::testing::exploration explore_room(int number, bool with_cancel, std::size_t limit, Check check) {
    std::optional<Room> now;
    return sweeps::explore(
        [&] {
            now.emplace();
            return visitors(*now, number, with_cancel);
        },
        [&] {
            CHECK(now->inside == 0);
            CHECK(came_in_turn(*now));
            check(*now);
            now.reset();
        },
        limit);
}

}  // namespace

TEST_CASE("a mutex lets one in at a time, in the order in which they asked") {
    const auto tried = explore_room<locked_room>(3, false, 5'000, [](locked_room& r) {
        CHECK(r.most == 1);
        CHECK(r.came.size() == 3);
        CHECK(!r.door.is_locked());
    });
    CHECK(tried.is_complete);
    CHECK(tried.schedules > 20);
}

TEST_CASE("a cancelled one leaves the mutex to the next, whether he waits, has just been granted it, or is inside") {
    int never_came = 0, came = 0;
    const auto tried = explore_room<locked_room>(3, true, 5'000, [&](locked_room& r) {
        CHECK(r.most == 1);
        CHECK(r.came.size() >= 2);
        CHECK(!r.door.is_locked());
        ++(r.came.size() == 2 ? never_came : came);
    });
    CHECK(tried.is_complete);
    CHECK(tried.schedules > 100);
    CHECK(never_came > 0);
    CHECK(came > 0);
}

TEST_CASE("a semaphore lets two in at a time, in the order in which they asked") {
    const auto tried = explore_room<crowded_room>(3, false, 5'000, [](crowded_room& r) {
        CHECK(r.most <= 2);
        CHECK(r.came.size() == 3);
        CHECK(r.seats.available() == 2);
    });
    CHECK(tried.is_complete);
    CHECK(tried.schedules > 20);
}

TEST_CASE("a cancelled one gives his permit back, at whatever moment") {
    int never_came = 0, came = 0;
    const auto tried = explore_room<crowded_room>(3, true, 5'000, [&](crowded_room& r) {
        CHECK(r.most <= 2);
        CHECK(r.came.size() >= 2);
        CHECK(r.seats.available() == 2);
        ++(r.came.size() == 2 ? never_came : came);
    });
    CHECK(tried.is_complete);
    CHECK(tried.schedules > 100);
    CHECK(never_came > 0);
    CHECK(came > 0);
}

namespace {

/// Jobs that are put under a mutex, and workers who wait for one each.
class office {
public:
    office() = default;
    office(const office&) = delete;
    office& operator=(const office&) = delete;

    task<> works() {
        auto guard = co_await door.scoped_lock();
        co_await changed.wait(guard, [this] { return jobs > 0; });
        --jobs;
        ++done;
    }
    task<> puts(int number) {
        const auto guard = co_await door.scoped_lock();
        jobs += number;
        for (int i = 0; i < number; ++i) changed.notify_one();
    }

    rondo::mutex door;
    rondo::condition_variable changed;
    int jobs = 0;
    int done = 0;
};

/// Two workers; the first is cancelled at some point; a job is put for one of them, and then one for each who may be left.
task<> one_job_for_two(office& o) {
    auto first = rondo::spawn(o.works());
    auto second = rondo::spawn(o.works());
    auto boss = rondo::spawn(o.puts(1));
    auto canceller = rondo::spawn(cancels(first));
    co_await boss;
    co_await canceller;
    const auto end = co_await first.settled();
    // If he was cancelled, the notification he may have had has gone on to the other: otherwise this is a deadlock.
    if (!end.is_cancelled()) co_await o.puts(1);
    co_await second;
}

task<> a_job_for_each(office& o) {
    auto first = rondo::spawn(o.works());
    auto second = rondo::spawn(o.works());
    auto boss = rondo::spawn(o.puts(1));
    auto deputy = rondo::spawn(o.puts(1));
    co_await first;
    co_await second;
    co_await boss;
    co_await deputy;
}

task<> all_are_told(office& o) {
    auto first = rondo::spawn(o.works());
    auto second = rondo::spawn(o.works());
    auto tells = [](office& where) -> task<> {
        const auto guard = co_await where.door.scoped_lock();
        where.jobs += 2;
        where.changed.notify_all();
    };
    auto boss = rondo::spawn(tells(o));
    auto canceller = rondo::spawn(cancels(first));
    (void)co_await first.settled();
    co_await second;
    co_await boss;
    co_await canceller;
}

template <class Program, class Check>
rondo::testing::exploration explore_office(Program program, std::size_t limit, Check check) {
    std::optional<office> now;
    return sweeps::explore(
        [&] {
            now.emplace();
            return program(*now);
        },
        [&] {
            CHECK(!now->door.is_locked());
            check(*now);
            now.reset();
        },
        limit);
}

}  // namespace

TEST_CASE("two workers and two jobs, each with its notification: none is forgotten") {
    const auto tried = explore_office(a_job_for_each, 5'000, [](office& o) {
        CHECK(o.done == 2);
        CHECK(o.jobs == 0);
    });
    CHECK(tried.is_complete);
    CHECK(tried.schedules > 100);
}

TEST_CASE("a notification whose receiver is cancelled goes to the next") {
    int with_both = 0, with_one = 0;
    const auto tried = explore_office(one_job_for_two, 5'000, [&](office& o) {
        CHECK(o.jobs == 0);
        ++(o.done == 2 ? with_both : with_one);
    });
    CHECK(tried.is_complete);
    CHECK(tried.schedules > 100);
    CHECK(with_both > 0);
    CHECK(with_one > 0);
}

TEST_CASE("notify_all reaches who is left when one is cancelled") {
    const auto tried = explore_office(all_are_told, 5'000, [](office& o) { CHECK(o.done + o.jobs == 2); });
    CHECK(tried.is_complete);
    CHECK(tried.schedules > 50);
}

TEST_CASE("a cancelled arrival at a barrier is taken back, and the others meet without him") {
    class meeting {
    public:
        rondo::barrier place{2};
        int met = 0;
    };
    std::optional<meeting> now;
    const auto tried = sweeps::explore(
        [&] {
            now.emplace();
            auto all = [](meeting& m) -> task<> {
                auto comes = [](meeting& w) -> task<> {
                    co_await w.place.arrive_and_wait();
                    ++w.met;
                };
                std::vector<join_handle<>> arrivals;
                for (int i = 0; i < 3; ++i) arrivals.push_back(rondo::spawn(comes(m)));
                auto canceller = rondo::spawn(cancels(arrivals.front()));
                co_await canceller;
                arrivals.push_back(rondo::spawn(comes(m)));
                co_await rondo::sleep(1s);  // by then all have come that can
                for (auto& one : arrivals) one.cancel();
            };
            return all(*now);
        },
        [&] {
            CHECK(now->met >= 2);
            CHECK(now->met <= 4);
            now.reset();
        },
        5'000);
    CHECK(tried.is_complete);
    CHECK(tried.schedules > 20);
}

TEST_CASE("tasks that take two locks in the same order never get stuck") {
    std::optional<rondo::mutex> a, b;
    const auto tried = sweeps::explore(
        [&] {
            a.emplace();
            b.emplace();
            auto all = [](rondo::mutex& first, rondo::mutex& second) -> task<> {
                auto takes_both = [](rondo::mutex& one, rondo::mutex& other) -> task<> {
                    const auto outer = co_await one.scoped_lock();
                    co_await rondo::yield();
                    const auto inner = co_await other.scoped_lock();
                    co_await rondo::yield();
                };
                co_await rondo::with_task_group([&](rondo::task_group& group) -> task<> {
                    for (int i = 0; i < 3; ++i) group.spawn(takes_both(first, second));
                    co_return;
                });
            };
            return all(*a, *b);
        },
        [&] { CHECK((!a->is_locked() && !b->is_locked())); }, 5'000);
    CHECK(tried.is_complete);
    CHECK(tried.schedules > 20);
}
