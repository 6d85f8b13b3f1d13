// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// A small program for each way in which tasks are made, joined, combined and cancelled, under every sweep there is: see support/sweeps.hpp.

#include <support/foreign.hpp>
#include <support/journal.hpp>
#include <support/leak_check.hpp>
#include <support/legacy.hpp>
#include <support/native_operation.hpp>
#include <support/sweeps.hpp>
#include <support/tasks.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using rondo::task;
using support::disturbance;
using support::household;
using support::lines;
using support::sweeps;
using support::swept;
using support::tracked;

namespace {

using duration = support::clock::duration;

auto now() { return rondo::event_loop::current().now(); }

std::int64_t milliseconds(duration time) { return std::chrono::duration_cast<std::chrono::milliseconds>(time).count(); }

/// What a program throws on purpose.
class oops : public std::runtime_error {
public:
    explicit oops(std::size_t n = 0) : std::runtime_error("oops"), number(n) {}
    std::size_t number;
};

// ---- Tasks and the loop ----

/// Values, a reference, a move-only result and an exception go up a chain.
class chain final : public swept {
public:
    task<> program() override {
        sum = co_await counts(4);
        int& same = co_await refers();
        same += 10;
        try {
            co_await fails_below(3);
        } catch (const oops&) {
            sum += 100;
        }
        const std::unique_ptr<tracked> last = co_await gives(1000);
        sum += last->number();
    }
    void check(disturbance by) override {
        REQUIRE(depth == 0);
        if (by == disturbance::none) REQUIRE(sum == 1114);
    }

private:
    task<int> counts(int below) {
        const presence here(*this);
        const tracked local(below);
        ++depth;
        const support::call_at_exit leaves([this] { --depth; });
        if (below == 0) co_return 0;
        co_await rondo::yield();
        const int rest = co_await counts(below - 1);
        co_await rondo::yield();
        co_return rest + 1;
    }
    task<int&> refers() {
        co_await rondo::yield();
        co_return sum;
    }
    task<> fails_below(int below) {
        const presence here(*this);
        const tracked local(below);
        co_await rondo::yield();
        if (below == 0) throw oops();
        co_await fails_below(below - 1);
    }
    task<std::unique_ptr<tracked>> gives(int number) {
        co_await rondo::yield();
        co_return std::make_unique<tracked>(number);
    }

    int sum = 0;
    int depth = 0;
};

/// Each wakes at its time, those of the same time in their order.
class sleepers final : public swept {
public:
    task<> program() override {
        start = now();
        co_await rondo::when_all(sleeps("d", 3ms), sleeps("b", 1ms), sleeps("c1", 2ms), sleeps("c2", 2ms),
                                 sleeps_until("e", start + 4ms), sleeps("a", 0ms));
        const auto never = rondo::sleep((duration::max)());
        (void)co_await rondo::try_with_timeout(1ms, never);
    }
    void check(disturbance by) override {
        REQUIRE(wrong == 0);
        if (by == disturbance::none) REQUIRE(woken.size() == 6);
        if (by == disturbance::none && is_in_order()) REQUIRE(woken == lines{"a", "b", "c1", "c2", "d", "e"});
    }

private:
    task<> sleeps(std::string name, duration time) {
        const presence here(*this);
        co_await rondo::sleep(time);
        wakes(std::move(name), start + time);
    }
    task<> sleeps_until(std::string name, rondo::time_point time) {
        const presence here(*this);
        co_await rondo::sleep_until(time);
        wakes(std::move(name), time);
    }
    void wakes(std::string name, rondo::time_point time) {
        if (now() != time) ++wrong;
        woken.push_back(std::move(name));
    }

    rondo::time_point start;
    lines woken;
    int wrong = 0;
};

/// Ticks that are missed, and a wait for one that is given up.
class metronomes final : public swept {
public:
    task<> program() override {
        co_await rondo::when_all(listens(rondo::missed_ticks::skip, skipped),
                                 listens(rondo::missed_ticks::delay, delayed),
                                 listens(rondo::missed_ticks::burst, all));
    }
    void check(disturbance by) override {
        if (by != disturbance::none) return;
        REQUIRE(skipped == ticks{2, 8, 10});
        REQUIRE(delayed == ticks{2, 7, 9});
        REQUIRE(all == ticks{2, 7, 7});
    }

private:
    using ticks = std::vector<std::int64_t>;

