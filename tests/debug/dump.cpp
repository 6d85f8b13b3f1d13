// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <support/clocks.hpp>
#include <support/foreign.hpp>
#include <support/leak_check.hpp>
#include <support/legacy.hpp>
#include <support/native_operation.hpp>
#include <support/tasks.hpp>

#include <rondo/debug.hpp>
#include <rondo/debug/dump.hpp>
#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <regex>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using rondo::event_loop;
using rondo::join_handle;
using rondo::mutex;
using rondo::task;
using support::lines;

namespace {

/// What a dump says, taken apart.
class picture {
public:
    explicit picture(event_loop& loop) : picture(rondo::debug::dump(loop)) {}
    explicit picture(const std::string& dump) : text(std::regex_replace(dump, nameless, "")) {
        std::istringstream stream(text);
        for (std::string line; std::getline(stream, line);) all_.push_back(line);
    }

    /// The lines below the name of a task, each without the place and the function: those are the same for whole tests.
    lines of(const std::string& name) const {
        static const std::regex place(R"(^( *)([^/]*: )?\S+\.[ch]pp:\d+: .* waits for )");
        lines found;
        auto line = std::find(all_.begin(), all_.end(), "  " + name);
        while (line != all_.end() && ++line != all_.end() && line->rfind("    ", 0) == 0)
            found.push_back(std::regex_replace(line->substr(4), place, "$1$2"));
        return found;
    }
    /// The circles, without the places.
    lines circles() const {
        static const std::regex place(R"( \(\S+:\d+\)$)");
        lines found;
        auto line = std::find(all_.begin(), all_.end(), circle);
        for (; line != all_.end(); ++line) found.push_back(std::regex_replace(*line, place, ""));
        return found;
    }
    const std::string& head() const { return all_.front(); }
    std::size_t height() const { return all_.size(); }
    bool says(const std::string& part) const { return text.find(part) != std::string::npos; }

    static constexpr const char* circle = "These wait for one another:";
    const std::string text;

private:
    static inline const std::regex nameless{R"((\(anonymous namespace\)|\{anonymous\})::)"};

    lines all_;
};

/// Lets `length` pass, and looks.
task<std::string> look_after(event_loop& loop, support::clock::duration length) {
    co_await rondo::sleep(length);
    co_return rondo::debug::dump(loop);
}
picture after(event_loop& loop, support::clock::duration length) { return picture(loop.run(look_after(loop, length))); }

std::string at_line(int line) { return "dump.cpp:" + std::to_string(line) + ": "; }

task<> holds(mutex& m, support::clock::duration length = 1h) {
    const auto guard = co_await m.scoped_lock();
    co_await rondo::sleep(length);
}
task<> wants(mutex& m) { const auto guard = co_await m.scoped_lock(); }
task<> holds_and_wants(mutex& first, mutex& second) {
    const auto outer = co_await first.scoped_lock();
    co_await rondo::yield();
    const auto inner = co_await second.scoped_lock();
}
task<> locks_crosswise(mutex& first, mutex& second) {
    const auto outer = co_await second.scoped_lock();
    co_await rondo::yield();
    const auto inner = co_await first.scoped_lock();
}
/// Waits before it locks, so that it is this frame which the loop resumes.
task<mutex::guard> locks_later(mutex& m) {
    co_await rondo::yield();
    co_return co_await m.scoped_lock();
}
task<> joins(join_handle<>& other) { co_await other; }

}  // namespace

// --- the tree ---

TEST_CASE("a loop without tasks has a head and nothing else") {
    event_loop loop(support::virtual_time());
    CHECK(picture(loop).text == "rondo: 0 tasks, 0 timers");
}

TEST_CASE("the head counts tasks, children of groups too, and timers") {
    event_loop loop(support::virtual_time());
    loop.spawn(support::nap(1s));
    loop.spawn(support::stuck());
    loop.spawn([]() -> task<> {
        co_await rondo::with_task_group([](rondo::task_group& group) -> task<> {
            group.spawn(support::nap(1s));
            group.spawn(support::nap(2s));
            co_return;
        });
    });
    loop.poll();
    loop.poll();
    const picture p(loop);
    INFO(p.text);
    CHECK(p.head() == "rondo: 5 tasks, 3 timers");
}

namespace {
int inner_line = 0, outer_line = 0;
task<int> inner() {
    inner_line = __LINE__ + 1;
    co_await rondo::sleep(1h);
    co_return 1;
}
task<> outer() {
    outer_line = __LINE__ + 1;
    co_await inner();
}
}  // namespace

TEST_CASE("a task shows the file, line and function of every co_await of its chain, outermost first") {
    event_loop loop(support::virtual_time());
    loop.spawn(outer(), "a name with spaces");
    loop.poll();
    const picture p(loop);
    INFO(p.text);
    const std::size_t name = p.text.find("\n  a name with spaces\n");
    const std::size_t first = p.text.find(at_line(outer_line));
    const std::size_t second = p.text.find(at_line(inner_line));
    CHECK(name < first);
    CHECK(first < second);
    CHECK(second < std::string::npos);
    CHECK(p.says("outer waits for a task"));
    CHECK(p.says("inner waits for sleep"));
    CHECK(p.of("a name with spaces") == lines{"a task", "  sleep, due in 3600.000 s"});
}

namespace {
template <class T>
task<> awaits_in_a_template(T length) {
    co_await rondo::sleep(length);
}
class service {
public:
    task<> serves(int) const { co_await support::for_ever(); }
    task<> operator()() const { co_await support::for_ever(); }
};
}  // namespace

TEST_CASE("functions are called by their names alone, members, templates and lambdas, too") {
    event_loop loop(support::virtual_time());
    rondo::semaphore none(0);
    loop.spawn(awaits_in_a_template(1h));
    loop.spawn(awaits_in_a_template(1h + 0ns));
    loop.spawn(service().serves(1));
    loop.spawn(service());
    loop.spawn([]() -> task<> { co_await support::for_ever(); });
    loop.spawn([&none]() -> task<> { const auto permit = co_await none.scoped_acquire(); });
    loop.spawn([](rondo::semaphore& s) -> task<> { const auto permit = co_await s.scoped_acquire(); }, std::ref(none));
    loop.poll();
    const picture p(loop);
    INFO(p.text);
    CHECK(p.says(" awaits_in_a_template waits") != p.says("::awaits_in_a_template waits"));
    CHECK(p.says("service::serves waits"));
    CHECK(p.says("service::operator() waits"));
    std::istringstream stream(p.text);
    for (std::string line; std::getline(stream, line);) {
        INFO(line);
        CHECK(line.find("Frame") == std::string::npos);
        CHECK(line.find("[with") == std::string::npos);
        CHECK(std::count(line.begin(), line.end(), '(') == std::count(line.begin(), line.end(), ')'));
        CHECK(std::count(line.begin(), line.end(), '<') == std::count(line.begin(), line.end(), '>'));
    }
}

