// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// when_any in tasks that are cancelled and loops that end, and many of them inside one another.

#include <support/clocks.hpp>
#include <support/journal.hpp>
#include <support/leak_check.hpp>
#include <support/tasks.hpp>
#include <support/tracked.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace {

using namespace std::chrono_literals;
using rondo::event_loop;
using rondo::task;
using rondo::when_any;
using support::lines;
using support::nap;
using support::note_at_exit;
using support::tracked;

using duration = support::clock::duration;

template <class T>
task<T> give_after(T value, duration time) {
    co_await rondo::sleep(time);
    co_return std::move(value);
}

// Says that it has started, and when its frame goes.
task<int> noted(lines& log, std::string name, duration time) {
    note_at_exit gone(log, name + " gone");
    log.push_back(name + " starts");
    co_await rondo::sleep(time);
    log.push_back(name + " ends");
    co_return 1;
}

// ---- Decided while something else goes on ----

// The queue decides the race while the task that pushes still runs.
task<int> pushes_then(rondo::bounded_queue<int>& queue, int what, lines& log) {
    note_at_exit gone(log, "pusher gone");
    co_await rondo::yield();
    queue.try_push(9);
    if (what == 0) co_return 1;
    if (what == 1) throw std::runtime_error("too late");
    co_await rondo::yield();
    log.push_back("not cancelled");
    co_return 2;
}

task<> decides_while_a_child_runs(int what, lines& log) {
    rondo::bounded_queue<int> queue(1);
    const auto first = co_await when_any(pushes_then(queue, what, log), queue.pop());
    REQUIRE(first.index() == 1);
    CHECK(std::get<1>(first) == 9);
    log.push_back("popped");
}

// A loser's destructor makes another operand of the same race a late winner.
task<> pushes_when_it_goes(rondo::bounded_queue<int>& queue) {
    support::call_at_exit last([&] { queue.try_push(5); });
    co_await support::for_ever();
}

task<> pushed_by_a_loser(bool by_cancelling) {
    rondo::bounded_queue<int> queue(1);
    bool done = false;
    auto handle = rondo::spawn([&]() -> task<> {
        const auto first = co_await when_any(pushes_when_it_goes(queue), queue.pop(), nap(10ms), queue.pop());
        CHECK(first.index() == 2);
        done = true;
    });
    co_await rondo::sleep(5ms);
    if (by_cancelling) {
        handle.cancel();
        CHECK(handle.done());
    } else {
        co_await handle;
    }
    CHECK(done == !by_cancelling);
    CHECK(queue.size() == 1);
    CHECK(queue.try_pop() == 5);
}

task<> spawns_when_it_goes(lines& log) {
    support::call_at_exit last([&] { rondo::spawn(support::note(log, "spawned")); });
    co_await support::for_ever();
}

// ---- Cancellation ----

task<> races(lines& log) {
    note_at_exit gone(log, "caller gone");
    co_await when_any(noted(log, "a", 10ms), noted(log, "b", 20ms));
    log.push_back("goes on");
}

task<> cancels_while_it_waits() {
    lines log;
    auto handle = rondo::spawn(races(log));
    co_await rondo::sleep(5ms);
    handle.cancel();
    CHECK(handle.done());
    CHECK(log == lines{"a starts", "b starts", "a gone", "b gone", "caller gone"});
    co_await rondo::sleep(50ms);
    CHECK(log.size() == 5);
}

task<tracked> give_tracked_after(duration time) {
    co_await rondo::sleep(time);
    co_return tracked(8);
}

task<> races_tracked(bool& went_on) {
    co_await when_any(give_tracked_after(10ms), give_tracked_after(20ms));
    went_on = true;
}

// The race is decided, and its caller ready, but has not gone on.
task<> cancels_once_decided() {
    bool went_on = false;
    auto handle = rondo::spawn(races_tracked(went_on));
    co_await rondo::sleep(10ms);
    REQUIRE(!handle.done());
    handle.cancel();
    CHECK(handle.done());
    CHECK(!went_on);
    CHECK(tracked::live() == 0);
    co_await rondo::sleep(20ms);
    CHECK(!went_on);
}

// The victim's own handle, for tasks that cancel themselves.
class victim {
public:
    std::optional<rondo::join_handle<>> handle;
};

task<int> cancels_itself(victim& v, bool then_waits) {
    co_await rondo::yield();
    v.handle->cancel();
    if (then_waits) co_await rondo::yield();
    co_return 1;
}

task<> races_against_itself(victim& v, bool then_waits, lines& log) {
    note_at_exit gone(log, "gone");
    const auto first = co_await when_any(cancels_itself(v, then_waits), nap(1h));
    log.push_back("won by " + std::to_string(first.index()));
    co_await rondo::yield();
    log.push_back("not cancelled");
}