    task<> listens(rondo::missed_ticks what, ticks& heard) {
        const presence here(*this);
        const rondo::time_point start = now();
        rondo::interval every(2ms, what);
        (void)co_await rondo::try_with_timeout(1ms, every.next());
        for (int i = 0; i < 3; ++i) {
            co_await every.next();
            heard.push_back(milliseconds(now() - start));
            point();
            if (i == 0) co_await rondo::sleep(5ms);
        }
    }

    ticks skipped, delayed, all;
};

/// Handles that are awaited, asked, moved, given up for a while, and dropped.
class handles final : public swept {
public:
    task<> program() override {
        auto doubled = rondo::spawn([this](tracked n) { return doubles(n.number()); }, tracked(21));
        auto doomed = rondo::spawn(sleeps((duration::max)(), nobody), "doomed");
        rondo::spawn(sleeps(1ms, dropped));
        auto moved = std::move(doubled);
        result = co_await moved;
        auto slow = rondo::spawn(sleeps(3ms, joined_late));
        is_too_early = !co_await rondo::try_with_timeout(1ms, slow);
        co_await slow;
        doomed.cancel();
        is_done = doomed.done();
        const auto end = co_await doomed.settled();
        is_cancelled = end.is_cancelled();
        auto never = rondo::spawn(sleeps(1ms, nobody));
        never.cancel();
        try {
            co_await never;
        } catch (const rondo::cancelled&) {
            is_told = true;
        }
    }
    void check(disturbance by) override {
        REQUIRE(!nobody);
        if (by != disturbance::none) return;
        REQUIRE(result == 42);
        REQUIRE((is_too_early && is_done && is_cancelled && is_told));
        REQUIRE((dropped && joined_late));
    }

private:
    task<int> doubles(int n) {
        const presence here(*this);
        co_await rondo::yield();
        co_return 2 * n;
    }
    task<> sleeps(duration time, bool& comes_true) {
        const presence here(*this);
        co_await rondo::sleep(time);
        comes_true = true;
    }

    int result = 0;
    bool dropped = false, joined_late = false, nobody = false;
    bool is_too_early = false, is_done = false, is_cancelled = false, is_told = false;
};

/// Functions that are posted, also by others that are; all run in their order, or are gone.
class errands final : public swept {
public:
    task<> program() override {
        rondo::event_loop& loop = rondo::event_loop::current();
        const auto guard = loop.keep_alive();
        rondo::loop_handle home = loop.handle();
        for (int i = 0; i < 3; ++i) send(home, i);
        loop.post([this, home, parcel = tracked(3)] {
            ran.push_back(parcel.number());
            send(home, 4);
        });
        co_await all_ran.wait();
    }
    void check(disturbance by) override {
        if (is_in_order()) REQUIRE(std::is_sorted(ran.begin(), ran.end()));
        if (by == disturbance::none) REQUIRE(ran.size() == 5);
    }

private:
    void send(rondo::loop_handle home, int number) {
        CHECK(home.post([this, parcel = tracked(number)] {
            point();
            ran.push_back(parcel.number());
            if (ran.size() == 5) all_ran.set();
        }));
    }

    rondo::event all_ran;
    std::vector<int> ran;
};

/// Tasks that fail in every way there is, and each failure is told once: to who joins, or to the handler.
class failures final : public swept {
public:
    task<> program() override {
        rondo::event_loop::current().on_unhandled_exception([this](const std::exception_ptr& error) {
            if (error == nullptr) ++of_nothing;
            tell(error);
        });
        auto joined = rondo::spawn(fails(1ms));
        auto settled = rondo::spawn(fails(2ms));
        auto dropped_later = rondo::spawn(fails(0ms));
        rondo::spawn(fails(1ms));
        co_await catches(joined);
        tell((co_await settled.settled()).error());
        dropped_later = rondo::join_handle<>();
        co_await catches(rondo::when_all(fails(1ms), fails(1ms), sleeps()));
        co_await catches(rondo::when_any(fails(1ms), sleeps(), rondo::uncancellable(fails(2ms))));
        co_await catches(rondo::finally(fails(1ms), [this] { return fails(1ms); }));
        co_await catches(rondo::try_with_timeout(1ms, rondo::uncancellable(fails(2ms))));
        co_await catches(rondo::with_task_group([this](rondo::task_group& group) -> task<> {
            group.spawn(fails(1ms));
            group.spawn(rondo::detail::as_task(rondo::uncancellable(fails(2ms))));
            co_await sleeps();
        }));
        auto [first, second] = co_await rondo::when_all_settled(fails(2ms), fails(1ms));
        tell(first.error());
        tell(second.error());
        rondo::event_loop::current().post([this] { fail(); });
        co_await rondo::sleep(1ms);
    }
    void check(disturbance by) override {
        for (const int times : told) REQUIRE(times == 1);
        REQUIRE(of_nothing == 0);
        if (by == disturbance::none) REQUIRE(told.size() == 15);
    }

private:
    task<> fails(duration time) {
        const presence here(*this);
        co_await rondo::sleep(time);
        fail();
    }
    task<> sleeps() {
        const presence here(*this);
        co_await rondo::sleep(1h);
    }
    template <class A>
    task<> catches(A&& op) {
        std::exception_ptr error;
        try {
            co_await std::forward<A>(op);
        } catch (const oops&) {
            error = std::current_exception();
        }
        tell(error);
    }