TEST_CASE("tasks without a name, with one, and main") {
    event_loop loop(support::virtual_time());
    loop.spawn(support::stuck());
    loop.spawn(support::stuck(), "named");
    const picture p = after(loop, 1s);
    INFO(p.text);
    CHECK(p.of("main") == lines{"running"});
    CHECK(p.of("a task") == lines{"sleep (for ever), for 1.000 s"});
    CHECK(p.of("named") == lines{"sleep (for ever), for 1.000 s"});
    CHECK(!picture(loop).says("\n  main\n"));
}

TEST_CASE(
    "the children of a group stand below it with their names, which a dump of the group's owner does not repeat") {
    event_loop loop(support::virtual_time());
    loop.spawn(
        []() -> task<> {
            co_await rondo::with_task_group([](rondo::task_group& group) -> task<> {
                group.spawn(support::nap(5s), "first child");
                group.spawn(support::nap(3s));
                group.spawn(support::stuck(), "last child");
                co_await rondo::sleep(10s);
            });
        }(),
        "owner");
    const picture p = after(loop, 1s);
    INFO(p.text);
    CHECK(p.of("owner") == lines{"with_task_group", "  sleep, due in 9.000 s, for 1.000 s",
                                 "  first child: sleep, due in 4.000 s, for 1.000 s",
                                 "  a task: sleep, due in 2.000 s, for 1.000 s",
                                 "  last child: sleep (for ever), for 1.000 s"});
    CHECK(p.of("first child").empty());
}

TEST_CASE("a group whose body has ended waits for its children, groups inside groups included") {
    event_loop loop(support::virtual_time());
    loop.spawn(
        []() -> task<> {
            co_await rondo::with_task_group([](rondo::task_group& group) -> task<> {
                group.spawn(
                    []() -> task<> {
                        co_await rondo::with_task_group([](rondo::task_group& below) -> task<> {
                            below.spawn(support::nap(5s), "grandchild");
                            co_return;
                        });
                    }(),
                    "child");
                co_return;
            });
        }(),
        "owner");
    const picture p = after(loop, 1s);
    INFO(p.text);
    CHECK(p.of("owner") == lines{"with_task_group, for 1.000 s", "  child: with_task_group, for 1.000 s",
                                 "    grandchild: sleep, due in 4.000 s, for 1.000 s"});
}

TEST_CASE("the library's own coroutines are left out") {
    event_loop loop(support::virtual_time());
    loop.spawn([](int) -> task<> { co_await rondo::when_all(rondo::when_all(support::nap(2s)), support::nap(3s)); }, 1);
    const picture p = after(loop, 1s);
    INFO(p.text);
    CHECK(p.says("sleep, due in 1.000 s, for 1.000 s"));
    CHECK(p.says("sleep, due in 2.000 s, for 1.000 s"));
    for (const char* own : {"call_in_frame", "as_task", "/detail/", "include/rondo"}) CHECK(!p.says(own));
}

// --- what is waited for ---

TEST_CASE("sleeps tell when they are due, and since when they last") {
    event_loop loop(support::virtual_time());
    loop.spawn(support::nap(2500ms), "short");
    loop.spawn(support::nap(100h), "long");
    loop.spawn(support::stuck(), "endless");
    loop.spawn(
        []() -> task<> {
            co_await rondo::sleep(1s);
            co_await rondo::sleep_until(rondo::event_loop::current().now() + 1s);
        }(),
        "second");
    const picture p = after(loop, 1500ms);
    INFO(p.text);
    CHECK(p.of("short") == lines{"sleep, due in 1.000 s, for 1.500 s"});
    CHECK(p.of("long") == lines{"sleep, due in 359998.500 s, for 1.500 s"});
    CHECK(p.of("endless") == lines{"sleep (for ever), for 1.500 s"});
    CHECK(p.of("second") == lines{"sleep, due in 0.500 s, for 0.500 s"});
}

TEST_CASE("what has just begun to wait says nothing of how long") {
    event_loop loop(support::virtual_time());
    loop.spawn(support::stuck(), "fresh");
    loop.poll();
    CHECK(picture(loop).of("fresh") == lines{"sleep (for ever)"});
}

TEST_CASE("a deadline that has passed between polls is due at once") {
    support::manual_clock clock;
    event_loop loop(clock.driver());
    loop.spawn(support::nap(1s), "late");
    loop.poll();
    clock.now += 1ms;
    CHECK(picture(loop).of("late") == lines{"sleep, due in 0.999 s"});
    clock.now += 10s;
    CHECK(picture(loop).of("late") == lines{"sleep, due in 0.000 s"});
}

TEST_CASE("a task that has waited for weeks tells so") {
    event_loop loop(support::virtual_time());
    loop.spawn(support::stuck(), "old");
    CHECK(after(loop, 24h * 40).of("old") == lines{"sleep (for ever), for 3456000.000 s"});
}

TEST_CASE("timeouts tell their deadline, and what is below them") {
    event_loop loop(support::virtual_time());
    rondo::bounded_queue<int> queue(1);
    const auto times_task = []() -> task<> { co_await rondo::with_timeout(5s, support::nap(10s)); };
    const auto times_operand = [&]() -> task<> { co_await rondo::try_with_timeout(5s, queue.pop()); };
    const auto times_nothing = [&]() -> task<> {
        co_await rondo::with_timeout((support::clock::duration::max)(), queue.pop());
    };
    loop.spawn(times_task(), "task");
    loop.spawn(times_operand(), "operand");
    loop.spawn(times_nothing(), "endless");
    const picture p = after(loop, 2s);
    INFO(p.text);
    CHECK(p.of("task") == lines{"with_timeout, due in 3.000 s", "  sleep, due in 8.000 s, for 2.000 s"});
    CHECK(p.of("operand") == lines{"with_timeout, due in 3.000 s, for 2.000 s", "  bounded_queue::pop"});
    CHECK(p.of("endless") == lines{"with_timeout, for 2.000 s", "  bounded_queue::pop"});
}

