// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <support/clocks.hpp>
#include <support/foreign.hpp>
#include <support/leak_check.hpp>
#include <support/native_operation.hpp>
#include <support/tasks.hpp>
#include <support/tracked.hpp>

#include <rondo/loop/event_loop.hpp>
#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using rondo::event_loop;
using rondo::join_handle;
using rondo::task;
using support::lines;
using support::note_at_exit;
using support::tracked;

static_assert(!std::is_copy_constructible_v<event_loop> && !std::is_move_constructible_v<event_loop>);

// --- construction, current() ---

TEST_CASE("a loop needs a driver") {
    CHECK_THROWS_AS(event_loop(std::unique_ptr<rondo::driver>()), std::invalid_argument);
}

TEST_CASE("a loop that is never used can be destroyed, in any order with others") {
    auto first = std::make_unique<event_loop>();
    auto second = std::make_unique<event_loop>(support::virtual_time());
    first.reset();
    second.reset();
}

TEST_CASE("current() is the running loop, in tasks and in posted functions, and throws logic_error elsewhere") {
    CHECK_THROWS_AS(event_loop::current(), std::logic_error);
    event_loop loop(support::virtual_time());
    CHECK_THROWS_AS(event_loop::current(), std::logic_error);
    const event_loop* in_task = nullptr;
    const event_loop* in_post = nullptr;
    auto look = [](const event_loop*& seen) -> task<> {
        co_await rondo::yield();
        seen = &event_loop::current();
    };
    loop.post([&] { in_post = &event_loop::current(); });
    loop.run(look(in_task));
    CHECK(in_task == &loop);
    CHECK(in_post == &loop);
    CHECK_THROWS_AS(event_loop::current(), std::logic_error);
    in_task = nullptr;
    loop.spawn(look(in_task));
    loop.poll();
    CHECK_THROWS_AS(event_loop::current(), std::logic_error);
    loop.poll();
    CHECK(in_task == &loop);
}

// --- order ---

TEST_CASE("what became ready first runs first: spawned tasks, posted functions and resumed tasks alike") {
    lines log;
    support::native_operation operation;
    auto waits = [](support::native_operation& what, lines& out) -> task<> {
        co_await what;
        out.push_back("resumed");
    };
    event_loop loop(support::virtual_time());
    loop.spawn(waits(operation, log));
    loop.poll();
    auto main = [](support::native_operation& what, lines& out) -> task<> {
        event_loop& own = event_loop::current();
        own.spawn(support::note(out, "spawned 1"));
        own.post([&out] { out.push_back("posted 1"); });
        what.complete();
        own.post([&out] { out.push_back("posted 2"); });
        own.spawn(support::note(out, "spawned 2"));
        co_await rondo::yield();
        out.push_back("main");
    };
    loop.run(main(operation, log));
    CHECK(log == lines{"spawned 1", "posted 1", "resumed", "posted 2", "spawned 2", "main"});
}

TEST_CASE("what is posted and spawned outside a run keeps its order, too") {
    lines log;
    event_loop loop(support::virtual_time());
    loop.post([&] { log.push_back("posted 1"); });
    loop.spawn(support::note(log, "spawned 1"));
    loop.post([&] { log.push_back("posted 2"); });
    loop.spawn(support::note(log, "spawned 2"));
    loop.run();
    CHECK(log == lines{"posted 1", "spawned 1", "posted 2", "spawned 2"});
}

TEST_CASE("tasks that yield take turns") {
    lines log;
    event_loop loop(support::virtual_time());
    for (const char* name : {"a", "b", "c"}) loop.spawn(support::rounds(log, name, 3));
    loop.run();
    CHECK(log == lines{"a1", "b1", "c1", "a2", "b2", "c2", "a3", "b3", "c3"});
}

TEST_CASE("what a step makes ready runs in the next round") {
    lines log;
    event_loop loop(support::virtual_time());
    auto first = [](lines& out) -> task<> {
        rondo::spawn(support::note(out, "made ready in the first round"));
        out.push_back("first");
        co_return;
    };
    loop.spawn(first(log));
    loop.spawn(support::note(log, "second"));
    CHECK(loop.poll() == 2);
    CHECK(log == lines{"first", "second"});
    CHECK(loop.poll() == 1);
    CHECK(log.back() == "made ready in the first round");
}