    [[noreturn]] void fail() {
        told.push_back(0);
        throw oops(told.size() - 1);
    }
    void tell(const std::exception_ptr& error) {
        if (error == nullptr) return;
        try {
            std::rethrow_exception(error);
        } catch (const oops& known) {
            ++told[known.number];
        } catch (const std::bad_alloc&) {
        }
    }

    std::vector<int> told;  // how often
    int of_nothing = 0;
};

// ---- Combinators ----

/// Results of every kind, in their places, from tasks that refer to their parent's locals.
class gathering final : public swept {
public:
    task<> program() override {
        household home(outrun);
        int place = 0;
        auto handle = rondo::spawn(gives_alone(5));
        const auto [a, nothing, reference, b, c] = co_await rondo::when_all(
            gives(home, 1, 2ms), support::nap(1ms), refers(home, place), gives_tracked(home, 3), handle);
        reference.get() = a + b.number() + c;
        sum = place;
        std::vector<task<int>> range;
        for (int i = 0; i < 5; ++i) range.push_back(gives(home, i, 5ms - i * 1ms));
        numbers = co_await rondo::when_all(std::move(range));
        std::vector<task<tracked>> limited;
        for (int i = 0; i < 5; ++i) limited.push_back(gives_tracked(home, i));
        const std::vector<tracked> values = co_await rondo::when_all_limited(2, std::move(limited));
        for (const tracked& value : values) numbers.push_back(value.number());
        co_await rondo::when_all(rondo::when_all(rondo::sleep(1ms), rondo::yield()), support::nothing());
        CHECK(home.at_home() == 0);
    }
    void check(disturbance by) override {
        if (by != disturbance::none) return;
        REQUIRE(sum == 9);
        REQUIRE(most == 2);
        REQUIRE(numbers == std::vector<int>{0, 1, 2, 3, 4, 0, 1, 2, 3, 4});
    }

private:
    task<int> gives(household& home, int number, duration time) {
        const presence here(*this);
        const household::child inside(home);
        co_await rondo::sleep(time);
        co_return number;
    }
    task<int> gives_alone(int number) {
        const presence here(*this);
        co_await rondo::sleep(1ms);
        co_return number;
    }
    task<int&> refers(household& home, int& place) {
        const household::child inside(home);
        co_await rondo::yield();
        co_return place;
    }
    task<tracked> gives_tracked(household& home, int number) {
        const household::child inside(home);
        const tracked local(number);
        most = std::max(most, ++inside_now);
        const support::call_at_exit leaves([this] { --inside_now; });
        co_await rondo::yield();
        point();
        co_return tracked(number);
    }