TEST_CASE("queues") {
    rondo::bounded_queue<int> empty(1), full(1);
    rondo::message_queue<int> none(1), all(1);
    CHECK(full.try_push(1));
    CHECK(all.try_push(1));
    event_loop loop(support::virtual_time());
    const auto pops = [&]() -> task<> { (void)co_await empty.pop(); };
    const auto pushes = [&]() -> task<> { co_await full.push(2); };
    const auto receives = [&]() -> task<> { (void)co_await none.receive(); };
    const auto sends = [&]() -> task<> { co_await all.push(2); };
    const auto waits = [&]() -> task<> { co_await all.join(); };
    loop.spawn(pops(), "pops");
    loop.spawn(pushes(), "pushes");
    loop.spawn(receives(), "receives");
    loop.spawn(sends(), "sends");
    loop.spawn(waits(), "waits");
    const picture p = after(loop, 1s);
    INFO(p.text);
    CHECK(p.of("pops") == lines{"bounded_queue::pop, for 1.000 s"});
    CHECK(p.of("pushes") == lines{"bounded_queue::push, for 1.000 s"});
    CHECK(p.of("receives") == lines{"message_queue::receive, for 1.000 s"});
    CHECK(p.of("sends") == lines{"message_queue::push, for 1.000 s"});
    CHECK(p.of("waits") == lines{"message_queue::join, for 1.000 s"});
}

TEST_CASE("events, latches, barriers and condition variables") {
    rondo::event event;
    rondo::latch latch(1);
    rondo::barrier barrier(2);
    rondo::condition_variable changed;
    mutex m;
    event_loop loop(support::virtual_time());
    const auto on_event = [&]() -> task<> { co_await event.wait(); };
    const auto on_latch = [&]() -> task<> { co_await latch.wait(); };
    const auto on_barrier = [&]() -> task<> { co_await barrier.arrive_and_wait(); };
    const auto on_change = [&]() -> task<> {
        auto guard = co_await m.scoped_lock();
        co_await changed.wait(guard);
    };
    const auto on_change_soon = [&]() -> task<> {
        auto guard = co_await m.scoped_lock();
        co_await changed.wait_for(guard, 5s, [] { return false; });
    };
    loop.spawn(on_event(), "event");
    loop.spawn(on_latch(), "latch");
    loop.spawn(on_barrier(), "barrier");
    loop.spawn(on_change(), "change");
    loop.spawn(on_change_soon(), "change soon");
    loop.poll();
    loop.spawn(holds(m), "holder");
    loop.poll();
    picture p(loop);
    INFO(p.text);
    CHECK(p.of("event") == lines{"event::wait"});
    CHECK(p.of("latch") == lines{"latch::wait"});
    CHECK(p.of("barrier") == lines{"barrier::arrive_and_wait"});
    CHECK(p.of("change") == lines{"condition_variable::wait"});
    CHECK(p.of("change soon").back() == "  condition_variable::wait, due in 5.000 s");
    changed.notify_all();
    picture notified(loop);
    INFO(notified.text);
    CHECK(notified.of("change") == lines{"condition_variable::wait (for the mutex), held by holder"});
    CHECK(notified.of("change soon").back() == "  condition_variable::wait (for the mutex), held by holder");
}

TEST_CASE("what is gone is said to be gone") {
    event_loop loop(support::virtual_time());
    auto queue = std::make_unique<rondo::bounded_queue<int>>(1);
    auto lock = std::make_unique<mutex>();
    CHECK(lock->try_lock());
    const auto pops = [](rondo::bounded_queue<int>& q) -> task<> { (void)co_await q.pop(); };
    loop.spawn(pops(*queue), "pops");
    loop.spawn(wants(*lock), "locks");
    loop.poll();
    queue.reset();
    lock.reset();
    const picture p(loop);
    INFO(p.text);
    CHECK(p.of("pops") == lines{"bounded_queue::pop (the queue is gone)"});
    CHECK(p.of("locks") == lines{"mutex::lock (the mutex is gone)"});
}

TEST_CASE("generators show their body") {
    event_loop loop(support::virtual_time());
    const auto numbers = []() -> rondo::async_generator<int> {
        co_await rondo::sleep(5s);
        co_yield 1;
    };
    const auto asks = [&]() -> task<> {
        auto source = numbers();
        (void)co_await source.next();
    };
    loop.spawn(asks(), "asks");
    const picture p = after(loop, 1s);
    INFO(p.text);
    CHECK(p.of("asks") == lines{"async_generator::next", "  sleep, due in 4.000 s, for 1.000 s"});
}

TEST_CASE("combinators show all that they wait for, and no more") {
    rondo::bounded_queue<int> queue(1);
    mutex m;
    event_loop loop(support::virtual_time());
    const auto any_of = [&]() -> task<> {
        (void)co_await rondo::when_any(queue.pop(), support::nap(5s), m.scoped_lock(), rondo::sleep(6s));
    };
    const auto all_of = [&]() -> task<> {
        co_await rondo::when_all(support::nap(500ms), support::nap(2s), rondo::sleep(100ms), rondo::sleep(2s));
    };
    const auto settles = [&]() -> task<> { (void)co_await rondo::when_all_settled(support::nap(5s)); };
    loop.spawn(holds(m), "holder");
    loop.spawn(any_of(), "any");
    loop.spawn(all_of(), "all");
    loop.spawn(settles(), "settled");
    const picture p = after(loop, 1s);
    INFO(p.text);
    CHECK(p.of("any") == lines{"when_any", "  bounded_queue::pop", "  mutex::lock, held by holder",
                               "  sleep, due in 5.000 s", "  sleep, due in 4.000 s, for 1.000 s"});
    CHECK(p.of("all") == lines{"when_all", "  sleep, due in 1.000 s", "  sleep, due in 1.000 s, for 1.000 s"});
    CHECK(p.of("settled") == lines{"when_all_settled", "  sleep, due in 4.000 s, for 1.000 s"});
}

TEST_CASE("what a combinator waits for in a combinator, or of others, is told as well") {
    rondo::bounded_queue<int> queue(1);
    support::parking place;
    mutex m;
    event_loop loop(support::virtual_time());
    const auto times = [&]() -> task<> {
        (void)co_await rondo::when_all(rondo::with_timeout(5s, queue.pop()), support::nap(5s));
    };
    const auto races = [&]() -> task<> {
        (void)co_await rondo::when_any(rondo::when_all(m.scoped_lock(), queue.pop()), rondo::sleep(9s));
    };
    const auto parks = [&]() -> task<> { (void)co_await rondo::when_any(place, rondo::sleep(9s)); };
    loop.spawn(holds(m), "holder");
    loop.spawn(times(), "times");
    loop.spawn(races(), "races");
    loop.spawn(parks(), "parks");
    {
        const picture p = after(loop, 1s);
        INFO(p.text);
        const auto told = [&p](const char* name, const std::string& what) {
            for (const std::string& line : p.of(name))
                if (line.find(what) != std::string::npos) return true;
            return false;
        };
        CHECK(told("times", "with_timeout, due in 4.000 s"));
        CHECK(told("times", "bounded_queue::pop"));
        CHECK(told("races", "mutex::lock, held by holder"));
        CHECK(told("races", "bounded_queue::pop"));
        CHECK(told("parks", "a foreign awaitable"));
        CHECK(told("parks", "sleep, due in 8.000 s"));
    }
    place.resume();
    CHECK(queue.try_push(1));
    CHECK(queue.try_push(1) == false);
    loop.close();
    loop.run();
}

