// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// finally: the cleanup runs to its end, however the body ends.

#include <support/clocks.hpp>
#include <support/foreign.hpp>
#include <support/journal.hpp>
#include <support/leak_check.hpp>
#include <support/tasks.hpp>
#include <support/tracked.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>

#include <algorithm>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

namespace {

using namespace std::chrono_literals;
using rondo::bounded_queue;
using rondo::event_loop;
using rondo::finally;
using rondo::task;
using support::give;
using support::lines;
using support::nap;
using support::note_at_exit;
using support::tracked;

using duration = support::clock::duration;

auto now() { return event_loop::current().now(); }

template <class T>
task<T> give_after(T value, duration time) {
    co_await rondo::sleep(time);
    co_return std::move(value);
}

task<int&> refer_after(int& value, duration time) {
    co_await rondo::sleep(time);
    co_return value;
}

task<> fail_after(std::string text, duration time) {
    co_await rondo::sleep(time);
    throw std::runtime_error(text);
}

task<int> body(lines& log, duration time) {
    note_at_exit gone(log, "body gone");
    log.push_back("body");
    co_await rondo::sleep(time);
    log.push_back("body ends");
    co_return 7;
}

// The same, and fails.
task<int> failing_body(lines& log, duration time) {
    note_at_exit gone(log, "body gone");
    co_await rondo::sleep(time);
    throw std::runtime_error("body fails");
}

task<> clean(lines& log, std::string name, duration time) {
    note_at_exit gone(log, name + " gone");
    log.push_back(name);
    co_await rondo::sleep(time);
    log.push_back(name + " ends");
}

task<> clean_and_fail(lines& log, duration time) {
    log.push_back("cleanup");
    co_await rondo::sleep(time);
    throw std::runtime_error("cleanup fails");
}

task<> nothing_then_fail() {
    throw std::runtime_error("cleanup fails");
    co_return;
}

std::string text_of(const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& e) {
        return e.what();
    }
}

// A task with a cleanup of 10 ms around a body.
task<> guards(lines& log, task<int> inside) {
    note_at_exit gone(log, "caller gone");
    const auto cleanup = [&] { return clean(log, "cleanup", 10ms); };
    const int value = co_await finally(std::move(inside), cleanup);
    log.push_back("goes on with " + std::to_string(value));
}

// ---- What it gives ----

template <class Body>
using given = rondo::await_result_t<decltype(finally(std::declval<Body>(), [] { return support::nothing(); }))>;
static_assert(std::is_same_v<given<task<int>>, int>);
static_assert(std::is_same_v<given<task<>>, void>);
static_assert(std::is_same_v<given<task<int&>>, int&>);
static_assert(std::is_same_v<given<task<int> (*)()>, int>);

task<int> seven() { co_return 7; }

task<> gives_what_the_body_gives() {
    const auto start = now();
    int place = 1;
    int cleanups = 0;
    const auto cleanup = [&]() -> task<> {
        co_await rondo::sleep(1ms);
        ++cleanups;
    };
    const int value = co_await finally(give_after(4, 9ms), cleanup);
    CHECK(value == 4);
    CHECK(now() - start == 10ms);
    co_await finally(nap(9ms), cleanup);
    int& reference = co_await finally(refer_after(place, 9ms), cleanup);
    CHECK(&reference == &place);
    const auto owner = co_await finally(give_after(std::make_unique<int>(5), 9ms), cleanup);
    CHECK(*owner == 5);
    const auto made = [&]() -> task<int> {
        co_await rondo::sleep(9ms);
        co_return place + 5;
    };
    const int from_callable = co_await finally(made, cleanup);
    CHECK(from_callable == 6);
    const int from_function = co_await finally(seven, cleanup);
    CHECK(from_function == 7);
    CHECK(cleanups == 6);
    co_await finally(rondo::sleep(9ms), cleanup);
    bounded_queue<int> queue(1);
    queue.try_push(8);
    const auto message = co_await finally(queue.pop(), cleanup);
    CHECK(message == 8);
    CHECK(cleanups == 8);
    const auto start_of_race = now();
    const auto first = co_await finally(rondo::when_any(nap(1h), give_after(9, 9ms)), cleanup);
    CHECK(first.index() == 1);
    CHECK(now() - start_of_race == 10ms);
    CHECK(cleanups == 9);
}