    int sum = 0;
    int inside_now = 0, most = 0;
    std::vector<int> numbers;
};

/// One fails: the others are gone when the caller goes on, and what can still be told is told.
class a_failure_among_many final : public swept {
public:
    task<> program() override {
        household home(outrun);
        co_await catches(home, rondo::when_all(waits(home), fails(home), waits(home), takes_its_time(home)));
        std::vector<task<>> range;
        range.push_back(waits(home));
        range.push_back(takes_its_time(home));
        range.push_back(fails(home));
        co_await catches(home, rondo::when_all(std::move(range)));
        co_await catches(home, rondo::with_task_group([&](rondo::task_group& group) -> task<> {
                             group.spawn(waits(home));
                             group.spawn(fails(home));
                             group.spawn(takes_its_time(home));
                             co_await waits(home);
                         }));
        std::vector<task<>> limited;
        for (int i = 0; i < 3; ++i) limited.push_back(i == 1 ? fails(home) : waits(home));
        co_await catches(home, rondo::when_all_limited(2, std::move(limited)));
        const auto [one, two, three] =
            co_await rondo::when_all_settled(fails(home), support::give(3), support::nap(1ms));
        if (one.error() != nullptr && two.has_value() && three.has_value()) ++caught;
        auto doomed = rondo::spawn(support::stuck());
        doomed.cancel();
        const auto [four] = co_await rondo::when_all_settled(doomed);
        if (four.is_cancelled()) ++caught;
    }
    void check(disturbance by) override {
        REQUIRE(begun == ended);
        if (by == disturbance::none) REQUIRE(caught == 6);
    }

private:
    task<> waits(household& home) {
        const presence here(*this);
        const household::child inside(home);
        co_await rondo::sleep(1h);
        FAIL("nobody waits for so long");
    }
    task<> fails(household& home) {
        const presence here(*this);
        const household::child inside(home);
        co_await rondo::sleep(1ms);
        throw oops();
    }
    task<> takes_its_time(household& home) {
        const household::child inside(home);
        co_await rondo::uncancellable(works(home));
    }
    task<> works(household& home) {
        const household::child inside(home);
        ++begun;
        co_await rondo::sleep(2ms);
        ++ended;
    }
    template <class A>
    task<> catches(household& home, A&& op) {
        try {
            co_await std::forward<A>(op);
        } catch (const oops&) {
            ++caught;
        }
        CHECK(home.at_home() == 0);
        point();
    }

    int begun = 0, ended = 0;
    int caught = 0;
};

/// One wins, the others are gone.
class races final : public swept {
public:
    task<> program() override {
        household home(outrun);
        rondo::event never;
        const auto first = co_await rondo::when_any(runs(home, 3ms), runs(home, 1ms), never.wait());
        winners.push_back(first.index());
        CHECK(home.at_home() == 0);
        std::vector<task<int>> range;
        for (int i = 0; i < 4; ++i) range.push_back(runs(home, 5ms - i * 1ms));
        const auto second = co_await rondo::when_any(std::move(range));
        winners.push_back(second.index);
        result = second.value;
        CHECK(home.at_home() == 0);
        const auto third = co_await rondo::when_any(never.wait(), support::give(1), runs(home, 0ms));
        winners.push_back(third.index());
        try {
            co_await rondo::when_any(runs(home, 2ms), fails(home), rondo::when_all(runs(home, 2ms), runs(home, 3ms)));
        } catch (const oops&) {
            winners.push_back(9);
        }
        CHECK(home.at_home() == 0);
        const auto last =
            co_await rondo::when_any(rondo::when_any(runs(home, 2ms), runs(home, 1ms)), rondo::sleep(3ms));
        winners.push_back(last.index());
    }
    void check(disturbance by) override {
        REQUIRE(finished <= 3);
        if (by != disturbance::none) return;
        REQUIRE(finished == 3);
        REQUIRE(result == 2);
        REQUIRE(winners == std::vector<std::size_t>{1, 3, 1, 9, 0});
    }

private:
    task<int> runs(household& home, duration time) {
        const presence here(*this);
        const household::child inside(home);
        const tracked local(1);
        co_await rondo::sleep(time);
        ++finished;
        co_return static_cast<int>(milliseconds(time));
    }
    task<> fails(household& home) {
        const presence here(*this);
        const household::child inside(home);
        co_await rondo::yield();
        throw oops();
    }