TEST_CASE("a race of operations alone tells since when it waits") {
    rondo::bounded_queue<int> one(1), other(1);
    event_loop loop(support::virtual_time());
    const auto races = [&]() -> task<> { (void)co_await rondo::when_any(one.pop(), other.pop()); };
    loop.spawn(races(), "races");
    const picture p = after(loop, 1s);
    INFO(p.text);
    CHECK(p.of("races") == lines{"when_any, for 1.000 s", "  bounded_queue::pop", "  bounded_queue::pop"});
}

TEST_CASE("uncancellable operations, cleanups, and loops over ranges") {
    event_loop loop(support::virtual_time());
    const auto cleanup = []() -> task<> { co_await rondo::sleep(7s); };
    const auto commits = []() -> task<> { co_await rondo::uncancellable(support::nap(5s)); };
    const auto works = [&]() -> task<> { co_await rondo::finally(support::nap(5s), cleanup); };
    const auto cleans = [&]() -> task<> { co_await rondo::finally(support::nothing(), cleanup); };
    loop.spawn(commits(), "commits");
    loop.spawn(works(), "works");
    loop.spawn(cleans(), "cleans");
    const picture p = after(loop, 1s);
    INFO(p.text);
    CHECK(p.of("commits") == lines{"uncancellable", "  sleep, due in 4.000 s, for 1.000 s"});
    CHECK(p.of("works") == lines{"finally", "  sleep, due in 4.000 s, for 1.000 s"});
    CHECK(p.of("cleans") == lines{"finally (cleanup)", "  sleep, due in 6.000 s, for 1.000 s"});
}

TEST_CASE("awaitables of others: foreign ones, operations by the protocol, callbacks") {
    support::parking place;
    support::native_operation operation;
    support::legacy<int> api;
    event_loop loop(support::virtual_time());
    const auto parks = [&]() -> task<> { co_await place; };
    const auto operates = [&]() -> task<> { (void)co_await operation; };
    const auto asks = [&]() -> task<> { (void)co_await support::ask(api); };
    loop.spawn(parks(), "parks");
    loop.spawn(operates(), "operates");
    loop.spawn(asks(), "asks");
    {
        const picture p = after(loop, 1s);
        INFO(p.text);
        CHECK(p.of("parks") == lines{"a foreign awaitable, for 1.000 s"});
        CHECK(p.of("operates") == lines{"an awaiter, for 1.000 s"});
        CHECK(p.of("asks") == lines{"from_callback, for 1.000 s"});
    }
    place.resume();
    operation.complete();
    api.answer(1);
    loop.run();
}

TEST_CASE("an operation of the user's tells what it is and when it is due") {
    event_loop loop(support::virtual_time());
    const auto waits = []() -> task<> {
        co_await support::described("readiness of a socket", rondo::time_point() + 5s);
    };
    loop.spawn(waits(), "waits");
    CHECK(after(loop, 1s).of("waits") == lines{"readiness of a socket, due in 4.000 s, for 1.000 s"});
}

// --- states ---

TEST_CASE("a task that has not started") {
    event_loop loop(support::virtual_time());
    loop.spawn(support::stuck(), "new");
    CHECK(picture(loop).of("new") == lines{"not started"});
    loop.poll();
    CHECK(picture(loop).of("new") == lines{"sleep (for ever)"});
    loop.spawn(
        []() -> task<> {
            co_await rondo::with_task_group([](rondo::task_group& group) -> task<> {
                group.spawn(support::stuck(), "child");
                co_return;
            });
        }(),
        "owner");
    loop.poll();
    const picture p(loop);
    INFO(p.text);
    CHECK(p.of("owner") == lines{"with_task_group", "  child: not started"});
}

TEST_CASE("a task whose wait is over is ready") {
    event_loop loop(support::virtual_time());
    rondo::event event;
    const auto waits = [&]() -> task<> { co_await event.wait(); };
    loop.spawn(waits(), "waits");
    loop.spawn(support::yields(1), "yields");
    loop.poll();
    event.set();
    const picture p(loop);
    INFO(p.text);
    CHECK(p.of("waits") == lines{"event::wait, which has come: ready"});
    CHECK(p.of("yields") == lines{"yield, which has come: ready"});
}

TEST_CASE("the task that asks is running; its chain is there") {
    event_loop loop(support::virtual_time());
    std::string seen;
    const auto looks = [&]() -> task<> {
        co_await rondo::yield();
        seen = rondo::debug::dump(event_loop::current());
    };
    const auto calls = [&]() -> task<> { co_await looks(); };
    loop.spawn(calls(), "asks");
    loop.spawn(support::stuck(), "other");
    loop.run(support::yields(3));
    const picture p(seen);
    INFO(p.text);
    CHECK(p.of("asks") == lines{"a task", "  running"});
    CHECK(p.of("other") == lines{"sleep (for ever)"});
    loop.close();
}

TEST_CASE("it may be asked for in a child that is just being started, in a group and in a race") {
    std::vector<std::string> seen;
    const auto looks = [&]() -> task<> {
        seen.push_back(rondo::debug::dump(event_loop::current()));
        co_return;
    };
    const auto main = [&]() -> task<> {
        co_await looks();
        co_await rondo::when_all(support::nap(1s), looks());
        co_await rondo::when_any(support::nap(1s), looks());
        co_await rondo::with_task_group([&](rondo::task_group& group) -> task<> {
            group.spawn(looks(), "child");
            co_await looks();
        });
    };
    rondo::testing::run(main());
    REQUIRE(seen.size() == 5);
    for (const std::string& one : seen) {
        INFO(one);
        CHECK(one.find("running") != std::string::npos);
        CHECK(one.find("main") != std::string::npos);
    }
}

