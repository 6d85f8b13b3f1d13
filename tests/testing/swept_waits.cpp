// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// A small program for each thing that tasks wait on, queues and locks, under every sweep there is: see support/sweeps.hpp. Some of those
// who wait may be lost at any time, and the others get what was theirs.

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
#include <memory>
#include <optional>
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

/// Whether what is in `part` is in `whole`, in the same order.
bool is_part_of(const std::vector<int>& part, const std::vector<int>& whole) {
    auto next = whole.begin();
    for (const int one : part) {
        next = std::find(next, whole.end(), one);
        if (next++ == whole.end()) return false;
    }
    return true;
}

/// Who came, and who was served, each in its order; how many are between the two.
class line {
public:
    line() = default;

    class place {
    public:
        place(line& in, int number) : in_(&in), number_(number) {
            in_->came.push_back(number);
            ++in_->waiting;
        }
        place(const place&) = delete;
        place& operator=(const place&) = delete;
        ~place() {
            if (in_ != nullptr) --in_->waiting;
        }
        void served() {
            in_->served.push_back(number_);
            --std::exchange(in_, nullptr)->waiting;
        }

    private:
        line* in_;
        int number_;
    };

    int waiting = 0;
    std::vector<int> came, served;
};

// ---- Queues ----

/// Letters through a box with one place: those who push and those who pop take turns, give up, and are lost.
class relay final : public swept {
public:
    task<> program() override {
        co_await rondo::with_task_group([this](rondo::task_group& group) -> task<> {
            may_lose(group.spawn(post.reads(box)));
            may_lose(group.spawn(reads_all()));
            may_lose(group.spawn(sends(0)));
            may_lose(group.spawn(sends(10)));
            group.spawn(reads_all());
            auto last = group.spawn(sends(20));
            (void)co_await rondo::try_with_timeout(500us, post.reads(box));
            co_await last;
            co_await rondo::sleep(10ms);  // the others have sent theirs
            box.close();
        });
    }
    void check(disturbance by) override {
        post.drain(box);
        REQUIRE(post.are_all_there());
        if (by == disturbance::none) REQUIRE((post.number_read() == 9 && post.left.empty()));
        if (by == disturbance::loss) REQUIRE(post.left.empty());
        if (by == disturbance::none && is_in_order()) REQUIRE(post.read.front() == 0);
    }

private:
    task<> sends(int first) {
        const presence here(*this);
        for (int i = 0; i < 3; ++i) {
            co_await post.sends(box, first + i);
            point();
        }
    }
    task<> reads_all() {
        const presence here(*this);
        for (;;) {
            const std::size_t place = post.read.size();
            co_await post.reads(box);
            if (post.read[place] == letters::nobody) co_return;
            point();
            if (place % 2 == 0) co_await rondo::sleep(1ms);
        }
    }

    support::letter_box box{1};
    letters post;
};

/// A box that is closed under those who push, one after another, and calls that do not wait, and do not barge.
class closing final : public swept {
public:
    task<> program() override {
        co_await rondo::with_task_group([this](rondo::task_group& group) -> task<> {
            for (int i = 0; i < 4; ++i) may_lose(group.spawn(sends(i)));
            co_await rondo::yield();
            co_await rondo::yield();
            support::move_only_tracked late(9);
            if (pushers.waiting > 0 && box.try_push(std::move(late))) has_barged = true;
            if (const auto one = box.try_pop()) taken.push_back(one->number());
            point();
            co_await rondo::yield();
            box.close();
            if (box.try_push(std::move(late)) || late.number() != 9) has_barged = true;
            group.spawn(takes_the_rest());
        });
    }
    void check(disturbance by) override {
        while (const auto one = box.try_pop()) taken.push_back(one->number());
        REQUIRE(!has_barged);
        REQUIRE(!is_touched);
        REQUIRE(std::is_sorted(taken.begin(), taken.end(), [&](int a, int b) { return place_of(a) < place_of(b); }));
        if (by == disturbance::none) REQUIRE(static_cast<int>(taken.size()) + refused == 4);
        if (by == disturbance::none && is_in_order()) REQUIRE(refused == 2);
    }

private:
    task<> sends(int number) {
        const presence here(*this);
        support::move_only_tracked own(number);
        line::place place(pushers, number);
        try {
            co_await box.push(std::move(own));
            point();
        } catch (const rondo::queue_closed&) {
            ++refused;
            if (own.number() != number || !box.is_closed()) is_touched = true;
        }
        place.served();
    }
    task<> takes_the_rest() {
        while (const auto one = co_await box.pop()) taken.push_back(one->number());
    }
    std::ptrdiff_t place_of(int number) const {
        return std::find(pushers.came.begin(), pushers.came.end(), number) - pushers.came.begin();
    }