TEST_CASE("what was ready before a timer fell due runs before its sleeper") {
    lines log;
    support::manual_clock clock;
    event_loop loop(clock.driver());
    loop.spawn(support::note_after(log, "sleeper", 1s));
    loop.poll();
    loop.spawn(support::note(log, "spawned before"));
    clock.now += 1s;
    loop.poll();
    CHECK(log == lines{"spawned before", "sleeper"});
}

TEST_CASE("when main ends in the middle of a round, the others keep their places") {
    lines log;
    event_loop loop(support::virtual_time());
    loop.spawn(support::note(log, "a"));
    auto main = [](lines& out) -> task<> {
        out.push_back("main");
        co_return;
    };
    loop.spawn(support::note(log, "b"));
    loop.run(main(log));
    loop.spawn(support::note(log, "c"));
    loop.run();
    CHECK(log.size() == 4);
    lines others;
    for (const std::string& line : log) {
        if (line != "main") others.push_back(line);
    }
    CHECK(others == lines{"a", "b", "c"});
}

TEST_CASE("a task may spawn on another loop, whose driver is woken; the new task runs there") {
    const event_loop* seen = nullptr;
    support::manual_clock clock;
    event_loop first(support::virtual_time());
    event_loop second(clock.driver());
    auto look = [](const event_loop*& out) -> task<> {
        out = &event_loop::current();
        co_return;
    };
    auto spawns = [](event_loop& other, const event_loop*& out, decltype(look) body) -> task<> {
        other.spawn(body(out));
        co_return;
    };
    first.run(spawns(second, seen, look));
    CHECK(clock.wakes > 0);
    CHECK(seen == nullptr);
    second.run();
    CHECK(seen == &second);
}

// --- run(main) ---

TEST_CASE("run(main) gives what main returns and throws what it throws") {
    event_loop loop(support::virtual_time());
    CHECK(loop.run(support::give(5)) == 5);
    static_assert(std::is_void_v<decltype(loop.run(support::nothing()))>);
    loop.run(support::nothing());
    CHECK(*loop.run(support::give(std::make_unique<int>(7))) == 7);
    CHECK_THROWS_AS(loop.run(support::fail("x")), std::runtime_error);
    CHECK(loop.run(support::give(6)) == 6);  // and is ready for more
}

namespace {

task<int&> gives_reference(int& target) {
    co_await rondo::yield();
    co_return target;
}

task<> ticks(lines& log, std::string name, int times) {
    for (int i = 1; i <= times; ++i) {
        co_await rondo::sleep(1s);
        log.push_back(name + std::to_string(i));
    }
}

}  // namespace

TEST_CASE("run(main) passes a reference through") {
    int target = 1;
    event_loop loop(support::virtual_time());
    CHECK(&loop.run(gives_reference(target)) == &target);
}

TEST_CASE("spawned tasks run beside main, stay where they are when it ends, and go on with the next run") {
    lines log;
    event_loop loop(support::virtual_time());
    loop.spawn(ticks(log, "tick ", 3));
    loop.run(support::nap(1500ms));
    CHECK(log == lines{"tick 1"});
    loop.run(support::nap(1s));
    CHECK(log == lines{"tick 1", "tick 2"});
    loop.run();
    CHECK(log == lines{"tick 1", "tick 2", "tick 3"});
}

TEST_CASE("try_run gives the outcome in place of value and exception") {
    event_loop loop(support::virtual_time());
    CHECK(loop.try_run(support::give(5)).value() == 5);
    CHECK(loop.try_run(support::fail("x")).error() != nullptr);
    loop.stop();
    CHECK(loop.try_run(support::nothing()).is_cancelled());
}

TEST_CASE("the result of main may have a move that throws: the exception arrives") {
    class throws_when_moved {
    public:
        explicit throws_when_moved(int moves) : moves_(moves) {}
        throws_when_moved(throws_when_moved&& other) : moves_(other.moves_ - 1) {
            if (moves_ < 0) throw std::runtime_error("moved");
        }
        throws_when_moved& operator=(throws_when_moved&&) = delete;

    private:
        int moves_;
    };
    auto body = [](int moves) -> task<throws_when_moved> {
        co_await rondo::yield();
        co_return throws_when_moved(moves);
    };
    event_loop loop(support::virtual_time());
    int failures = 0;
    for (int moves = 0; moves < 10; ++moves) {
        try {
            loop.run(body(moves));
        } catch (const std::runtime_error&) {
            ++failures;
        }
    }
    CHECK(failures >= 1);
    CHECK(failures < 10);
}