TEST_CASE("in a posted function nothing is running") {
    event_loop loop(support::virtual_time());
    std::string seen;
    loop.spawn(support::stuck(), "a task of mine");
    loop.poll();
    loop.post([&] { seen = rondo::debug::dump(loop); });
    loop.poll();
    CHECK(seen.find("a task of mine") != std::string::npos);
    CHECK(seen.find("running") == std::string::npos);
}

TEST_CASE("looking changes nothing") {
    lines plain, watched;
    const auto program = [](lines& log, bool looks) {
        event_loop loop(support::virtual_time());
        rondo::bounded_queue<int> queue(1);
        loop.spawn(support::rounds(log, "a", 3));
        loop.spawn(support::note_after(log, "slept", 1s));
        loop.spawn(support::rounds(log, "b", 3));
        for (int i = 0; i < 5; ++i) {
            if (looks) CHECK(!rondo::debug::dump(loop).empty());
            loop.poll();
        }
        loop.run();
    };
    program(plain, false);
    program(watched, true);
    CHECK(plain == watched);
}

// --- joins and holders ---

TEST_CASE("who joins a task tells which") {
    event_loop loop(support::virtual_time());
    join_handle<> one = loop.spawn(support::nap(5s), "worker");
    join_handle<> two = loop.spawn(support::nap(5s));
    join_handle<> three = loop.spawn(support::nap(5s), "third");
    const auto settles = [&]() -> task<> { (void)co_await three.settled(); };
    loop.spawn(joins(one), "joins one");
    loop.spawn(joins(two), "joins two");
    loop.spawn(settles(), "settles");
    const picture p = after(loop, 1s);
    INFO(p.text);
    CHECK(p.of("joins one") == lines{"join_handle of worker, for 1.000 s"});
    CHECK(p.of("joins two") == lines{"join_handle of a task (support::nap), for 1.000 s"});
    CHECK(p.of("settles") == lines{"join_handle of third, for 1.000 s"});
    CHECK(p.circles().empty());
}

TEST_CASE("joins of children of a group, and in a race") {
    event_loop loop(support::virtual_time());
    loop.spawn(
        []() -> task<> {
            co_await rondo::with_task_group([](rondo::task_group& group) -> task<> {
                auto first = group.spawn(support::nap(5s), "first");
                auto second = group.spawn(support::nap(6s), "second");
                (void)co_await rondo::when_any(first, second);
            });
        }(),
        "owner");
    loop.poll();
    const picture p(loop);
    INFO(p.text);
    CHECK(p.of("owner") == lines{"with_task_group", "  when_any", "    join_handle of first",
                                 "    join_handle of second", "  first: not started", "  second: not started"});
}

TEST_CASE("who waits for a lock tells who holds it") {
    mutex m;
    event_loop loop(support::virtual_time());
    loop.spawn(holds(m), "holder");
    loop.spawn(wants(m), "first");
    loop.spawn(wants(m), "second");
    const picture p = after(loop, 1500ms);
    INFO(p.text);
    CHECK(p.of("first") == lines{"mutex::lock, held by holder, for 1.500 s"});
    CHECK(p.of("second") == lines{"mutex::lock, held by holder, for 1.500 s"});
    CHECK(p.circles().empty());
}

TEST_CASE("the holder is the next one when a lock is handed over, also in the same instant") {
    mutex m;
    event_loop loop(support::virtual_time());
    loop.spawn(holds(m, 1s), "first");
    loop.spawn(holds(m, 5s), "second");
    loop.spawn(wants(m), "third");
    CHECK(after(loop, 500ms).of("third") == lines{"mutex::lock, held by first, for 0.500 s"});
    CHECK(after(loop, 1s).of("third") == lines{"mutex::lock, held by second, for 1.500 s"});
    loop.run();
}

TEST_CASE("locks taken by hand have holders, too") {
    mutex m;
    event_loop loop(support::virtual_time());
    const auto locks = [&]() -> task<> {
        co_await m.lock();
        co_await rondo::sleep(10s);
        m.unlock();
    };
    const auto tries = [&]() -> task<> {
        co_await rondo::sleep(10s);
        while (!m.try_lock()) co_await rondo::sleep(1s);
        co_await rondo::sleep(10s);
        m.unlock();
    };
    loop.spawn(locks(), "locks");
    loop.spawn(wants(m), "wants");
    CHECK(after(loop, 1s).of("wants") == lines{"mutex::lock, held by locks, for 1.000 s"});
    loop.run();
    loop.spawn(tries(), "tries");
    loop.run(support::nap(15s));
    loop.spawn(wants(m), "wants");
    CHECK(after(loop, 1s).of("wants") == lines{"mutex::lock, held by tries, for 1.000 s"});
    loop.run();
}

TEST_CASE("a lock taken outside of all tasks has a holder who is not known") {
    mutex m;
    event_loop loop(support::virtual_time());
    CHECK(m.try_lock());
    loop.spawn(wants(m), "wants");
    loop.poll();
    CHECK(picture(loop).of("wants") == lines{"mutex::lock, held by somebody"});
    m.unlock();
    loop.run();
}

TEST_CASE("who holds a lock for another whom it awaits is that other") {
    mutex m;
    event_loop loop(support::virtual_time());
    const auto calls = [&]() -> task<> { co_await holds(m); };
    loop.spawn(calls(), "calls");
    loop.spawn(wants(m), "wants");
    CHECK(after(loop, 1s).of("wants") == lines{"mutex::lock, held by calls, for 1.000 s"});
}

TEST_CASE("children of a combinator hold as parts of their task, children of a group in their own name") {
    mutex one, two;
    event_loop loop(support::virtual_time());
    const auto combines = [&]() -> task<> { co_await rondo::when_all(support::nap(5s), holds(one)); };
    loop.spawn(combines(), "combines");
    loop.spawn(
        [](mutex& m) -> task<> {
            co_await rondo::with_task_group([&](rondo::task_group& group) -> task<> {
                group.spawn(holds(m), "child");
                co_return;
            });
        }(two),
        "owner");
    loop.run(support::nap(1s));
    loop.spawn(wants(one), "wants one");
    loop.spawn(wants(two), "wants two");
    const picture p = after(loop, 1s);
    INFO(p.text);
    CHECK(p.of("wants one") == lines{"mutex::lock, held by combines (holds), for 1.000 s"});
    CHECK(p.of("wants two") == lines{"mutex::lock, held by child, for 1.000 s"});
}