    support::letter_box box{1};
    line pushers;
    std::vector<int> taken;
    int refused = 0;
    bool has_barged = false, is_touched = false;
};

/// Operations that never have to wait, more than a step has room for, beside somebody who wants a turn.
class no_waiting final : public swept {
public:
    no_waiting() : numbers(many) {}

    task<> program() override {
        co_await rondo::with_task_group([this](rondo::task_group& group) -> task<> {
            auto counter = group.spawn(counts_turns());
            for (int i = 0; i < many; ++i) co_await numbers.push(i);
            point();
            for (int i = 0; i < many; ++i) {
                const auto guard = co_await lock.scoped_lock();
                const auto permit = co_await permits.scoped_acquire();
                co_await open.wait();
            }
            for (int i = 0; i < many; ++i) read.push_back((co_await numbers.pop()).value());
            point();
            counter.cancel();
        });
    }
    void check(disturbance by) override {
        REQUIRE(std::is_sorted(read.begin(), read.end()));
        REQUIRE(!lock.is_locked());
        REQUIRE(permits.available() == 1);
        if (by != disturbance::none) return;
        REQUIRE(static_cast<int>(read.size()) == many);
        if (is_in_order()) REQUIRE(turns == 4);
    }

private:
    static constexpr int many = 150;

    task<> counts_turns() {
        const presence here(*this);
        for (;;) {
            co_await rondo::yield();
            ++turns;
        }
    }

    rondo::bounded_queue<int> numbers;
    rondo::mutex lock;
    rondo::semaphore permits{1};
    rondo::event open{true};
    std::vector<int> read;
    int turns = 0;
};

/// Messages in races: what is promised to a loser, and what is dropped by who has it, comes back.
class leases final : public swept {
public:
    leases() : jobs(3) {}

    task<> program() override {
        co_await rondo::with_task_group([this](rondo::task_group& group) -> task<> {
            may_lose(group.spawn(races()));
            may_lose(group.spawn(races()));
            group.spawn(races());
            may_lose(group.spawn(joins()));
            may_lose(group.spawn(keeps_one()));
            for (int i = 0; i < 5; ++i) {
                co_await jobs.emplace(i);
                ++pushed;
                point();
            }
            all_pushed.set();
            co_await jobs.join();
            is_joined = jobs.in_flight() == 0 && jobs.empty();
            jobs.close();
        });
    }
    void check(disturbance by) override {
        REQUIRE(jobs.in_flight() == 0);
        std::vector<int> all = done;
        while (auto job = jobs.try_receive()) {
            all.push_back((*job)->number());
            job->ack();
        }
        std::sort(all.begin(), all.end());
        REQUIRE(std::adjacent_find(all.begin(), all.end()) == all.end());
        REQUIRE(static_cast<int>(all.size()) >= pushed);
        REQUIRE(static_cast<int>(all.size()) <= pushed + 1);
        if (by == disturbance::none || by == disturbance::loss) REQUIRE((is_joined && done.size() == 5));
    }

private:
    task<> races() {
        const presence here(*this);
        for (int turn = 0; !jobs.is_closed(); ++turn) {
            auto first = co_await rondo::when_any(jobs.receive(), jobs.receive(), rondo::sleep(1ms));
            point();
            if (first.index() == 2) continue;
            auto& job = first.index() == 0 ? std::get<0>(first) : std::get<1>(first);
            if (!job) co_return;
            co_await rondo::yield();
            if (turn % 3 == 1) {
                job->nack();
            } else if (turn % 3 == 0) {
                done.push_back((*job)->number());
                job->ack();
            }
        }
    }
    /// Until there was room for all others.
    task<> keeps_one() {
        const presence here(*this);
        auto job = co_await jobs.receive();
        if (!job) co_return;
        co_await all_pushed.wait();
        done.push_back((*job)->number());
        job->ack();
    }
    task<> joins() {
        co_await rondo::yield();
        co_await jobs.join();
    }

    rondo::message_queue<tracked> jobs;
    rondo::event all_pushed;
    std::vector<int> done;
    int pushed = 0;
    bool is_joined = false;
};

