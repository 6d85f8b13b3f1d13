// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// uncancellable: whatever happens to its caller, what is inside runs to its end; the caller is unwound then.

#include <support/clocks.hpp>
#include <support/foreign.hpp>
#include <support/journal.hpp>
#include <support/leak_check.hpp>
#include <support/native_operation.hpp>
#include <support/tasks.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>

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
using rondo::task;
using rondo::uncancellable;
using support::give;
using support::lines;
using support::nap;
using support::note_at_exit;

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

task<> noted(lines& log, std::string name, duration time) {
    note_at_exit gone(log, name + " gone");
    log.push_back(name + " starts");
    co_await rondo::sleep(time);
    log.push_back(name + " ends");
}

std::string text_of(const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& e) {
        return e.what();
    }
}

// ---- What it gives ----

template <class T>
using given = rondo::await_result_t<decltype(uncancellable(std::declval<T>()))>;
static_assert(std::is_same_v<given<task<int>>, int>);
static_assert(std::is_same_v<given<task<>>, void>);
static_assert(std::is_same_v<given<task<int&>>, int&>);

task<> gives_what_the_operation_gives() {
    const auto start = now();
    int place = 1;
    const int value = co_await uncancellable(give_after(4, 10ms));
    CHECK(value == 4);
    const int at_once = co_await uncancellable(give(5));
    CHECK(at_once == 5);
    co_await uncancellable(nap(10ms));
    int& reference = co_await uncancellable(refer_after(place, 10ms));
    CHECK(&reference == &place);
    const auto owner = co_await uncancellable(give_after(std::make_unique<int>(6), 10ms));
    CHECK(*owner == 6);
    co_await uncancellable(rondo::sleep(10ms));
    bounded_queue<int> queue(1);
    queue.try_push(7);
    const auto message = co_await uncancellable(queue.pop());
    CHECK(message == 7);
    const int nested = co_await uncancellable(uncancellable(give_after(8, 10ms)));
    CHECK(nested == 8);
    auto handle = rondo::spawn(give_after(9, 10ms));
    const int joined = co_await uncancellable(handle);
    CHECK(joined == 9);
    CHECK(now() - start == 70ms);
}

task<> lets_exceptions_through(lines& log) {
    try {
        co_await uncancellable(fail_after("boom", 1ms));
    } catch (const std::runtime_error& error) {
        log.push_back(error.what());
    }
    try {
        co_await uncancellable(support::fail("bang"));
    } catch (const std::runtime_error& error) {
        log.push_back(error.what());
    }
    task<int> empty = give(1);
    co_await std::move(empty);
    try {
        co_await uncancellable(std::move(empty));
    } catch (const std::logic_error&) {
        log.push_back("empty");
    }
}

// ---- The caller is cancelled ----

task<> outer(lines& log, task<> inside) {
    note_at_exit gone(log, "outer gone");
    co_await [](lines& l, task<> i) -> task<> {
        note_at_exit middle(l, "middle gone");
        co_await uncancellable(std::move(i));
        l.push_back("middle goes on");
    }(log, std::move(inside));
    log.push_back("outer goes on");
}

task<> chain(lines& log) {
    note_at_exit gone(log, "chain gone");
    co_await noted(log, "a", 10ms);
    co_await noted(log, "b", 10ms);
}

task<> ends_first() {
    lines log;
    auto handle = rondo::spawn(outer(log, chain(log)));
    co_await rondo::sleep(5ms);
    handle.cancel();
    CHECK(!handle.done());
    handle.cancel();
    CHECK(log == lines{"a starts"});
    co_await rondo::sleep(20ms);
    CHECK(handle.done());
    CHECK(log == lines{"a starts", "a ends", "a gone", "b starts", "b ends", "b gone", "chain gone", "middle gone",
                       "outer gone"});
    const auto end = co_await handle.settled();
    CHECK(end.is_cancelled());
}

task<> sections(lines& log) {
    note_at_exit gone(log, "gone");
    co_await uncancellable(noted(log, "a", 10ms));
    log.push_back("between");
    co_await uncancellable(noted(log, "b", 10ms));
}