task<> takes_no_step_when_nothing_waits(lines& log) {
    rondo::spawn(support::note(log, "another task"));
    const auto cleanup = [&] { return support::note(log, "cleanup"); };
    const int value = co_await finally(give(3), cleanup);
    log.push_back("value " + std::to_string(value));
}

class owning_cleanup {
public:
    explicit owning_cleanup(lines& log) : log_(&log), owned_(std::make_unique<tracked>(5)) {}
    task<> operator()() {
        co_await rondo::sleep(5ms);
        log_->push_back("cleanup " + std::to_string(owned_->number()));
    }

private:
    lines* log_;
    std::unique_ptr<tracked> owned_;
};

task<> keeps_its_cleanup(lines& log) {
    owning_cleanup cleanup(log);
    co_await finally(nap(1ms), std::move(cleanup));
    CHECK(tracked::live() == 0);
}

// ---- However the body ends ----

task<> after_an_exception(lines& log) {
    try {
        co_await guards(log, failing_body(log, 1ms));
    } catch (const std::runtime_error& error) {
        log.push_back(error.what());
    }
}

task<> a_failing_cleanup(lines& log, bool waits) {
    const auto cleanup = [&] { return waits ? clean_and_fail(log, 1ms) : nothing_then_fail(); };
    try {
        co_await finally(give_after(tracked(1), 1ms), cleanup);
        log.push_back("a value");
    } catch (const std::runtime_error& error) {
        log.push_back(error.what());
    }
    try {
        co_await finally(fail_after("body fails", 1ms), cleanup);
    } catch (const std::runtime_error& error) {
        log.push_back(error.what());
    }
}

task<> a_throwing_callable(lines& log) {
    const auto cleanup = []() -> task<> { throw std::runtime_error("no cleanup"); };
    try {
        co_await finally(give(1), cleanup);
    } catch (const std::runtime_error& error) {
        log.push_back(error.what());
    }
    bool started = false;
    const auto noted = [&]() -> task<> {
        started = true;
        co_return;
    };
    task<int> empty = give(1);
    co_await std::move(empty);
    try {
        co_await finally(std::move(empty), noted);
    } catch (const std::logic_error&) {
        log.push_back("empty");
    }
    CHECK(!started);
}

task<> after_a_cancellation() {
    lines log;
    auto handle = rondo::spawn(guards(log, body(log, 1h)));
    co_await rondo::sleep(5ms);
    const auto start = now();
    handle.cancel();
    CHECK(!handle.done());
    CHECK(log == lines{"body", "body gone"});
    handle.cancel();
    co_await rondo::sleep(5ms);
    CHECK(log == lines{"body", "body gone", "cleanup"});
    handle.cancel();
    CHECK(!handle.done());
    const auto end = co_await handle.settled();
    CHECK(end.is_cancelled());
    CHECK(now() - start == 10ms);
    CHECK(log == lines{"body", "body gone", "cleanup", "cleanup ends", "cleanup gone", "caller gone"});
}

// The body has ended by itself; its value goes with the caller.
task<> cancelled_while_it_cleans() {
    lines log;
    auto handle = rondo::spawn(guards(log, body(log, 5ms)));
    co_await rondo::sleep(10ms);
    handle.cancel();
    CHECK(!handle.done());
    co_await rondo::sleep(10ms);
    CHECK(handle.done());
    CHECK(log == lines{"body", "body ends", "body gone", "cleanup", "cleanup ends", "cleanup gone", "caller gone"});
}

task<> cancelled_and_failing(lines& log, duration body_time) {
    auto handle = rondo::spawn([&]() -> task<> {
        note_at_exit gone(log, "caller gone");
        const auto cleanup = [&] { return clean_and_fail(log, 10ms); };
        co_await finally(nap(body_time), cleanup);
        log.push_back("goes on");
    });
    co_await rondo::sleep(5ms);
    handle.cancel();
    const auto end = co_await handle.settled();
    CHECK(end.is_cancelled());
    co_await rondo::sleep(1ms);
}

// The body failed before the caller was cancelled: nobody is left to be told but the handler.
task<> failed_and_cancelled(lines& log) {
    auto handle = rondo::spawn(guards(log, failing_body(log, 1ms)));
    co_await rondo::sleep(5ms);
    handle.cancel();
    const auto end = co_await handle.settled();
    CHECK(end.is_cancelled());
    co_await rondo::sleep(1ms);
}