/// What tasks wait on goes before they do: they are cancelled then, or go on if they had been told already.
class gone_before_them final : public swept {
public:
    task<> program() override {
        full->try_push(tracked(1));
        co_await rondo::with_task_group([this](rondo::task_group& group) -> task<> {
            group.spawn(pushes());
            group.spawn(pops());
            group.spawn(pops());
            group.spawn(receives());
            group.spawn(waits());
            group.spawn(locks());
            co_await rondo::sleep(1ms);
            point();
            gate->set();
            empty->try_push(tracked(3));
            leased->try_push(tracked(4));
            lock->unlock();
            full.reset();
            empty.reset();
            leased.reset();
            gate.reset();
            lock.reset();
            point();
            co_await rondo::sleep(1ms);
            group.cancel();
        });
    }
    void check(disturbance by) override {
        REQUIRE(gone_on <= 1);
        if (by == disturbance::none) REQUIRE(gone_on == 1);
    }

private:
    task<> pushes() {
        const presence here(*this);
        tracked own(2);
        co_await full->push(std::move(own));
        ++gone_on;
    }
    task<> pops() {
        const presence here(*this);
        (void)co_await empty->pop();
        ++gone_on;
    }
    task<> receives() {
        const presence here(*this);
        co_await rondo::when_any(leased->receive(), leased->receive());
        ++gone_on;
    }
    task<> waits() {
        const presence here(*this);
        co_await gate->wait();
        ++gone_on;
    }
    task<> locks() {
        const presence here(*this);
        co_await lock->lock();
        co_await lock->lock();
        ++gone_on;
    }

    std::unique_ptr<rondo::bounded_queue<tracked>> full = std::make_unique<rondo::bounded_queue<tracked>>(1);
    std::unique_ptr<rondo::bounded_queue<tracked>> empty = std::make_unique<rondo::bounded_queue<tracked>>(1);
    std::unique_ptr<rondo::message_queue<tracked>> leased = std::make_unique<rondo::message_queue<tracked>>(1);
    std::unique_ptr<rondo::event> gate = std::make_unique<rondo::event>();
    std::unique_ptr<rondo::mutex> lock = std::make_unique<rondo::mutex>();
    int gone_on = 0;
};

/// What is promised to those who have waited is not for others, and keeps its place when it comes back.
class promises final : public swept {
public:
    task<> program() override {
        co_await rondo::with_task_group([this](rondo::task_group& group) -> task<> {
            may_lose(group.spawn(pops()));
            may_lose(group.spawn(receives()));
            group.spawn(pops());
            group.spawn(receives());
            co_await rondo::sleep(1ms);
            for (int i = 0; i < 4; ++i) {
                queue.try_push(tracked(i));
                leased.try_push(tracked(i));
            }
            if (const auto mine = queue.try_pop()) barged = barged || mine->number() != popping.waiting;
            for (std::size_t attempt = 1; attempt <= 2; ++attempt) {
                auto mine = leased.try_receive();
                if (!mine) continue;
                barged = barged || (*mine)->number() != receiving.waiting || mine->attempt() != attempt;
                if (attempt == 2) mine->ack();
            }
            point();
        });
    }
    void check(disturbance by) override {
        REQUIRE(!barged);
        REQUIRE(leased.in_flight() == 0);
        while (const auto rest = queue.try_pop()) taken.push_back(rest->number());
        REQUIRE(std::is_sorted(taken.begin(), taken.end()));
        std::vector<int> left;
        while (auto rest = leased.try_receive()) {
            left.push_back((*rest)->number());
            rest->ack();
        }
        REQUIRE(std::is_sorted(left.begin(), left.end()));
        received.insert(received.end(), left.begin(), left.end());
        if (by != disturbance::none) return;
        if (!is_in_order()) std::sort(received.begin(), received.end());
        REQUIRE((taken == std::vector<int>{0, 1, 3} && received == taken));
    }

private:
    task<> pops() {
        const presence here(*this);
        line::place place(popping, 0);
        const auto message = co_await queue.pop();
        place.served();
        taken.push_back(message->number());
    }
    task<> receives() {
        const presence here(*this);
        line::place place(receiving, 0);
        auto message = co_await leased.receive();
        place.served();
        received.push_back((*message)->number());
        (*message).ack();
    }

    rondo::bounded_queue<tracked> queue{4};
    rondo::message_queue<tracked> leased{4};
    line popping, receiving;
    std::vector<int> taken, received;
    bool barged = false;
};

// ---- Locks ----