// --- run() ---

TEST_CASE("run() runs until no task is left, and returns at once when there is none") {
    lines log;
    event_loop loop(support::virtual_time());
    loop.run();
    const auto start = loop.now();
    loop.spawn(ticks(log, "a", 2));
    loop.spawn(ticks(log, "b", 1));
    loop.run();
    CHECK(log == lines{"a1", "b1", "a2"});
    CHECK(loop.now() - start == 2s);
}

TEST_CASE("run() waits for tasks that tasks spawn, and runs functions that were posted") {
    lines log;
    event_loop loop(support::virtual_time());
    auto spawns = [](lines& out) -> task<> {
        co_await rondo::sleep(1s);
        rondo::spawn(ticks(out, "child ", 2));
    };
    loop.spawn(spawns(log));
    loop.run();
    loop.post([&] { log.push_back("posted"); });
    loop.run();
    CHECK(log == lines{"child 1", "child 2", "posted"});
}

// --- one loop at a time ---

TEST_CASE("run and poll inside a running loop throw logic_error, whichever loop they are called on") {
    event_loop loop(support::virtual_time());
    event_loop other(support::virtual_time());
    int refused = 0;
    auto nested = [](event_loop& own, event_loop& second, int& count) -> task<> {
        for (event_loop* one : {&own, &second}) {
            try {
                one->run();
            } catch (const std::logic_error&) {
                ++count;
            }
            try {
                one->run(support::nothing());
            } catch (const std::logic_error&) {
                ++count;
            }
            try {
                one->poll();
            } catch (const std::logic_error&) {
                ++count;
            }
        }
        try {
            rondo::run(support::nothing());
        } catch (const std::logic_error&) {
            ++count;
        }
        co_await rondo::yield();  // the running loop is none the worse for it
    };
    loop.run(nested(loop, other, refused));
    CHECK(refused == 7);
    other.run(support::nap(1s));
    loop.post([&] {
        try {
            rondo::run(support::nothing());
        } catch (const std::logic_error&) {
            ++refused;
        }
    });
    loop.run();
    CHECK(refused == 8);
}

TEST_CASE("another loop may be made, filled and destroyed inside a running one") {
    lines log;
    auto main = [](lines& out) -> task<> {
        event_loop& own = event_loop::current();
        {
            event_loop inner(support::virtual_time());
            inner.spawn(support::waits_for_ever(out, "inner"));
            join_handle<> unstarted = inner.spawn(support::stuck());
            unstarted.cancel();
        }
        out.push_back(&event_loop::current() == &own ? "same loop" : "other loop");
        co_await rondo::sleep(1s);
        out.push_back("end");
    };
    rondo::testing::run(main(log));
    CHECK(log == lines{"same loop", "end"});
}

// --- stop ---

namespace {

task<> stops_after(event_loop& loop, std::chrono::seconds time) {
    co_await rondo::sleep(time);
    loop.stop();
}

task<int> main_with_local(lines& log) {
    note_at_exit gone(log, "main gone");
    log.push_back("main");
    co_await support::for_ever();
    co_return 1;
}

}  // namespace

TEST_CASE("stop() while a loop runs makes run(main) unwind main and throw cancelled") {
    lines log;
    event_loop loop(support::virtual_time());
    loop.spawn(stops_after(loop, 1s));
    CHECK_THROWS_AS(loop.run(main_with_local(log)), rondo::cancelled);
    CHECK(log == lines{"main", "main gone"});
}

TEST_CASE("stop() before a run stops the next one: main never starts, and its arguments are destroyed") {
    lines log;
    event_loop loop(support::virtual_time());
    loop.stop();
    auto main = [](lines& out, tracked) -> task<> {
        out.push_back("ran");
        co_return;
    };
    CHECK_THROWS_AS(loop.run(main(log, tracked(1))), rondo::cancelled);
    CHECK(log.empty());
    CHECK(tracked::live() == 0);
}