    std::vector<std::size_t> winners;
    int finished = 0;
    int result = 0;
};

/// Results that come in time, at the deadline, or not.
class deadlines final : public swept {
public:
    task<> program() override {
        household home(outrun);
        early = co_await rondo::try_with_timeout(2ms, gives(home, 1ms));
        exact = co_await rondo::try_with_timeout(2ms, gives(home, 2ms));
        late = co_await rondo::try_with_timeout(1ms, gives(home, 2ms));
        CHECK(home.at_home() == 0);
        at_once = co_await rondo::try_with_timeout(0ms, support::give(1));
        tried = co_await rondo::try_with_timeout(0ms, gives(home, 1ms));
        try {
            co_await rondo::with_timeout(2ms, rondo::with_timeout(3ms, gives(home, 4ms)));
        } catch (const rondo::timeout_error&) {
            ++thrown;
        }
        CHECK(home.at_home() == 0);
        try {
            co_await rondo::try_with_timeout(3ms, rondo::with_timeout(2ms, gives(home, 4ms)));
        } catch (const rondo::timeout_error&) {
            ++thrown;
        }
        stubborn = co_await rondo::with_timeout(1ms, rondo::uncancellable(gives(home, 2ms)));
        rondo::event gate;
        const auto set = [&gate]() -> task<> {
            co_await rondo::sleep(1ms);
            gate.set();
        };
        is_set = std::get<0>(co_await rondo::when_all(rondo::try_with_timeout(1ms, gate.wait()), set()));
    }
    void check(disturbance by) override {
        if (by != disturbance::none) return;
        REQUIRE((early == 1 && exact == 2 && late == std::nullopt));
        REQUIRE((at_once == 1 && tried == std::nullopt));
        REQUIRE(thrown == 2);
        REQUIRE((stubborn == 2 && is_set));
    }

private:
    task<int> gives(household& home, duration time) {
        const presence here(*this);
        const household::child inside(home);
        const tracked local(1);
        co_await rondo::sleep(time);
        point();
        co_return static_cast<int>(milliseconds(time));
    }

    std::optional<int> early, exact, late, at_once, tried;
    int thrown = 0;
    int stubborn = 0;
    bool is_set = false;
};

/// Children that spawn more, children that are cancelled, a body that gives a result.
class groups final : public swept {
public:
    task<> program() override {
        household home(outrun);
        const auto body = [this, &home](rondo::task_group& group) -> task<int> {
            may_lose(group.spawn(grows(home, group, 2)));
            group.spawn(grows(home, group, 1));
            group.spawn(
                [this, &home](tracked argument) -> task<> {
                    co_await rondo::with_task_group([&](rondo::task_group& inner) -> task<> {
                        inner.spawn(grows(home, inner, argument.number()));
                        co_await rondo::yield();
                    });
                },
                tracked(1));
            auto given = group.spawn(gives(home, 4), "four");
            co_return co_await given;
        };
        sum = co_await rondo::with_task_group(body);
        CHECK(home.at_home() == 0);
        co_await rondo::with_task_group([&](rondo::task_group& group) -> task<> {
            auto doomed = group.spawn(waits(home));
            group.spawn(waits(home));
            co_await rondo::yield();
            doomed.cancel();
            sizes.push_back(group.size());
            co_await rondo::sleep(1ms);
            group.cancel();
            sizes.push_back(group.size());
            const auto refused = group.spawn(gives(home, 1));
            if (refused.done()) ++sum;
            co_await rondo::sleep(1ms);
            ++sum;
        });
        CHECK(home.at_home() == 0);
    }
    void check(disturbance by) override {
        if (by == disturbance::none) REQUIRE(grown == 7);
        if (by != disturbance::none && by != disturbance::loss) return;
        REQUIRE(sum == 6);
        REQUIRE(sizes == std::vector<std::size_t>{1, 0});
    }

private:
    task<> grows(household& home, rondo::task_group& group, int generations) {
        const presence here(*this);
        const household::child inside(home);
        const tracked local(generations);
        co_await rondo::sleep(1ms);
        point();
        for (int i = 0; i < generations; ++i) group.spawn(grows(home, group, 0));
        co_await rondo::yield();
        ++grown;
    }
    task<int> gives(household& home, int number) {
        const household::child inside(home);
        co_await rondo::sleep(2ms);
        co_return number;
    }
    task<> waits(household& home) {
        const presence here(*this);
        const household::child inside(home);
        co_await support::for_ever();
    }