TEST_CASE("children that are started in one step are not taken for one another") {
    mutex one, two;
    rondo::semaphore permits(3);
    event_loop loop(support::virtual_time());
    const auto keeps = [&]() -> task<> {
        const auto permit = co_await permits.scoped_acquire();
        co_await rondo::sleep(1h);
    };
    const auto combines = [&]() -> task<> {
        const auto own = co_await permits.scoped_acquire();
        co_await rondo::when_all(holds(one), keeps(), rondo::with_timeout(1h, wants(two)), two.lock());
    };
    loop.spawn(holds_and_wants(two, one), "other");
    loop.spawn(combines(), "combines");
    loop.run(support::yields(3));
    const picture p(loop);
    INFO(p.text);
    CHECK(p.of("other") == lines{"mutex::lock, held by combines (holds)"});
    const lines below = p.of("combines");
    REQUIRE(below.size() == 6);
    CHECK(below.front() == "when_all");
    CHECK(std::count(below.begin(), below.end(), "  mutex::lock, held by other") == 1);
    CHECK(p.circles().empty());  // who holds `one` sleeps
    loop.spawn(
        [](rondo::semaphore& all) -> task<> {
            const auto last = co_await all.scoped_acquire();
            co_await all.acquire();
        }(permits),
        "counts");
    CHECK(after(loop, 1s).of("counts").front().starts_with("semaphore::acquire, held by combines and combines ("));
}

TEST_CASE("what a child has handed up to its parent is held by the task") {
    mutex one, two;
    event_loop loop(support::virtual_time());
    const auto takes = [&]() -> task<> {
        const auto [first, second] = co_await rondo::when_all(locks_later(one), two.scoped_lock());
        co_await rondo::when_all(rondo::sleep(1h), support::nap(1h));
    };
    loop.spawn(takes(), "holder");
    loop.run(support::nap(1s));
    loop.spawn(wants(one), "wants one");
    loop.spawn(wants(two), "wants two");
    const picture p = after(loop, 1s);
    INFO(p.text);
    CHECK(p.of("wants one") == lines{"mutex::lock, held by holder, for 1.000 s"});
    CHECK(p.of("wants two") == lines{"mutex::lock, held by holder, for 1.000 s"});
}

namespace {
task<> holds_by_a_helper(mutex& m) {
    const auto guard = co_await locks_later(m);
    co_await rondo::sleep(1h);
}
}  // namespace

TEST_CASE("a guard that a helper returns to its caller is held by the caller's task") {
    mutex m;
    event_loop loop(support::virtual_time());
    loop.spawn(holds_by_a_helper(m), "holder");
    loop.run(support::yields(3));
    loop.spawn(wants(m), "wants");
    const picture p = after(loop, 1s);
    INFO(p.text);
    CHECK(p.of("wants") == lines{"mutex::lock, held by holder, for 1.000 s"});
}

TEST_CASE("a frame that lies where the holder's has been does not pass for it") {
    mutex m;
    event_loop loop(support::virtual_time());
    loop.spawn(holds_by_a_helper(m), "holder");
    loop.run(support::yields(3));  // the helper's frame is free again
    loop.spawn(holds_by_a_helper(m), "waiter");
    loop.run(support::yields(3));
    const picture p(loop);
    INFO(p.text);
    CHECK(!p.says("held by waiter"));
    CHECK(p.circles().empty());
}

TEST_CASE("nor does it for a permit") {
    rondo::semaphore one(1);
    event_loop loop(support::virtual_time());
    const auto acquires = [&]() -> task<rondo::semaphore::permit> {
        co_await rondo::yield();
        co_return co_await one.scoped_acquire();
    };
    const auto has = [&]() -> task<> {
        const auto permit = co_await acquires();
        co_await rondo::sleep(1h);
    };
    loop.spawn(has(), "holder");
    loop.run(support::yields(3));
    loop.spawn(has(), "waiter");
    loop.run(support::yields(3));
    const picture p(loop);
    INFO(p.text);
    CHECK(!p.says("held by waiter"));
    CHECK(p.circles().empty());
}

TEST_CASE("a guard that another task has been given is said to be held by who has taken it, as long as he lives") {
    mutex m;
    std::optional<mutex::guard> handed;
    event_loop loop(support::virtual_time());
    const auto takes = [&]() -> task<> {
        handed.emplace(co_await m.scoped_lock());
        co_await rondo::sleep(5s);
    };
    const auto keeps = [&]() -> task<> {
        co_await rondo::sleep(1s);
        const mutex::guard own = std::move(*handed);
        co_await rondo::sleep(1h);
    };
    loop.spawn(takes(), "taker");
    loop.spawn(keeps(), "keeper");
    loop.spawn(wants(m), "wants");
    CHECK(after(loop, 2s).of("wants") == lines{"mutex::lock, held by taker, for 2.000 s"});
    const picture p = after(loop, 5s);
    INFO(p.text);
    CHECK(p.of("wants") == lines{"mutex::lock, held by a task that has ended, for 7.000 s"});
    handed.reset();
}

TEST_CASE("a semaphore's permits tell who holds each") {
    rondo::semaphore three(3);
    event_loop loop(support::virtual_time());
    const auto has_two = [&]() -> task<> {
        const auto one = co_await three.scoped_acquire();
        const auto two = co_await three.scoped_acquire();
        co_await rondo::sleep(1h);
    };
    const auto has = [&](support::clock::duration length) -> task<> {
        const auto own = co_await three.scoped_acquire();
        co_await rondo::sleep(length);
    };
    const auto unguarded = [&]() -> task<> {
        co_await three.acquire();
        three.release();
    };
    loop.spawn(has_two(), "greedy");
    loop.spawn(has(2s), "modest");
    loop.spawn(has(1h), "waits");
    loop.spawn(unguarded(), "unguarded");
    {
        const picture p = after(loop, 1s);
        INFO(p.text);
        CHECK(p.of("waits") == lines{"semaphore::acquire, held by greedy and greedy and modest, for 1.000 s"});
        CHECK(p.of("unguarded") == lines{"semaphore::acquire, held by greedy and greedy and modest, for 1.000 s"});
    }
    CHECK(after(loop, 500ms).of("waits") ==
          lines{"semaphore::acquire, held by greedy and greedy and modest, for 1.500 s"});
    const picture p = after(loop, 1s);
    INFO(p.text);
    CHECK(p.of("unguarded") == lines{"semaphore::acquire, held by greedy and greedy and waits, for 2.500 s"});
}

TEST_CASE("permits that nobody looks after have no holder") {
    rondo::semaphore none(0);
    event_loop loop(support::virtual_time());
    const auto waits = [&]() -> task<> { co_await none.acquire(); };
    loop.spawn(waits(), "waits");
    CHECK(after(loop, 1s).of("waits") == lines{"semaphore::acquire, for 1.000 s"});
}