/// First come, first served, whoever gives up.
class line_at_a_lock final : public swept {
public:
    task<> program() override {
        co_await rondo::with_task_group([this](rondo::task_group& group) -> task<> {
            may_lose(group.spawn(locks(0)));
            may_lose(group.spawn(locks(1)));
            may_lose(group.spawn(locks_by_hand(2)));
            group.spawn(gives_up(3));
            may_lose(group.spawn(locks(4)));
            group.spawn(races(5));
            group.spawn(locks(6));
            for (int i = 0; i < 12; ++i) {
                co_await rondo::sleep(500us);
                point();
                if (!lock.try_lock()) continue;
                if (patient.waiting > 0) has_barged = true;
                lock.unlock();
            }
        });
    }
    void check(disturbance by) override {
        REQUIRE(!lock.is_locked());
        REQUIRE(!has_barged);
        REQUIRE(!is_crowded);
        REQUIRE(all.waiting == 0);
        REQUIRE(is_part_of(all.served, all.came));
        if (by == disturbance::none) REQUIRE(all.served.size() >= 5);
    }

private:
    task<> locks(int number) {
        const presence here(*this);
        line::place place(all, number);
        line::place patiently(patient, number);
        const auto guard = co_await lock.scoped_lock();
        patiently.served();
        place.served();
        co_await stays();
    }
    task<> locks_by_hand(int number) {
        const presence here(*this);
        line::place place(all, number);
        co_await lock.lock();
        place.served();
        lock.unlock();
    }
    task<> gives_up(int number) {
        const presence here(*this);
        line::place place(all, number);
        const auto guard = co_await rondo::try_with_timeout(1500us, lock.scoped_lock());
        if (!guard) co_return;
        place.served();
        co_await stays();
    }
    /// It stands there twice, and leaves one place as it gets the other.
    task<> races(int number) {
        const presence here(*this);
        line::place place(all, number);
        const auto guard = co_await rondo::when_any(lock.scoped_lock(), lock.scoped_lock(), rondo::sleep(2ms));
        if (guard.index() == 2) co_return;
        place.served();
        co_await stays();
    }
    task<> stays() {
        if (++inside != 1) is_crowded = true;
        const support::call_at_exit leaves([this] { --inside; });
        point();
        co_await rondo::sleep(500us);
        point();
    }

    rondo::mutex lock;
    line all, patient;
    int inside = 0;
    bool has_barged = false, is_crowded = false;
};

/// Two at a time, and more when more permits are given.
class line_at_a_door final : public swept {
public:
    task<> program() override {
        co_await rondo::with_task_group([this](rondo::task_group& group) -> task<> {
            for (int i = 0; i < 6; ++i) {
                auto one = group.spawn(enters(i));
                if (i < 4) may_lose(std::move(one));
            }
            group.spawn(gives_up(6));
            may_lose(group.spawn(enters_by_hand(7)));
            co_await rondo::sleep(250us);
            limit += 2;
            door.release(2);
            point();
        });
    }
    void check(disturbance by) override {
        REQUIRE(door.available() == limit);
        REQUIRE(!is_crowded);
        REQUIRE(all.waiting == 0);
        if (by != disturbance::none && by != disturbance::loss) return;
        REQUIRE(all.served.size() + 2 >= all.came.size());
        if (is_in_order()) REQUIRE(is_part_of(all.served, all.came));
        if (by == disturbance::none) REQUIRE(most == 4);
    }

private:
    task<> enters(int number) {
        const presence here(*this);
        line::place place(all, number);
        const auto permit = co_await door.scoped_acquire();
        place.served();
        co_await stays();
    }
    task<> gives_up(int number) {
        const presence here(*this);
        line::place place(all, number);
        const auto permit = co_await rondo::try_with_timeout(500us, door.scoped_acquire());
        if (!permit) co_return;
        place.served();
        co_await stays();
    }
    task<> enters_by_hand(int number) {
        const presence here(*this);
        line::place place(all, number);
        co_await door.acquire();
        place.served();
        door.release();
    }
    task<> stays() {
        most = std::max(most, ++inside);
        if (inside > limit) is_crowded = true;
        const support::call_at_exit leaves([this] { --inside; });
        point();
        co_await rondo::sleep(500us);
        point();
    }

    rondo::semaphore door{2};
    line all;
    std::size_t limit = 2, inside = 0, most = 0;
    bool is_crowded = false;
};