    int sum = 0;
    int grown = 0;
    std::vector<std::size_t> sizes;
};

/// What has begun comes to its end, whatever is round it.
class transactions final : public swept {
public:
    task<> program() override {
        household home(outrun);
        co_await rondo::uncancellable(commits(home));
        (void)co_await rondo::try_with_timeout(1ms, rondo::uncancellable(commits(home)));
        (void)co_await rondo::try_with_timeout(1ms, goes_on_after(home));
        co_await rondo::when_any(rondo::uncancellable(commits(home)), rondo::sleep(1ms));
        CHECK(home.at_home() == 0);
        co_await rondo::with_task_group([&](rondo::task_group& group) -> task<> {
            may_lose(group.spawn(goes_on_after(home)));
            group.spawn(goes_on_after(home));
            co_await rondo::sleep(1ms);
            group.cancel();
        });
        CHECK(home.at_home() == 0);
        CHECK(begun == ended);
    }
    void check(disturbance by) override {
        REQUIRE(begun == ended);
        REQUIRE(gone_on == 0);
        if (by == disturbance::none) REQUIRE(begun == 6);
    }

private:
    task<> commits(household& home) {
        const presence here(*this);
        const household::child inside(home);
        ++begun;
        co_await rondo::yield();
        point();
        co_await rondo::sleep(2ms);
        point();
        ++ended;
    }
    task<> goes_on_after(household& home) {
        const presence here(*this);
        const household::child inside(home);
        co_await rondo::uncancellable(commits(home));
        ++gone_on;  // it is cancelled in the middle
    }

    int begun = 0, ended = 0, gone_on = 0;
};

/// Cleanups run to their end, the inner one first.
class cleanups final : public swept {
public:
    task<> program() override {
        household home(outrun);
        const auto inner_cleanup = [this, &home] { return closes(home, "inner"); };
        const auto outer_cleanup = [this, &home] { return closes(home, "outer"); };
        const auto cleanup = [this, &home] { return closes(home, "closed"); };
        value = co_await rondo::finally(uses(home, 1ms), cleanup);
        (void)co_await rondo::try_with_timeout(2ms, rondo::finally(uses(home, 1h), cleanup));
        CHECK(home.at_home() == 0);
        ++opened;
        (void)co_await rondo::try_with_timeout(1ms, rondo::finally(rondo::sleep(1h), cleanup));
        try {
            co_await rondo::finally(fails(home), cleanup);
        } catch (const oops&) {
            value += 10;
        }
        log.clear();
        co_await rondo::with_task_group([&](rondo::task_group& group) -> task<> {
            auto victim = group.spawn(nests(home, inner_cleanup, outer_cleanup));
            co_await rondo::sleep(1ms);
            victim.cancel();
        });
        CHECK(home.at_home() == 0);
        CHECK(log == lines{"inner", "outer"});
    }
    void check(disturbance by) override {
        if (by != disturbance::no_memory) REQUIRE(opened == closed);
        REQUIRE(begun_to_close == closed);
        if (by == disturbance::none) REQUIRE((value == 11 && opened == 6));
    }

private:
    task<int> uses(household& home, duration time) {
        const presence here(*this);
        const household::child inside(home);
        ++opened;
        co_await rondo::sleep(time);
        point();
        co_return 1;
    }
    task<> fails(household& home) {
        const household::child inside(home);
        ++opened;
        co_await rondo::yield();
        throw oops();
    }
    template <class Inner, class Outer>
    task<> nests(household& home, Inner inner, Outer outer) {
        ++opened;
        co_await rondo::finally(rondo::finally(uses(home, 1h), inner), outer);
    }
    task<> closes(household& home, std::string name) {
        const presence here(*this);
        const household::child inside(home);
        ++begun_to_close;
        co_await rondo::yield();
        point();
        co_await rondo::sleep(1ms);
        ++closed;
        log.push_back(std::move(name));
    }

    int value = 0;
    int opened = 0, begun_to_close = 0, closed = 0;
    lines log;
};

/// Outcomes, in the order in which they come.
class completions final : public swept {
public:
    task<> program() override {
        household home(outrun);
        std::vector<task<tracked>> all;
        for (int i = 0; i < 5; ++i) all.push_back(works(home, i));
        const auto take = [&](std::size_t index, rondo::outcome<tracked> o) -> task<> {
            const presence here(*this);
            const household::child inside(home);
            if (o.has_value() && o.value().number() != static_cast<int>(index)) is_mixed_up = true;
            if (o.error() != nullptr) ++failed;
            come.push_back(index);
            co_await rondo::sleep(5ms);
        };
        co_await rondo::for_each_completed(std::move(all), take);
        CHECK(home.at_home() == 0);
    }
    void check(disturbance by) override {
        REQUIRE(!is_mixed_up);
        if (by != disturbance::none) return;
        REQUIRE(come == std::vector<std::size_t>{4, 3, 2, 1, 0});
        REQUIRE(failed == 1);
    }

private:
    task<tracked> works(household& home, int number) {
        const presence here(*this);
        const household::child inside(home);
        co_await rondo::sleep(10ms - number * 2ms);
        if (number == 3) throw oops();
        co_return tracked(number);
    }