TEST_CASE("permits that move keep their place and their holder") {
    rondo::semaphore two(2);
    event_loop loop(support::virtual_time());
    const auto has = [&]() -> task<> {
        std::vector<rondo::semaphore::permit> own;
        own.push_back(co_await two.scoped_acquire());
        own.push_back(co_await two.scoped_acquire());
        co_await rondo::sleep(2s);
        own.erase(own.begin());
        co_await rondo::sleep(1h);
    };
    const auto waits = [&]() -> task<> {
        const auto one = co_await two.scoped_acquire();
        const auto another = co_await two.scoped_acquire();
    };
    loop.spawn(has(), "has");
    loop.spawn(waits(), "waits");
    CHECK(after(loop, 1s).of("waits") == lines{"semaphore::acquire, held by has and has, for 1.000 s"});
    CHECK(after(loop, 2s).of("waits") == lines{"semaphore::acquire, held by has and waits, for 1.000 s"});
}

// --- circles ---

TEST_CASE("two tasks that wait for each other's lock are a circle, told once") {
    mutex a, b;
    event_loop loop(support::virtual_time());
    loop.spawn(holds_and_wants(a, b), "first");
    loop.spawn(holds_and_wants(b, a), "second");
    loop.spawn(wants(a), "outside");
    loop.run(support::yields(3));
    const picture p(loop);
    INFO(p.text);
    CHECK(p.circles() == lines{picture::circle, "  first waits for mutex::lock, which is held by second",
                               "  second waits for mutex::lock, which is held by first"});
    CHECK(p.of("outside") == lines{"mutex::lock, held by first"});
}

TEST_CASE("so are two children of a combinator, and two tasks without names") {
    mutex a, b, c, d;
    event_loop loop(support::virtual_time());
    loop.spawn(
        [](mutex& one, mutex& other) -> task<> {
            co_await rondo::when_all(holds_and_wants(one, other), locks_crosswise(one, other));
        }(a, b),
        "both");
    loop.spawn(holds_and_wants(c, d));
    loop.spawn(locks_crosswise(c, d));
    loop.run(support::yields(3));
    const picture p(loop);
    INFO(p.text);
    CHECK(p.of("both") == lines{"when_all", "  mutex::lock, held by both (locks_crosswise)",
                                "  mutex::lock, held by both (holds_and_wants)"});
    const lines told = p.circles();
    CHECK(std::count(told.begin(), told.end(), picture::circle) == 2);
    CHECK(std::count(told.begin(), told.end(),
                     "  both (holds_and_wants) waits for mutex::lock, which is held by both (locks_crosswise)") == 1);
    const auto nameless = "  a task (locks_crosswise) waits for mutex::lock, which is held by a task (holds_and_wants)";
    CHECK(std::count(told.begin(), told.end(), nameless) == 1);
}

TEST_CASE("a child that waits for its sibling, who does not wait for it, is in no circle") {
    mutex m;
    event_loop loop(support::virtual_time());
    const auto both = [&]() -> task<> { co_await rondo::when_all(holds(m), wants(m)); };
    loop.spawn(both(), "both");
    loop.run(support::yields(3));
    const picture p(loop);
    INFO(p.text);
    CHECK(p.says("held by both (holds)"));
    CHECK(p.circles().empty());
}

TEST_CASE("a child that wants what its parent holds is in a circle with it") {
    mutex m;
    event_loop loop(support::virtual_time());
    const auto parent = [&]() -> task<> {
        const auto guard = co_await m.scoped_lock();
        co_await rondo::when_all(support::nap(1h), wants(m));
    };
    loop.spawn(parent(), "parent");
    loop.run(support::yields(3));
    const picture p(loop);
    INFO(p.text);
    CHECK(p.circles() == lines{picture::circle, "  parent waits for parent (wants) to end",
                               "  parent (wants) waits for mutex::lock, which is held by parent"});
}

TEST_CASE("a lock that a task of another loop holds is nobody's of this one") {
    mutex shared, own;
    event_loop one(support::virtual_time());
    event_loop two(support::virtual_time());
    one.spawn(support::nap(1h), "idle");
    one.spawn(holds(shared), "holder");
    two.spawn(holds_and_wants(own, shared), "other");
    for (int i = 0; i < 4; ++i) one.poll(), two.poll();
    const picture p(two);
    INFO(p.text);
    CHECK(p.of("other") == lines{"mutex::lock, held by a task that has ended"});
    CHECK(p.circles().empty());
    two.close();
    one.close();
}

TEST_CASE("what stands between two of the user's coroutines has their place, and not the name of what is below it") {
    mutex m;
    event_loop loop(support::virtual_time());
    const auto parent = [&]() -> task<> {
        const auto guard = co_await m.scoped_lock();
        co_await rondo::with_timeout(2h, rondo::when_all(support::nap(1h), wants(m)));
    };
    loop.spawn(parent(), "parent");
    loop.run(support::yields(3));
    const picture p(loop);
    INFO(p.text);
    CHECK(p.circles() == lines{picture::circle, "  parent waits for parent to end",
                               "  parent waits for parent (wants) to end",
                               "  parent (wants) waits for mutex::lock, which is held by parent"});
    CHECK(!p.says("(:0)"));
}

TEST_CASE("a circle of three") {
    mutex a, b, c;
    event_loop loop(support::virtual_time());
    loop.spawn(holds_and_wants(a, b), "first");
    loop.spawn(holds_and_wants(b, c), "second");
    loop.spawn(holds_and_wants(c, a), "third");
    loop.run(support::yields(3));
    const picture p(loop);
    INFO(p.text);
    CHECK(p.circles() == lines{picture::circle, "  first waits for mutex::lock, which is held by second",
                               "  second waits for mutex::lock, which is held by third",
                               "  third waits for mutex::lock, which is held by first"});
}

TEST_CASE("two circles are told one after the other, with the places of their waits") {
    mutex a, b, c, d;
    event_loop loop(support::virtual_time());
    loop.spawn(holds_and_wants(a, b), "one");
    loop.spawn(holds_and_wants(c, d), "three");
    loop.spawn(holds_and_wants(b, a), "two");
    loop.spawn(holds_and_wants(d, c), "four");
    loop.run(support::yields(3));
    const picture p(loop);
    INFO(p.text);
    const lines told = p.circles();
    REQUIRE(told.size() == 6);
    CHECK(std::count(told.begin(), told.end(), picture::circle) == 2);
    CHECK(std::count(told.begin(), told.end(), "  one waits for mutex::lock, which is held by two") == 1);
    CHECK(std::count(told.begin(), told.end(), "  four waits for mutex::lock, which is held by three") == 1);
    CHECK(std::regex_search(p.text,
                            std::regex(R"(one waits for mutex::lock, which is held by two \(\S*dump\.cpp:\d+\))")));
}