/// A gate that opens for a moment, again and again: whoever stands there goes through, once.
class gate final : public swept {
public:
    task<> program() override {
        co_await rondo::with_task_group([this](rondo::task_group& group) -> task<> {
            may_lose(group.spawn(goes_through(0)));
            may_lose(group.spawn(goes_through(1)));
            group.spawn(goes_through(2));
            for (int i = 0; i < 3; ++i) {
                co_await rondo::sleep(1ms);  // all are there then
                point();
                open.set();
                open.reset();
                point();
            }
            co_await rondo::sleep(1ms);
            group.cancel();
        });
    }
    void check(disturbance by) override {
        for (const int n : times) REQUIRE(n <= 3);
        if (by == disturbance::none) REQUIRE(times == std::vector<int>{3, 3, 3});
        if (by == disturbance::loss) REQUIRE((times[2] == 3 && times[0] + times[1] >= 3));
        if (by == disturbance::none && is_in_order()) REQUIRE(order == std::vector<int>{0, 1, 2, 0, 1, 2, 0, 1, 2});
    }

private:
    task<> goes_through(int number) {
        const presence here(*this);
        for (;;) {
            co_await open.wait();
            ++times[static_cast<std::size_t>(number)];
            order.push_back(number);
            point();
        }
    }

    rondo::event open;
    std::vector<int> times = std::vector<int>(3), order;
};

/// Those who wait for a change, for so long or as long as it takes, have the lock when they go on.
class changes final : public swept {
public:
    task<> program() override {
        co_await rondo::with_task_group([this](rondo::task_group& group) -> task<> {
            may_lose(group.spawn(waits_for(0, 1)));
            may_lose(group.spawn(waits_for(1, 2)));
            may_lose(group.spawn(waits_for(2, 2)));
            may_lose(group.spawn(is_impatient()));
            group.spawn(waits_for(3, 2));
            group.spawn(takes_one());
            may_lose(group.spawn(takes_one()));
            may_lose(group.spawn(takes_one()));
            group.spawn(takes_one());
            for (int i = 0; i < 3; ++i) {
                co_await rondo::sleep(1ms);
                {
                    const auto guard = co_await lock.scoped_lock();
                    ++generation;
                    ++tokens;
                    co_await stays();
                }
                changed.notify_all();
                token.notify_one();
                point();
            }
            co_await rondo::sleep(1ms);
            taken_in_time = taken;
            const auto guard = co_await lock.scoped_lock();
            is_over = true;
            token.notify_all();
        });
    }
    void check(disturbance by) override {
        REQUIRE(!lock.is_locked());
        REQUIRE(!is_crowded);
        if (by != disturbance::none && by != disturbance::loss) return;
        REQUIRE(tokens + taken == 3);
        REQUIRE(taken_in_time == 3);
        REQUIRE(early == 0);
        if (by == disturbance::none) REQUIRE((seen == 4 && late == 1));
        if (by == disturbance::none && is_in_order())
            REQUIRE(asked == std::vector<int>{0, 1, 2, 3, 0, 1, 2, 3, 1, 2, 3});
    }

private:
    /// With the lock.
    task<> stays() {
        if (++inside != 1) is_crowded = true;
        const support::call_at_exit leaves([this] { --inside; });
        point();
        co_await rondo::yield();
        point();
    }

    task<> waits_for(int number, int wanted) {
        const presence here(*this);
        auto guard = co_await lock.scoped_lock();
        const auto is_here = [this, number, wanted] {
            asked.push_back(number);
            return generation >= wanted;
        };
        co_await changed.wait(guard, is_here);
        if (!guard.owns_lock() || generation < wanted) ++early;
        ++seen;
        co_await stays();
    }
    task<> is_impatient() {
        const presence here(*this);
        auto guard = co_await lock.scoped_lock();
        const bool has_come = co_await changed.wait_for(guard, 1500us, [this] { return generation >= 9; });
        if (has_come || !guard.owns_lock()) ++early;
        ++late;
        co_await stays();
    }
    task<> takes_one() {
        const presence here(*this);
        auto guard = co_await lock.scoped_lock();
        while (tokens == 0 && !is_over) co_await token.wait(guard);
        if (tokens == 0) co_return;
        --tokens;
        ++taken;
        co_await stays();
    }

    rondo::mutex lock;
    rondo::condition_variable changed, token;
    int generation = 0, tokens = 0, taken = 0, taken_in_time = 0, seen = 0, early = 0, late = 0;
    std::vector<int> asked;
    int inside = 0;
    bool is_crowded = false, is_over = false;
};