    std::vector<std::size_t> come;
    int failed = 0;
    bool is_mixed_up = false;
};

/// Each element once, and never more than two at a time.
class a_few_at_a_time final : public swept {
public:
    task<> program() override {
        household home(outrun);
        std::vector<tracked> elements;
        for (int i = 0; i < 6; ++i) elements.emplace_back(i);
        const auto visit = [&](const tracked& element) { return visits(home, element.number()); };
        co_await rondo::for_each_concurrent(elements, 2, visit);
        CHECK(home.at_home() == 0);
        co_await rondo::for_each_concurrent(std::move(elements), 3, [](const tracked&) { return rondo::yield(); });
    }
    void check(disturbance by) override {
        REQUIRE(inside == 0);
        REQUIRE(most <= 2);
        REQUIRE(std::is_sorted(visited.begin(), visited.end()));
        if (by == disturbance::none) REQUIRE((visited.size() == 6 && most == 2));
    }

private:
    task<> visits(household& home, int number) {
        const presence here(*this);
        const household::child child(home);
        visited.push_back(number);
        most = std::max(most, ++inside);
        const support::call_at_exit leaves([this] { --inside; });
        co_await rondo::sleep(number % 3 * 1ms);
    }

    std::vector<int> visited;
    int inside = 0, most = 0;
};

// ---- Streams, and the world outside ----

/// Generators behind one another, one that is given up half-way, one that is cancelled, one that fails.
class streams final : public swept {
public:
    task<> program() override {
        auto odd = filters(counts(6));
        while (const auto number = co_await odd.next()) {
            read.push_back(number->number());
            point();
        }
        int place = 7;
        {
            auto references = refers(place);
            const auto first = co_await references.next();
            first->get() = 8;
        }
        read.push_back(place);
        auto slow = counts(6);
        (void)co_await slow.next();
        (void)co_await rondo::try_with_timeout(500us, slow.next());
        try {
            (void)co_await slow.next();
        } catch (const rondo::cancelled&) {
            read.push_back(9);
        }
        auto failing = fails();
        try {
            (void)co_await failing.next();
        } catch (const oops&) {
            read.push_back(10);
        }
        const auto after = co_await failing.next();
        if (!after) read.push_back(11);
    }
    void check(disturbance by) override {
        if (by == disturbance::none) REQUIRE(read == std::vector<int>{1, 3, 5, 8, 9, 10, 11});
    }

private:
    rondo::async_generator<tracked> counts(int end) {
        const presence here(*this);
        for (int i = 0; i < end; ++i) {
            const tracked local(i);
            co_await rondo::sleep(1ms);
            point();
            co_yield tracked(i);
        }
    }
    rondo::async_generator<tracked> filters(rondo::async_generator<tracked> all) {
        const presence here(*this);
        while (const auto each = co_await all.next())
            if (each->number() % 2 == 1) co_yield *each;
    }
    rondo::async_generator<int&> refers(int& to) {
        const presence here(*this);
        for (;;) co_yield to;
    }
    rondo::async_generator<int> fails() {
        const presence here(*this);
        co_await rondo::yield();
        throw oops();
        co_yield 0;
    }

    std::vector<int> read;
};

/// Operations with callbacks: each is answered, fails, is dropped, or is withdrawn.
class callbacks final : public swept {
public:
    task<> program() override {
        may_lose(rondo::spawn(answers(7)));
        auto second = rondo::spawn(answers(7));
        sum += co_await support::ask(api);
        const auto race = co_await rondo::when_any(support::ask(api), support::ask(api), rondo::sleep(20ms));
        if (race.index() != 2) ++won;
        (void)co_await rondo::try_with_timeout(0ms, support::ask(api));
        co_await rondo::when_all(asks(), asks(), asks());
        co_await second;
    }
    void check(disturbance by) override {
        REQUIRE(api.withdrawn <= api.asked);
        if (by == disturbance::none) REQUIRE(api.withdrawn == 2);
        if (by != disturbance::none && by != disturbance::loss) return;
        REQUIRE(sum == 1);
        REQUIRE(won == 1);
        REQUIRE(ended == 3);
        REQUIRE(api.waiting.empty());
    }

private:
    /// Every third one fails, and every third one is dropped.
    task<> answers(int times) {
        const presence here(*this);
        for (; times > 0; --times) {
            co_await rondo::sleep(1ms);
            if (api.waiting.empty()) continue;
            point();
            rondo::callback<int> one = api.take();
            const int turn = answered++;
            if (turn < 2 || turn % 3 == 0) one(1);
            if (turn >= 2 && turn % 3 == 1) one.fail(std::make_exception_ptr(oops()));
        }
    }
    task<> asks() {
        const presence here(*this);
        try {
            (void)co_await support::ask(api);
        } catch (const oops&) {
        } catch (const rondo::callback_dropped&) {
        }
        ++ended;
    }