task<> cancels_from_inside(bool then_waits, lines& log) {
    victim v;
    v.handle.emplace(rondo::spawn(races_against_itself(v, then_waits, log)));
    co_await rondo::sleep(1s);
    CHECK(v.handle->done());
    const auto end = co_await v.handle->settled();
    CHECK(end.is_cancelled());
}

// ---- Deep ----

enum class ending { value, error, cancelled };

task<int> nested(int depth, ending how) {
    if (depth == 0) {
        co_await rondo::sleep(how == ending::cancelled ? 1h : 1ms);
        if (how == ending::error) throw std::runtime_error("deep");
        co_return 0;
    }
    const auto first = co_await when_any(nested(depth - 1, how), give_after(0, 2h));
    co_return std::get<0>(first) + 1;
}

}  // namespace

TEST_CASE("what a loser's destructor gives to another operand of the race goes back") {
    rondo::testing::run(pushed_by_a_loser(false));
    rondo::testing::run(pushed_by_a_loser(true));
}

TEST_CASE("a loser's destructor may spawn") {
    lines log;
    event_loop loop(support::virtual_time());
    auto handle = loop.spawn([&]() -> task<> {
        co_await when_any(spawns_when_it_goes(log), nap(1ms));
        co_await nap(1ms);
    });
    loop.run();
    CHECK(handle.done());
    CHECK(log == lines{"spawned"});
}

TEST_CASE("when_any in a task that is cancelled before its start starts nothing") {
    lines log;
    event_loop loop(support::virtual_time());
    auto handle = loop.spawn(races(log));
    handle.cancel();
    CHECK(handle.done());
    loop.run();
    CHECK(log.empty());
}

TEST_CASE("cancelling a waiting when_any destroys the children, and then the caller, before cancel returns") {
    rondo::testing::run(cancels_while_it_waits());
}

TEST_CASE("cancelling the caller of a when_any that is decided drops the winner's value") {
    rondo::testing::run(cancels_once_decided());
}

TEST_CASE("a child that cancels its whole task is gone at its next suspension") {
    lines log;
    rondo::testing::run(cancels_from_inside(true, log));
    CHECK(log == lines{"gone"});
}

TEST_CASE("a child that cancels its whole task, and wins in the same step, cancels it all the same") {
    lines log;
    rondo::testing::run(cancels_from_inside(false, log));
    CHECK(log == lines{"gone"});
}

TEST_CASE("a loop with a when_any may be destroyed after any number of rounds") {
    for (int rounds = 0; rounds < 6; ++rounds) {
        lines log;
        auto driver = std::make_unique<rondo::testing::virtual_driver>();
        auto& time = *driver;
        std::optional<event_loop> loop(std::in_place, std::move(driver));
        loop->spawn(races(log));
        loop->spawn(decides_while_a_child_runs(rounds % 3 == 1 ? 0 : rounds % 3, log));
        for (int i = 0; i < rounds; ++i) {
            loop->poll();
            time.advance(4ms);
        }
        loop.reset();
        CHECK(std::count(log.begin(), log.end(), "a starts") == std::count(log.begin(), log.end(), "a gone"));
        CHECK(std::count(log.begin(), log.end(), "caller gone") == (rounds == 0 ? 0 : 1));
    }
}

TEST_CASE("when_any nested 1,000 deep ends by value, by exception, and by cancellation") {
    const int depth = rondo::testing::run(nested(1000, ending::value));
    CHECK(depth == 1000);
    CHECK_THROWS_WITH(rondo::testing::run(nested(1000, ending::error)), "deep");
    event_loop loop(support::virtual_time());
    auto handle = loop.spawn(nested(1000, ending::cancelled));
    while (loop.poll() != 0) {
    }
    CHECK(!handle.done());
    handle.cancel();
    CHECK(handle.done());
    CHECK(!loop.next_deadline());
}

TEST_CASE("when_any takes a range of 10,000, and its losers leave no timer") {
    event_loop loop(support::virtual_time());
    std::vector<task<int>> tasks;
    for (int i = 0; i < 10'000; ++i) tasks.push_back(give_after(i, i == 7777 ? 1ms : 1h));
    auto handle = loop.spawn(
        [](std::vector<task<int>> all) -> task<std::size_t> {
            const auto first = co_await when_any(std::move(all));
            co_return first.index;
        },
        std::move(tasks));
    const std::size_t winner = loop.run([](rondo::join_handle<std::size_t> h) -> task<std::size_t> {
        const std::size_t index = co_await h;
        co_return index;
    }(std::move(handle)));
    CHECK(winner == 7777);
    CHECK(!loop.next_deadline());
}