TEST_CASE("of a thousand circles the first are told, and the others counted") {
    mutex m;
    event_loop loop(support::virtual_time());
    const auto parent = [&]() -> task<> {
        const auto guard = co_await m.scoped_lock();
        std::vector<task<>> children;
        for (int i = 0; i < 1000; ++i) children.push_back(wants(m));
        co_await rondo::when_all(std::move(children));
    };
    loop.spawn(parent(), "parent");
    loop.run(support::yields(3));
    const picture p(loop);
    const lines told = p.circles();
    CHECK(std::count(told.begin(), told.end(), picture::circle) == 16);
    CHECK(p.text.ends_with("and 984 more circles"));
}

TEST_CASE("a task that locks twice waits for itself") {
    mutex m;
    event_loop loop(support::virtual_time());
    loop.spawn(holds_and_wants(m, m), "twice");
    loop.run(support::yields(3));
    const picture p(loop);
    INFO(p.text);
    CHECK(p.of("twice") == lines{"mutex::lock, held by twice"});
    CHECK(p.circles() == lines{picture::circle, "  twice waits for mutex::lock, which is held by twice"});
}

TEST_CASE("a group's child that wants what its parent holds while he waits for it") {
    mutex m;
    event_loop loop(support::virtual_time());
    loop.spawn(
        [](mutex& lock) -> task<> {
            const auto guard = co_await lock.scoped_lock();
            co_await rondo::with_task_group([&](rondo::task_group& group) -> task<> {
                group.spawn(wants(lock), "child");
                co_return;
            });
        }(m),
        "parent");
    loop.run(support::yields(3));
    const picture p(loop);
    INFO(p.text);
    CHECK(p.of("parent") == lines{"with_task_group", "  child: mutex::lock, held by parent"});
    CHECK(p.circles() == lines{picture::circle, "  parent waits for child to end",
                               "  child waits for mutex::lock, which is held by parent"});
}

TEST_CASE("tasks that join one another, and one that holds what the joined one wants") {
    mutex m;
    std::optional<join_handle<>> first, second, third;
    event_loop loop(support::virtual_time());
    const auto joins_later = [](std::optional<join_handle<>>& other) -> task<> { co_await joins(*other); };
    const auto holds_and_joins = [&](join_handle<>& other) -> task<> {
        const auto guard = co_await m.scoped_lock();
        co_await rondo::yield();
        co_await other;
    };
    first = loop.spawn(joins_later(second), "first");
    second = loop.spawn(joins_later(first), "second");
    third = loop.spawn(
        [](mutex& lock) -> task<> {
            co_await rondo::yield();
            const auto guard = co_await lock.scoped_lock();
        }(m),
        "third");
    loop.spawn(holds_and_joins(*third), "fourth");
    loop.run(support::yields(4));
    const picture p(loop);
    INFO(p.text);
    const lines told = p.circles();
    CHECK(std::count(told.begin(), told.end(), picture::circle) == 2);
    for (const char* line :
         {"  first waits for second to end", "  second waits for first to end",
          "  third waits for mutex::lock, which is held by fourth", "  fourth waits for third to end"})
        CHECK(std::count(told.begin(), told.end(), line) == 1);
}

TEST_CASE("who has been granted what he waits for is in no circle any more") {
    mutex a, b;
    event_loop loop(support::virtual_time());
    join_handle<> first = loop.spawn(holds_and_wants(a, b), "first");
    loop.spawn(holds_and_wants(b, a), "second");
    loop.run(support::yields(3));
    CHECK(!picture(loop).circles().empty());
    first.cancel();
    CHECK(picture(loop).circles().empty());
    CHECK(picture(loop).of("second") == lines{"mutex::lock, which has come: ready"});
    loop.run();
}

TEST_CASE("waiting in a row is no circle") {
    mutex a, b;
    event_loop loop(support::virtual_time());
    loop.spawn(holds(a), "first");
    loop.spawn(holds_and_wants(b, a), "second");
    loop.spawn(wants(b), "third");
    loop.spawn(wants(b), "fourth");
    loop.run(support::yields(3));
    const picture p(loop);
    INFO(p.text);
    CHECK(p.of("third") == lines{"mutex::lock, held by second"});
    CHECK(p.circles().empty());
}

// --- many ---

TEST_CASE("ten thousand tasks") {
    mutex m;
    event_loop loop(support::virtual_time());
    loop.spawn(holds(m), "holder");
    for (int i = 0; i < 5'000; ++i) loop.spawn(wants(m), "waiter " + std::to_string(i));
    for (int i = 0; i < 4'999; ++i) loop.spawn(support::nap(1h));
    const picture p = after(loop, 1s);
    CHECK(p.head() == "rondo: 10001 tasks, 5000 timers");  // and main
    CHECK(p.height() == 1 + 2 * 10'001);
    CHECK(p.of("waiter 4999") == lines{"mutex::lock, held by holder, for 1.000 s"});
}

TEST_CASE("ten thousand children, and a chain of ten thousand") {
    class deep {
    public:
        static task<> chain(int depth) {
            if (depth == 0)
                co_await support::for_ever();
            else
                co_await chain(depth - 1);
        }
    };
    event_loop loop(support::virtual_time());
    loop.spawn([]() -> task<> {
        co_await rondo::with_task_group([](rondo::task_group& group) -> task<> {
            for (int i = 0; i < 10'000; ++i) group.spawn(support::stuck());
            co_return;
        });
    });
    loop.spawn(deep::chain(10'000), "deep");
    const picture p = after(loop, 1s);
    CHECK(p.head() == "rondo: 10003 tasks, 0 timers");
    CHECK(p.height() > 20'000);
    CHECK(p.text.size() < 10'000'000);  // depth is not shown without end
}

TEST_CASE("a report grows with what is alive, also where many wait for what many hold") {
    const auto size_with = [](int number) {
        rondo::semaphore permits(number);
        event_loop loop(support::virtual_time());
        const auto has = [&permits]() -> task<> {
            const auto own = co_await permits.scoped_acquire();
            co_await support::for_ever();
        };
        for (int i = 0; i < 2 * number; ++i) loop.spawn(has());
        loop.poll();
        return rondo::debug::dump(loop).size();
    };
    const std::size_t few = size_with(100), more = size_with(400);
    INFO(few << " and " << more << " characters");
    CHECK(more < 6 * few);
}