// Cancelled in the first section, the second is not reached.
task<> is_cancelled_between() {
    lines log;
    auto handle = rondo::spawn(sections(log));
    co_await rondo::sleep(5ms);
    handle.cancel();
    const auto end = co_await handle.settled();
    CHECK(end.is_cancelled());
    CHECK(log == lines{"a starts", "a ends", "a gone", "gone"});
}

task<> waits_before(lines& log) {
    co_await rondo::sleep(10ms);
    co_await uncancellable(noted(log, "op", 10ms));
}

task<> is_cancelled_before() {
    lines log;
    auto handle = rondo::spawn(waits_before(log));
    co_await rondo::sleep(5ms);
    handle.cancel();
    CHECK(handle.done());
    co_await rondo::sleep(50ms);
    CHECK(log.empty());
}

task<> pops_for_sure(bounded_queue<int>& queue, lines& log) {
    note_at_exit gone(log, "gone");
    const auto message = co_await uncancellable(queue.pop());
    log.push_back("took " + std::to_string(*message));
}

// The pop goes on; but its message is taken when the caller resumes, which does not happen.
task<> a_direct_pop() {
    bounded_queue<int> queue(1);
    lines log;
    auto handle = rondo::spawn(pops_for_sure(queue, log));
    co_await rondo::sleep(1ms);
    handle.cancel();
    CHECK(!handle.done());
    co_await rondo::sleep(1ms);
    CHECK(!handle.done());
    CHECK(log.empty());
    queue.try_push(1);
    co_await rondo::sleep(1ms);
    CHECK(handle.done());
    CHECK(log == lines{"gone"});
    CHECK(queue.try_pop() == 1);
}

task<> cancelled_once_granted() {
    bounded_queue<int> queue(1);
    lines log;
    auto handle = rondo::spawn(pops_for_sure(queue, log));
    co_await rondo::sleep(1ms);
    queue.try_push(1);
    handle.cancel();
    CHECK(handle.done());
    CHECK(log == lines{"gone"});
    CHECK(queue.try_pop() == 1);
    auto again = rondo::spawn(pops_for_sure(queue, log));
    co_await rondo::sleep(1ms);
    queue.try_push(2);
    CHECK(!queue.try_pop());
    co_await again;
    CHECK(log == lines{"gone", "took 2", "gone"});
}

task<> pops_by_task(bounded_queue<int>& queue, lines& log) {
    const auto message = co_await queue.pop();
    log.push_back("took " + std::to_string(*message));
}

task<> a_pop_in_a_task() {
    bounded_queue<int> queue(1);
    lines log;
    auto handle = rondo::spawn(outer(log, pops_by_task(queue, log)));
    co_await rondo::sleep(1ms);
    handle.cancel();
    queue.try_push(1);
    co_await rondo::sleep(1ms);
    CHECK(log == lines{"took 1", "middle gone", "outer gone"});
    CHECK(queue.empty());
}

task<> awaits_foreign(support::parking& place, support::native_operation& operation, lines& log) {
    note_at_exit gone(log, "gone");
    co_await uncancellable(place);
    log.push_back("parked");
    co_await uncancellable(operation);
    log.push_back("operated");
}

task<> foreign_and_native() {
    support::parking place;
    support::native_operation operation;
    lines log;
    auto handle = rondo::spawn(awaits_foreign(place, operation, log));
    co_await rondo::sleep(1ms);
    place.resume();
    co_await rondo::sleep(1ms);
    REQUIRE(operation.waiting());
    handle.cancel();
    CHECK(!handle.done());
    CHECK(operation.cancels == 0);
    operation.complete();
    co_await rondo::sleep(1ms);
    CHECK(handle.done());
    CHECK(log == lines{"parked", "gone"});
}

class victim {
public:
    std::optional<rondo::join_handle<>> handle;
};

task<> cancels_itself(victim& v, lines& log, bool waits) {
    v.handle->cancel();
    log.push_back("asked");
    if (waits) co_await rondo::yield();
    log.push_back("op ends");
}