task<> cancelled_in_the_step_in_which_the_body_ends() {
    lines log;
    bounded_queue<int> queue(1);
    auto handle = rondo::spawn([&]() -> task<> {
        note_at_exit gone(log, "caller gone");
        const auto cleanup = [&] { return clean(log, "cleanup", 5ms); };
        const auto message = co_await finally(queue.pop(), cleanup);
        log.push_back("took " + std::to_string(*message));
    });
    co_await rondo::sleep(1ms);
    queue.try_push(1);
    CHECK(!queue.try_pop());
    handle.cancel();
    CHECK(!handle.done());
    co_await rondo::sleep(10ms);
    CHECK(handle.done());
    CHECK(log == lines{"cleanup", "cleanup ends", "cleanup gone", "caller gone"});
    CHECK(queue.try_pop() == 1);
}

task<> cancelled_while_it_cleans_behind_a_pop() {
    lines log;
    bounded_queue<int> queue(1);
    auto handle = rondo::spawn([&]() -> task<> {
        const auto cleanup = [&] { return clean(log, "cleanup", 5ms); };
        const auto message = co_await finally(queue.pop(), cleanup);
        log.push_back("took " + std::to_string(*message));
    });
    co_await rondo::sleep(1ms);
    queue.try_push(1);
    co_await rondo::sleep(1ms);
    CHECK(log == lines{"cleanup"});
    CHECK(!queue.try_pop());
    handle.cancel();
    co_await rondo::sleep(10ms);
    CHECK(handle.done());
    CHECK(queue.try_pop() == 1);
    CHECK(log == lines{"cleanup", "cleanup ends", "cleanup gone"});
}

task<> cancelled_while_a_pop_waits() {
    lines log;
    bounded_queue<int> queue(1);
    auto handle = rondo::spawn([&]() -> task<> {
        const auto cleanup = [&] { return clean(log, "cleanup", 5ms); };
        co_await finally(queue.pop(), cleanup);
    });
    co_await rondo::sleep(1ms);
    handle.cancel();
    CHECK(queue.try_push(1));
    co_await rondo::sleep(10ms);
    CHECK(handle.done());
    CHECK(queue.try_pop() == 1);
    CHECK(log == lines{"cleanup", "cleanup ends", "cleanup gone"});
}

task<> behind_what_cannot_be_withdrawn() {
    lines log;
    support::parking place;
    auto handle = rondo::spawn([&]() -> task<> {
        const auto cleanup = [&] { return clean(log, "cleanup", 5ms); };
        const auto parked = [&]() -> task<> {
            note_at_exit gone(log, "body gone");
            co_await place;
        };
        co_await finally(parked(), cleanup);
    });
    co_await rondo::sleep(1ms);
    handle.cancel();
    co_await rondo::sleep(10ms);
    CHECK(log.empty());
    CHECK(!handle.done());
    place.resume();
    co_await rondo::sleep(10ms);
    CHECK(handle.done());
    CHECK(log == lines{"body gone", "cleanup", "cleanup ends", "cleanup gone"});
}

class victim {
public:
    std::optional<rondo::join_handle<>> handle;
};

// Cancels itself in the body, or in the cleanup, and goes on.
task<> cancels_itself(victim& v, lines& log, bool in_body, bool waits) {
    note_at_exit gone(log, "caller gone");
    co_await rondo::yield();
    const auto cancels = [&](bool here, std::string name) -> task<> {
        if (here) v.handle->cancel();
        if (here && waits) co_await rondo::yield();
        log.push_back(name + " ends");
    };
    const auto cleanup = [&] { return cancels(!in_body, "cleanup"); };
    co_await finally(cancels(in_body, "body"), cleanup);
    log.push_back("goes on");
    co_await rondo::yield();
    log.push_back("not cancelled");
}

task<> from_inside(lines& log, bool in_body, bool waits) {
    victim v;
    v.handle.emplace(rondo::spawn(cancels_itself(v, log, in_body, waits)));
    co_await rondo::sleep(1ms);
    CHECK(v.handle->done());
}

}  // namespace

TEST_CASE("finally gives what the body gives, when the cleanup has ended") {
    rondo::testing::run(gives_what_the_body_gives());
}

TEST_CASE("finally goes on in the same step when neither body nor cleanup waits") {
    lines log;
    rondo::testing::run(takes_no_step_when_nothing_waits(log));
    REQUIRE(log.size() >= 2);
    CHECK(log[0] == "cleanup");
    CHECK(log[1] == "value 3");
}

TEST_CASE("finally keeps its cleanup until that has ended") {
    lines log;
    rondo::testing::run(keeps_its_cleanup(log));
    CHECK(log == lines{"cleanup 5"});
}