    support::legacy<int> api;
    int sum = 0, won = 0, ended = 0, answered = 0;
};

/// Operations that the library does not know: its own protocol, withdrawn or not, and a plain coroutine handle.
class foreigners final : public swept {
public:
    foreigners() { stubborn.withdrawable = false; }

    task<> program() override {
        const presence here(*this);
        answer([this] {
            if (polite.waiting()) polite.complete(1);
        });
        sum += co_await polite;
        (void)co_await rondo::try_with_timeout(0ms, polite);
        answer([this] {
            if (stubborn.waiting()) stubborn.complete(2);
        });
        sum += co_await stubborn;
        answer([this] {
            if (place.occupied()) place.resume(4);
        });
        sum += co_await place;
        answer([this] {
            if (place.occupied()) place.resume(8);
        });
        (void)co_await rondo::when_any(place, rondo::yield());
        sum += 8;
        auto victim = rondo::spawn(waits());
        co_await rondo::yield();
        const bool is_waiting = stubborn.waiting();
        victim.cancel();
        (void)co_await victim.settled();
        if (is_waiting && has_gone_on) is_resumed = true;
    }
    void check(disturbance by) override {
        REQUIRE(!polite.waiting());
        REQUIRE(!stubborn.waiting());
        REQUIRE(!place.occupied());
        REQUIRE(!is_resumed);
        if (by == disturbance::none) REQUIRE(sum == 15);
    }

private:
    task<> waits() {
        const presence here(*this);
        answer([this] { stubborn.complete(); });
        co_await stubborn;
        has_gone_on = true;
    }
    template <class F>
    void answer(F f) {
        rondo::event_loop::current().post(f);
    }

    support::native_operation polite, stubborn;
    support::parking place;
    int sum = 0;
    bool has_gone_on = false, is_resumed = false;
};

}  // namespace

TEST_CASE("a chain of tasks gives back what is at its end") { sweeps::all<chain>(45, 8); }

TEST_CASE("sleepers wake at their time") { sweeps::all<sleepers>(35, 4); }

TEST_CASE("ticks that were missed come as was chosen") { sweeps::all<metronomes>(55, 2); }

TEST_CASE("spawned tasks are joined, cancelled and dropped") { sweeps::all<handles>(30, 8); }

TEST_CASE("posted functions run in their order") { sweeps::all<errands>(16, 1); }

TEST_CASE("each failure is told once") { sweeps::all<failures>(100, 25); }

TEST_CASE("results are gathered in their places, from children that never outlive the caller") {
    sweeps::all<gathering>(65, 15);
}

TEST_CASE("one fails, and the others are gone") { sweeps::all<a_failure_among_many>(70, 20); }

TEST_CASE("one wins, and the others are gone") { sweeps::all<races>(50, 11); }

TEST_CASE("what comes too late is gone") { sweeps::all<deadlines>(50, 9); }

TEST_CASE("groups are left when their last child has ended") { sweeps::all<groups>(110, 20); }

TEST_CASE("what is uncancellable comes to its end") { sweeps::all<transactions>(210, 10); }

TEST_CASE("cleanups come to their end") { sweeps::all<cleanups>(80, 16); }

TEST_CASE("outcomes come in the order of the ends") { sweeps::all<completions>(80, 12); }

TEST_CASE("each element once, a few at a time") { sweeps::all<a_few_at_a_time>(40, 9); }

TEST_CASE("streams end with those who read them") { sweeps::all<streams>(50, 4); }

TEST_CASE("callbacks answer, or are withdrawn") { sweeps::all<callbacks>(150, 5); }

TEST_CASE("operations of others go on once, or are withdrawn") { sweeps::all<foreigners>(25, 3); }