TEST_CASE("a stop is used up by the run that it stops, and two are one") {
    event_loop loop(support::virtual_time());
    loop.stop();
    loop.stop();
    CHECK_THROWS_AS(loop.run(support::nothing()), rondo::cancelled);
    CHECK(loop.run(support::give(3)) == 3);
}

TEST_CASE("main may stop its own loop, and ends at its next suspension") {
    lines log;
    event_loop loop(support::virtual_time());
    auto main = [](event_loop& own, lines& out) -> task<> {
        note_at_exit gone(out, "gone");
        own.stop();
        out.push_back("runs on");
        co_await rondo::yield();
        co_await rondo::sleep(1h);
        out.push_back("goes on");
    };
    CHECK_THROWS_AS(loop.run(main(loop, log)), rondo::cancelled);
    CHECK(log == lines{"runs on", "gone"});
}

TEST_CASE("a stopped run(main) leaves the spawned tasks where they are") {
    lines log;
    event_loop loop(support::virtual_time());
    loop.spawn(ticks(log, "tick ", 3));
    loop.spawn(stops_after(loop, 1s));
    CHECK_THROWS_AS(loop.run(support::stuck()), rondo::cancelled);
    CHECK(log == lines{"tick 1"});
    loop.run();
    CHECK(log == lines{"tick 1", "tick 2", "tick 3"});
}

TEST_CASE("a stop in the step in which main ends is for the next run") {
    event_loop loop(support::virtual_time());
    auto main = [](event_loop& own) -> task<> {
        own.stop();
        co_return;
    };
    CHECK(loop.try_run(main(loop)).has_value());
    CHECK(loop.try_run(support::nothing()).is_cancelled());
    CHECK(loop.try_run(support::nothing()).has_value());
}

TEST_CASE("stop() makes run() cancel all tasks and return") {
    lines log;
    event_loop loop(support::virtual_time());
    loop.spawn(support::waits_for_ever(log, "a"));
    loop.spawn(stops_after(loop, 1s));
    loop.spawn(support::waits_for_ever(log, "b"));
    loop.run();
    CHECK(log.size() == 4);
    CHECK(rondo::testing::live_frames() == 0);
    loop.spawn(support::note(log, "next"));
    loop.run();  // was used up
    CHECK(log.back() == "next");
}

TEST_CASE("stop() before run() cancels what is there, unstarted") {
    lines log;
    event_loop loop(support::virtual_time());
    loop.spawn(support::note(log, "ran"));
    loop.stop();
    loop.run();
    CHECK(log.empty());
    loop.run();
    CHECK(log.empty());
}

TEST_CASE("run() without main uses a stop up, also when it finds nothing to cancel") {
    event_loop loop(support::virtual_time());
    loop.stop();
    loop.run();
    CHECK(loop.run(support::give(1)) == 1);
    auto stops = [](event_loop& own) -> task<> {
        own.stop();
        co_return;
    };
    loop.spawn(stops(loop));
    loop.run();
    CHECK(loop.run(support::give(2)) == 2);
}

// --- close ---

TEST_CASE("closing a loop cancels everything and says that nothing is left") {
    lines log;
    event_loop loop(support::virtual_time());
    CHECK(loop.close());
    event_loop busy(support::virtual_time());
    join_handle<> waiting = busy.spawn(support::waits_for_ever(log, "waiting"));
    join_handle<> ready = busy.spawn(support::yields(5));
    busy.poll();
    join_handle<> unstarted = busy.spawn(support::note(log, "ran"));
    CHECK(busy.close());
    CHECK(waiting.done());
    CHECK(ready.done());
    CHECK(unstarted.done());
    CHECK(log == lines{"waiting waits", "waiting gone"});
    CHECK(busy.close());  // again
}

TEST_CASE("closing says false while a foreign awaitable keeps a task, and true when that is over") {
    support::parking place;
    lines log;
    auto parks = [](support::parking& where, lines& out) -> task<> {
        note_at_exit gone(out, "gone");
        co_await where;
        out.push_back("went on");
    };
    event_loop loop(support::virtual_time());
    loop.spawn(parks(place, log));
    loop.poll();
    CHECK(!loop.close());
    CHECK(!loop.close());
    place.resume();
    loop.poll();
    CHECK(loop.close());
    CHECK(log == lines{"gone"});
}