TEST_CASE("the body is gone when the cleanup starts, and the cleanup when the caller goes on") {
    lines log;
    rondo::testing::run(guards(log, body(log, 1ms)));
    CHECK(log == lines{"body", "body ends", "body gone", "cleanup", "cleanup ends", "cleanup gone", "goes on with 7",
                       "caller gone"});
}

TEST_CASE("after an exception of the body the cleanup runs, and the exception goes on") {
    lines log;
    rondo::testing::run(after_an_exception(log));
    CHECK(log == lines{"body gone", "cleanup", "cleanup ends", "cleanup gone", "caller gone", "body fails"});
}

TEST_CASE("a cleanup's exception replaces a value, and goes to the handler beside another exception") {
    for (const bool waits : {false, true}) {
        lines log;
        lines errors;
        event_loop loop(support::virtual_time());
        loop.on_unhandled_exception([&](std::exception_ptr error) { errors.push_back(text_of(error)); });
        loop.run(a_failing_cleanup(log, waits));
        loop.poll();
        log.erase(std::remove(log.begin(), log.end(), "cleanup"), log.end());
        CHECK(log == lines{"cleanup fails", "body fails"});
        CHECK(errors == lines{"cleanup fails"});
    }
}

TEST_CASE("a callable that throws instead of making a cleanup is a cleanup that fails") {
    lines log;
    rondo::testing::run(a_throwing_callable(log));
    CHECK(log == lines{"no cleanup", "empty"});
}

TEST_CASE("after a cancellation the cleanup runs, and the caller is unwound then") {
    rondo::testing::run(after_a_cancellation());
}

TEST_CASE("a running cleanup is not cancelled, and the caller is unwound then") {
    rondo::testing::run(cancelled_while_it_cleans());
}

TEST_CASE("the exception of a cleanup beside a cancellation goes to the handler, once") {
    for (const duration body_time : {duration(1h), duration(1ms)}) {
        lines log;
        lines errors;
        event_loop loop(support::virtual_time());
        loop.on_unhandled_exception([&](std::exception_ptr error) { errors.push_back(text_of(error)); });
        loop.run(cancelled_and_failing(log, body_time));
        CHECK(log == lines{"cleanup", "caller gone"});
        CHECK(errors == lines{"cleanup fails"});
    }
    lines log;
    CHECK_THROWS_WITH(rondo::testing::run(cancelled_and_failing(log, 1h)), "cleanup fails");
}

TEST_CASE("the exception of a body whose caller is cancelled during the cleanup goes to the handler") {
    lines log;
    lines errors;
    event_loop loop(support::virtual_time());
    loop.on_unhandled_exception([&](std::exception_ptr error) { errors.push_back(text_of(error)); });
    loop.run(failed_and_cancelled(log));
    CHECK(log == lines{"body gone", "cleanup", "cleanup ends", "cleanup gone", "caller gone"});
    CHECK(errors == lines{"body fails"});
}

TEST_CASE("a pop as body gives its message back, at whatever moment its caller is cancelled") {
    rondo::testing::run(cancelled_while_a_pop_waits());
    rondo::testing::run(cancelled_in_the_step_in_which_the_body_ends());
    rondo::testing::run(cancelled_while_it_cleans_behind_a_pop());
}

TEST_CASE("the cleanup waits for a body that cannot be withdrawn") {
    rondo::testing::run(behind_what_cannot_be_withdrawn());
}

TEST_CASE("a body, or a cleanup, that cancels its own task") {
    lines log;
    rondo::testing::run(from_inside(log, true, true));
    CHECK(log == lines{"cleanup ends", "caller gone"});
    log.clear();
    rondo::testing::run(from_inside(log, true, false));
    CHECK(log == lines{"body ends", "cleanup ends", "goes on", "caller gone"});
    log.clear();
    rondo::testing::run(from_inside(log, false, true));
    CHECK(log == lines{"body ends", "cleanup ends", "caller gone"});
    log.clear();
    rondo::testing::run(from_inside(log, false, false));
    CHECK(log == lines{"body ends", "cleanup ends", "goes on", "caller gone"});
}

TEST_CASE("a task that is cancelled before its start runs neither body nor cleanup") {
    lines log;
    event_loop loop(support::virtual_time());
    auto handle = loop.spawn(guards(log, body(log, 1ms)));
    handle.cancel();
    CHECK(handle.done());
    loop.run();
    CHECK(log.empty());
}