task<> runs_itself(victim& v, lines& log, bool waits) {
    note_at_exit gone(log, "gone");
    co_await rondo::yield();
    co_await uncancellable(cancels_itself(v, log, waits));
    log.push_back("goes on");
    co_await rondo::yield();
    log.push_back("not cancelled");
}

task<> from_inside(bool waits, lines& log) {
    victim v;
    v.handle.emplace(rondo::spawn(runs_itself(v, log, waits)));
    co_await rondo::sleep(1ms);
    CHECK(v.handle->done());
}

// ---- Failures of a cancelled caller ----

task<> cancelled_and_failing(lines& log) {
    auto handle = rondo::spawn(outer(log, fail_after("boom", 10ms)));
    co_await rondo::sleep(5ms);
    handle.cancel();
    const auto end = co_await handle.settled();
    CHECK(end.is_cancelled());
    CHECK(end.error() == nullptr);
    co_await rondo::sleep(1ms);
}

task<> cancelled_at_a_failing_operation(lines& log) {
    bounded_queue<int> queue(1);
    queue.try_push(1);
    auto handle = rondo::spawn([&]() -> task<> {
        note_at_exit gone(log, "gone");
        const int message = 2;
        co_await uncancellable(queue.push(message));
    });
    co_await rondo::sleep(1ms);
    handle.cancel();
    CHECK(!handle.done());
    queue.close();
    co_await rondo::sleep(1ms);
    CHECK(handle.done());
    CHECK(log == lines{"gone"});
}

}  // namespace

TEST_CASE("uncancellable gives what the operation gives") { rondo::testing::run(gives_what_the_operation_gives()); }

TEST_CASE("uncancellable lets exceptions through") {
    lines log;
    rondo::testing::run(lets_exceptions_through(log));
    CHECK(log == lines{"boom", "bang", "empty"});
}

TEST_CASE("an uncancellable part in the middle of a chain ends first, and then the chain is unwound from there") {
    rondo::testing::run(ends_first());
}

TEST_CASE("behind the uncancellable part a cancelled task does not go on") {
    rondo::testing::run(is_cancelled_between());
}

TEST_CASE("a task cancelled before it comes to its uncancellable part does not start it") {
    rondo::testing::run(is_cancelled_before());
}

TEST_CASE("an uncancellable pop goes on, and its message stays when the caller is unwound") {
    rondo::testing::run(a_direct_pop());
    rondo::testing::run(cancelled_once_granted());
}

TEST_CASE("an uncancellable task takes its message") { rondo::testing::run(a_pop_in_a_task()); }

TEST_CASE("awaitables that are not the library's are not asked to withdraw") {
    rondo::testing::run(foreign_and_native());
}

TEST_CASE("a task that cancels itself in its uncancellable part is unwound when that has ended") {
    lines log;
    rondo::testing::run(from_inside(true, log));
    CHECK(log == lines{"asked", "op ends", "gone"});
}

TEST_CASE("a task that cancels itself in an uncancellable part that does not wait goes on to its next suspension") {
    lines log;
    rondo::testing::run(from_inside(false, log));
    CHECK(log == lines{"asked", "op ends", "goes on", "gone"});
}

TEST_CASE("the failure of an uncancellable part whose caller is cancelled goes to the handler, once") {
    lines log;
    lines errors;
    event_loop loop(support::virtual_time());
    loop.on_unhandled_exception([&](std::exception_ptr error) { errors.push_back(text_of(error)); });
    loop.run(cancelled_and_failing(log));
    CHECK(errors == lines{"boom"});
    CHECK(log == lines{"middle gone", "outer gone"});
    CHECK_THROWS_WITH(rondo::testing::run(cancelled_and_failing(log)), "boom");
}

// The push has not happened and nobody asks for it: its failure would be thrown when the caller resumes.
TEST_CASE("an uncancellable push to a queue that is closed leaves a cancelled caller to unwind") {
    lines log;
    event_loop loop(support::virtual_time());
    loop.on_unhandled_exception([](std::exception_ptr) {});
    loop.run(cancelled_at_a_failing_operation(log));
}