TEST_CASE("what is spawned on a closed loop is destroyed unstarted, and its handle says cancelled") {
    lines log;
    event_loop loop(support::virtual_time());
    loop.close();
    auto argument = [](lines& out, tracked) -> task<> {
        out.push_back("ran");
        co_return;
    };
    join_handle<> handle = loop.spawn(argument(log, tracked(1)));
    CHECK(handle.done());
    CHECK(tracked::live() == 0);
    loop.poll();
    CHECK(log.empty());
    auto joins = [](join_handle<>& other) -> task<bool> {
        const auto end = co_await other.settled();
        co_return end.is_cancelled();
    };
    event_loop second(support::virtual_time());
    CHECK(second.run(joins(handle)));
}

TEST_CASE("what destructors and posted functions spawn while a closed loop winds down is destroyed unstarted") {
    lines log;
    support::parking first;
    support::parking second;
    auto parks = [](support::parking& where, lines& out) -> task<> {
        support::call_at_exit act([&] { (void)rondo::spawn(support::note(out, "spawned by a destructor")); });
        co_await where;
    };
    event_loop loop(support::virtual_time());
    loop.spawn(parks(first, log));
    loop.spawn(parks(second, log));
    loop.poll();
    CHECK(!loop.close());
    loop.post([&] { (void)rondo::spawn(support::note(log, "spawned by a posted function")); });
    first.resume();  // the other one still keeps the loop
    for (int i = 0; i < 5; ++i) loop.poll();
    second.resume();
    while (!loop.close()) loop.poll();
    CHECK(log.empty());
}

TEST_CASE("a loop may be closed by one of its own tasks, which ends at its next suspension") {
    lines log;
    event_loop loop(support::virtual_time());
    auto closes = [](event_loop& own, lines& out) -> task<> {
        note_at_exit gone(out, "closer gone");
        out.push_back(own.close() ? "nothing left" : "something left");
        co_await rondo::yield();
        out.push_back("goes on");
    };
    loop.spawn(support::waits_for_ever(log, "other"));
    loop.spawn(closes(loop, log));
    loop.poll();
    CHECK(log == lines{"other waits", "other gone", "something left", "closer gone"});
    CHECK(loop.close());
}

TEST_CASE("what a task spawns after it has closed its loop is destroyed unstarted") {
    lines log;
    auto closes = [](event_loop& own, lines& out) -> task<> {
        own.close();
        join_handle<> handle = rondo::spawn(support::note(out, "ran"));
        out.push_back(handle.done() ? "destroyed" : "alive");
        co_await rondo::yield();
    };
    event_loop as_main(support::virtual_time());
    CHECK_THROWS_AS(as_main.run(closes(as_main, log)), rondo::cancelled);
    as_main.run();
    event_loop spawned(support::virtual_time());
    spawned.spawn(closes(spawned, log));
    spawned.run();
    CHECK(log == lines{"destroyed", "destroyed"});
}

TEST_CASE("a loop may be closed by a posted function") {
    lines log;
    event_loop loop(support::virtual_time());
    bool nothing_left = false;
    loop.spawn(support::waits_for_ever(log, "it"));
    loop.post([&] { nothing_left = loop.close(); });
    loop.run();
    CHECK(nothing_left);
    CHECK(log == lines{"it waits", "it gone"});
}

TEST_CASE("closing a loop cancels main, too: run(main) throws cancelled") {
    lines log;
    event_loop loop(support::virtual_time());
    auto closes = [](event_loop& own) -> task<> {
        co_await rondo::sleep(1s);
        own.close();
    };
    loop.spawn(closes(loop));
    CHECK_THROWS_AS(loop.run(main_with_local(log)), rondo::cancelled);
    CHECK(log == lines{"main", "main gone"});
}

// --- time ---

TEST_CASE("now() is the driver's time") {
    support::manual_clock clock;
    event_loop loop(clock.driver());
    CHECK(loop.now() == clock.now);
    clock.now += 5s;
    CHECK(loop.now() == clock.now);
}