/// A count that reaches zero when all have come, also those who do not wait.
class countdown final : public swept {
public:
    task<> program() override {
        co_await rondo::with_task_group([this](rondo::task_group& group) -> task<> {
            may_lose(group.spawn(waits()));
            group.spawn(waits());
            for (int i = 0; i < 3; ++i) group.spawn(arrives(i));
            group.spawn(counts());
            co_await all.wait();
            if (arrived != 4) is_early = true;
        });
        co_await all.wait();
    }
    void check(disturbance by) override {
        REQUIRE(!is_early);
        if (by == disturbance::none) REQUIRE((all.try_wait() && gone_on == 5));
        if (by == disturbance::loss) REQUIRE((all.try_wait() && gone_on >= 4));
    }

private:
    task<> arrives(int number) {
        const presence here(*this);
        co_await rondo::sleep(number * 1ms);
        ++arrived;
        co_await all.arrive_and_wait();
        goes_on();
    }
    task<> counts() {
        co_await rondo::sleep(1ms);
        ++arrived;
        all.count_down();
        point();
    }
    task<> waits() {
        const presence here(*this);
        co_await all.wait();
        goes_on();
    }
    void goes_on() {
        if (arrived != 4) is_early = true;
        ++gone_on;
    }

    rondo::latch all{4};
    int arrived = 0, gone_on = 0;
    bool is_early = false;
};

/// Three meet again and again; one who leaves has not been there, and another one comes instead.
class meetings final : public swept {
public:
    task<> program() override {
        co_await rondo::with_task_group([this](rondo::task_group& group) -> task<> {
            group.spawn(meets(0));
            group.spawn(meets(1));
            may_lose(group.spawn(attends()));
            group.spawn(walks());
            co_await rondo::sleep(5ms);  // by then it has met three times, or is lost
            while (met < 3) co_await meets_once(2);
            group.cancel();
        });
    }
    void check(disturbance by) override {
        REQUIRE(!is_alone);
        if (by == disturbance::none || by == disturbance::loss) REQUIRE(passed[0] >= 2);
    }

private:
    task<> meets(std::size_t number) {
        const presence here(*this);
        for (;;) {
            if (number == 1) co_await rondo::sleep(1ms);
            co_await meets_once(number);
        }
    }
    task<> attends() {
        const presence here(*this);
        while (met < 3) co_await meets_once(2);
    }
    task<> walks() {
        for (int i = 0; i < 20; ++i) {
            if (i % 5 == 0) co_await rondo::sleep(1ms);
            co_await rondo::yield();
            point();
        }
    }
    task<> meets_once(std::size_t number) {
        ++came[number];
        bool has_passed = false;
        const support::call_at_exit leaves([this, number, &has_passed] {
            const int others = std::min(came[(number + 1) % 3], came[(number + 2) % 3]);
            if (!has_passed && others < came[number]) --came[number];  // it was not there
        });
        point();
        co_await together.arrive_and_wait();
        has_passed = true;
        ++passed[number];
        for (const int times : came) is_alone = is_alone || times < passed[number];
        if (number == 2) ++met;
        point();
    }

    rondo::barrier together{3};
    int met = 0;
    std::vector<int> came = std::vector<int>(3), passed = std::vector<int>(3);
    bool is_alone = false;
};

}  // namespace

TEST_CASE("letters in a small box are read, or kept") { sweeps::all<relay>(330, 20); }

TEST_CASE("a box that is closed refuses what waits") { sweeps::all<closing>(100, 8); }

TEST_CASE("those who never wait let others go first") { sweeps::all<no_waiting>(20, 2); }

TEST_CASE("messages in races come back") { sweeps::all<leases>(300, 8); }

TEST_CASE("what is waited for may go first") { sweeps::all<gone_before_them>(35, 9); }

TEST_CASE("what is promised is not for others") { sweeps::all<promises>(75, 7); }

TEST_CASE("who comes first to a lock has it first") { sweeps::all<line_at_a_lock>(270, 14); }

TEST_CASE("who comes first to a semaphore is let in first") { sweeps::all<line_at_a_door>(340, 16); }

TEST_CASE("a gate that opens for a moment lets through who stands there") { sweeps::all<gate>(210, 5); }

TEST_CASE("who waits for a change has the lock when it has come") { sweeps::all<changes>(590, 25); }

TEST_CASE("a latch lets go when all have come") { sweeps::all<countdown>(75, 9); }

TEST_CASE("a barrier lets three go together") { sweeps::all<meetings>(230, 14); }