TEST_CASE("next_deadline() is nothing when idle, the earliest timer while tasks sleep, and now while work is ready") {
    support::manual_clock clock;
    event_loop loop(clock.driver());
    CHECK(loop.next_deadline() == std::nullopt);
    loop.spawn(support::nap(5s));
    CHECK(loop.next_deadline() == clock.now);
    loop.poll();
    const auto start = clock.now;
    CHECK(loop.next_deadline() == start + 5s);
    join_handle<> earlier = loop.spawn(support::nap(2s));
    loop.poll();
    CHECK(loop.next_deadline() == start + 2s);
    earlier.cancel();
    CHECK(loop.next_deadline() == start + 5s);
    loop.post([] {});
    CHECK(loop.next_deadline() == clock.now);
    loop.poll();
    CHECK(loop.next_deadline() == start + 5s);
    clock.now = start + 10s;  // overdue is now
    REQUIRE(loop.next_deadline().has_value());
    CHECK(*loop.next_deadline() <= clock.now);
    loop.poll();
    CHECK(loop.next_deadline() == std::nullopt);
}

TEST_CASE("an endless sleep sets no timer") {
    support::manual_clock clock;
    event_loop loop(clock.driver());
    loop.spawn(support::stuck());
    loop.poll();
    CHECK(loop.next_deadline() == std::nullopt);
}

// --- post ---

TEST_CASE("a posted function runs once, on the loop, and what it captured is destroyed") {
    event_loop loop(support::virtual_time());
    int runs = 0;
    loop.post([&runs, owned = std::make_unique<int>(1), counted = tracked(1)] { runs += *owned; });
    CHECK(tracked::live() == 1);
    CHECK(runs == 0);
    CHECK(loop.poll() == 1);
    CHECK(runs == 1);
    CHECK(tracked::live() == 0);
    CHECK(loop.poll() == 0);
}

TEST_CASE("anything callable may be posted: lvalues are copied, call operators may be mutable or rvalue-only") {
    class counts_up {
    public:
        explicit counts_up(int& count) : count_(count) {}
        void operator()() && { ++count_; }

    private:
        int& count_;
    };
    static int calls = 0;
    calls = 0;
    int count = 0;
    event_loop loop(support::virtual_time());
    auto mutable_function = [&count, own = 0]() mutable { count += ++own; };
    loop.post(mutable_function);
    loop.post(mutable_function);
    loop.post(counts_up(count));
    void (*const plain)() = [] { ++calls; };
    loop.post(plain);
    loop.run();
    CHECK(count == 3);
    CHECK(calls == 1);
}

TEST_CASE("a function posted by a posted function is a step of the next round") {
    lines log;
    event_loop loop(support::virtual_time());
    loop.post([&] {
        log.push_back("first");
        loop.post([&] { log.push_back("second"); });
    });
    CHECK(loop.poll() == 1);
    CHECK(log == lines{"first"});
    CHECK(loop.poll() == 1);
    CHECK(log == lines{"first", "second"});
}

TEST_CASE("posted functions keep their order, also those posted before the loop ran") {
    std::vector<int> order;
    event_loop loop(support::virtual_time());
    for (int i = 0; i < 100; ++i) loop.post([&order, i] { order.push_back(i); });
    loop.run();
    REQUIRE(order.size() == 100);
    for (int i = 0; i < 100; ++i) CHECK(order[static_cast<std::size_t>(i)] == i);
}

TEST_CASE("a posted function may spawn, and one that is never run frees what it captured") {
    lines log;
    {
        event_loop loop(support::virtual_time());
        loop.post([&] { rondo::spawn(support::note(log, "spawned")); });
        loop.run();
        loop.post([&log, counted = tracked(1)] { log.push_back("ran"); });
        CHECK(tracked::live() == 1);
    }
    CHECK(tracked::live() == 0);
    CHECK(log == lines{"spawned"});
}

// --- keep_alive ---

TEST_CASE("while a guard lives an idle loop waits; then it gives up") {
    lines log;
    support::manual_clock clock;
    event_loop loop(clock.driver());
    std::optional<rondo::work_guard> guard(loop.keep_alive());
    clock.on_wait = [&] {
        if (clock.waits == 2) loop.spawn(support::note(log, "spawned while the loop waited"));
        if (clock.waits == 4) guard.reset();
    };
    loop.run();
    CHECK(clock.waits == 4);
    CHECK(log == lines{"spawned while the loop waited"});
}
