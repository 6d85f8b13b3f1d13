// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// when_all over operations that are no tasks: queues, timers, handles, foreign awaitables.

#include <support/clocks.hpp>
#include <support/foreign.hpp>
#include <support/journal.hpp>
#include <support/leak_check.hpp>
#include <support/native_operation.hpp>
#include <support/tasks.hpp>
#include <support/tracked.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <exception>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <variant>

namespace {

using namespace std::chrono_literals;
using rondo::bounded_queue;
using rondo::task;
using rondo::when_all;
using support::give;
using support::lines;
using support::note_at_exit;

using duration = support::clock::duration;

auto now() { return rondo::event_loop::current().now(); }

std::string text_of(const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& e) {
        return e.what();
    }
}

task<> fail_after(std::string text, duration time) {
    co_await rondo::sleep(time);
    throw std::runtime_error(text);
}

task<int> give_after(int value, duration time) {
    co_await rondo::sleep(time);
    co_return value;
}

task<> pop_into(bounded_queue<int>& queue, std::optional<std::optional<int>>& place) {
    place.emplace(co_await queue.pop());
}

// ---- Any awaitable ----

task<> timers() {
    const auto start = now();
    co_await when_all(rondo::sleep(10ms), rondo::sleep(30ms), rondo::yield(), rondo::sleep_until(start + 20ms));
    CHECK(now() - start == 30ms);
}

task<> queue_operations() {
    bounded_queue<int> one(1);
    bounded_queue<std::string> two(1);
    const auto both = co_await when_all(one.pop(), one.push(1), two.push("text"), two.pop());
    CHECK(std::get<0>(both) == 1);
    CHECK(std::get<1>(both) == std::monostate());
    CHECK(std::get<3>(both) == "text");
    CHECK(one.empty());
}

task<> three_pops() {
    bounded_queue<int> queue(3);
    for (int i = 1; i <= 3; ++i) queue.try_push(i);
    const auto all = co_await when_all(queue.pop(), queue.pop(), queue.pop());
    CHECK(std::get<0>(all) == 1);
    CHECK(std::get<1>(all) == 2);
    CHECK(std::get<2>(all) == 3);
}

class ready_value {
public:
    explicit ready_value(int value) : value_(value) {}
    bool await_ready() const noexcept { return true; }
    void await_suspend(std::coroutine_handle<>) const noexcept {}
    int await_resume() const noexcept { return value_; }

private:
    int value_;
};

task<> foreign_awaitables(support::parking& place, support::native_operation& operation) {
    const auto all = co_await when_all(place, ready_value(2), operation, give(4));
    CHECK(std::get<0>(all) == 1);
    CHECK(std::get<1>(all) == 2);
    CHECK(std::get<2>(all) == 3);
    CHECK(std::get<3>(all) == 4);
}

task<> completes_foreign_awaitables() {
    support::parking place;
    support::native_operation operation;
    auto waiter = rondo::spawn(foreign_awaitables(place, operation));
    co_await rondo::sleep(1ms);
    REQUIRE(place.occupied());
    REQUIRE(operation.waiting());
    operation.complete(3);
    co_await rondo::sleep(1ms);
    CHECK(!waiter.done());
    place.resume(1);
    CHECK(!waiter.done());
    co_await waiter;
    CHECK(operation.resumed == 1);
}

task<> waits_directly(support::parking& place, support::native_operation& operation, lines& log) {
    note_at_exit gone(log, "gone");
    co_await when_all(place, operation, rondo::sleep(1h), support::stuck());
    log.push_back("goes on");
}

task<> waits_directly_settled(support::parking& place, support::native_operation& operation, lines& log) {
    note_at_exit gone(log, "gone");
    co_await rondo::when_all_settled(operation, rondo::sleep(1h), place);
    log.push_back("goes on");
}

task<> cancels_what_cannot_be_withdrawn(task<> (*victim)(support::parking&, support::native_operation&, lines&),
                                        bool foreign_first) {
    support::parking place;
    support::native_operation operation;
    operation.withdrawable = false;
    lines log;
    auto handle = rondo::spawn(victim(place, operation, log));
    co_await rondo::sleep(1ms);
    handle.cancel();
    CHECK(operation.cancels == 1);
    for (const bool foreign : {foreign_first, !foreign_first}) {
        co_await rondo::sleep(1ms);
        CHECK(!handle.done());
        CHECK(log.empty());
        if (foreign)
            place.resume();
        else
            operation.complete();
        CHECK(!handle.done());
    }
    co_await rondo::sleep(1ms);
    CHECK(handle.done());
    CHECK(log == lines{"gone"});
    CHECK(operation.resumed == 0);
}

task<> fails_beside_what_cannot_be_withdrawn(support::parking& place, support::native_operation& operation,
                                             lines& log) {
    try {
        co_await when_all(place, fail_after("boom", 5ms), operation);
    } catch (const std::runtime_error& error) {
        log.push_back(error.what());
    }
}

task<> waits_before_it_rethrows() {
    support::parking place;
    support::native_operation operation;
    operation.withdrawable = false;
    lines log;
    auto handle = rondo::spawn(fails_beside_what_cannot_be_withdrawn(place, operation, log));
    co_await rondo::sleep(10ms);
    CHECK(operation.cancels == 1);
    operation.complete();
    co_await rondo::sleep(1ms);
    CHECK(!handle.done());
    place.resume();
    CHECK(log.empty());
    co_await handle;
    CHECK(log == lines{"boom"});
    CHECK(operation.resumed == 0);
}

// ---- Handles ----

task<> joins() {
    auto one = rondo::spawn(give_after(1, 20ms));
    auto two = rondo::spawn(give_after(2, 10ms));
    const auto both = co_await when_all(one, two, rondo::spawn(support::nap(5ms)));
    CHECK(std::get<0>(both) == 1);
    CHECK(std::get<1>(both) == 2);
    CHECK(std::get<2>(both) == std::monostate());
}

task<> joins_the_finished() {
    auto one = rondo::spawn(give(1));
    auto two = rondo::spawn(give(2));
    co_await rondo::sleep(1ms);
    const auto both = co_await when_all(std::move(one), std::move(two));
    CHECK(std::get<0>(both) + std::get<1>(both) == 3);
}

task<> joins_settled() {
    auto good = rondo::spawn(give_after(1, 1ms));
    auto bad = rondo::spawn(fail_after("boom", 2ms));
    auto gone = rondo::spawn(support::stuck());
    gone.cancel();
    const auto all = co_await when_all(good.settled(), bad.settled(), gone.settled());
    CHECK(std::get<0>(all).has_value());
    CHECK(text_of(std::get<1>(all).error()) == "boom");
    CHECK(std::get<2>(all).is_cancelled());
}

task<> joins_the_cancelled() {
    auto gone = rondo::spawn(support::stuck());
    auto other = rondo::spawn(give_after(5, 10ms));
    gone.cancel();
    bool caught = false;
    try {
        co_await when_all(other, gone);
    } catch (const rondo::cancelled&) {
        caught = true;
    }
    CHECK(caught);
    CHECK(!other.done());
    const int value = co_await other;
    CHECK(value == 5);
}

task<> joins_twice() {
    auto handle = rondo::spawn(give_after(5, 10ms));
    bool caught = false;
    try {
        co_await when_all(handle, handle);
    } catch (const std::logic_error&) {
        caught = true;
    }
    CHECK(caught);
    const int value = co_await handle;
    CHECK(value == 5);
}

task<> joiner(rondo::join_handle<int>& one, rondo::join_handle<int>& two) { co_await when_all(one, two); }

task<> cancels_the_joiner() {
    auto one = rondo::spawn(give_after(1, 10ms));
    auto two = rondo::spawn(give_after(2, 20ms));
    auto waiter = rondo::spawn(joiner(one, two));
    co_await rondo::sleep(15ms);
    CHECK(one.done());
    waiter.cancel();
    CHECK(waiter.done());
    const auto both = co_await when_all(one, two);
    CHECK(std::get<0>(both) == 1);
    CHECK(std::get<1>(both) == 2);
}

task<> two_handles_fail(lines& caught) {
    auto one = rondo::spawn(fail_after("one", 10ms));
    auto two = rondo::spawn(fail_after("two", 10ms));
    try {
        co_await when_all(one, two);
    } catch (const std::runtime_error& error) {
        caught.push_back(error.what());
    }
    try {
        co_await two;
    } catch (const std::runtime_error& error) {
        caught.push_back(error.what());
    } catch (const std::logic_error&) {  // when_all has already had it
    }
}

task<> two_moved_handles_fail(lines& caught) {
    auto one = rondo::spawn(fail_after("one", 10ms));
    auto two = rondo::spawn(fail_after("two", 10ms));
    try {
        co_await when_all(std::move(one), std::move(two));
    } catch (const std::runtime_error& error) {
        caught.push_back(error.what());
    }
    co_await rondo::sleep(1ms);
}

lines run_and_collect(task<> (*main)(lines&)) {
    lines caught;
    rondo::event_loop loop(support::virtual_time());
    loop.on_unhandled_exception(
        [&caught](std::exception_ptr error) { caught.push_back("unhandled " + text_of(error)); });
    loop.run(main(caught));
    loop.close();
    return caught;
}

// ---- Values stay where they are until the parent resumes ----

task<> pops_beside_a_nap(bounded_queue<int>& queue, std::optional<int>& got) {
    const auto both = co_await when_all(queue.pop(), rondo::sleep(10ms));
    got = std::get<0>(both);
}

task<> a_claimed_message_keeps_its_slot() {
    bounded_queue<int> queue(1);
    queue.try_push(1);
    std::optional<int> got;
    auto popper = rondo::spawn(pops_beside_a_nap(queue, got));
    co_await rondo::sleep(5ms);
    CHECK(!got);
    CHECK(queue.empty());
    CHECK(queue.full());
    const std::optional<int> stolen = queue.try_pop();
    CHECK(!stolen);
    CHECK(!queue.try_push(2));
    co_await popper;
    CHECK(got == 1);
    CHECK(!queue.full());
    CHECK(queue.try_push(2));
}

task<> pops_beside_a_failure(bounded_queue<int>& queue, std::string& caught) {
    try {
        co_await when_all(queue.pop(), fail_after("boom", 10ms));
    } catch (const std::runtime_error& error) {
        caught = error.what();
    }
}

task<> a_failure_gives_back() {
    bounded_queue<int> queue(2);
    queue.try_push(1);
    queue.try_push(2);
    std::string caught;
    co_await pops_beside_a_failure(queue, caught);
    CHECK(caught == "boom");
    CHECK(queue.size() == 2);
    const std::optional<int> first = queue.try_pop();
    const std::optional<int> second = queue.try_pop();
    CHECK(first == 1);
    CHECK(second == 2);
}

task<> a_failure_gives_to_the_next_popper() {
    bounded_queue<int> queue(1);
    queue.try_push(1);
    std::string caught;
    std::optional<std::optional<int>> got;
    auto failing = rondo::spawn(pops_beside_a_failure(queue, caught));
    auto next = rondo::spawn(pop_into(queue, got));
    co_await rondo::sleep(5ms);
    CHECK(!got);
    co_await when_all(failing, next);
    CHECK(caught == "boom");
    CHECK(got == std::optional<int>(1));
}

task<> cancellation_gives_back() {
    bounded_queue<int> queue(1);
    queue.try_push(1);
    std::optional<int> got;
    auto popper = rondo::spawn(pops_beside_a_nap(queue, got));
    co_await rondo::sleep(5ms);
    popper.cancel();
    CHECK(!got);
    CHECK(!queue.empty());
    const std::optional<int> back = queue.try_pop();
    CHECK(back == 1);
}

task<> pops_two(bounded_queue<int>& one, bounded_queue<int>& two, lines& log) {
    co_await when_all(one.pop(), two.pop());
    log.push_back("popped");
}

task<> cancelled_between_grant_and_resumption() {
    bounded_queue<int> one(1);
    bounded_queue<int> two(1);
    lines log;
    auto popper = rondo::spawn(pops_two(one, two, log));
    co_await rondo::sleep(1ms);
    CHECK(one.try_push(1));
    CHECK(two.try_push(2));
    CHECK(one.empty());
    CHECK(two.empty());
    popper.cancel();
    CHECK(popper.done());
    const std::optional<int> first = one.try_pop();
    const std::optional<int> second = two.try_pop();
    CHECK(first == 1);
    CHECK(second == 2);
    CHECK(log.empty());
}

task<> a_push_given_room_has_happened() {
    bounded_queue<std::string> queue(1);
    std::string given = "given room";
    std::string waiting = "still waiting";
    std::string caught;
    try {
        co_await when_all(queue.push(std::move(given)), queue.push(std::move(waiting)), fail_after("boom", 10ms));
    } catch (const std::runtime_error& error) {
        caught = error.what();
    }
    CHECK(caught == "boom");
    CHECK(waiting == "still waiting");
    const std::optional<std::string> message = queue.try_pop();
    CHECK(message == "given room");
    CHECK(queue.empty());
}

task<> close_and_pop(bounded_queue<int>& queue, task<> (*holder)(bounded_queue<int>&, std::string&),
                     std::optional<int>& got, duration& waited) {
    queue.try_push(1);
    std::string caught;
    auto holding = rondo::spawn(holder(queue, caught));
    co_await rondo::sleep(2ms);
    queue.close();
    const auto start = now();
    got = co_await queue.pop();
    waited = now() - start;
    co_await holding;
}

task<> takes_in_the_end(bounded_queue<int>& queue, std::string&) { co_await when_all(queue.pop(), rondo::sleep(10ms)); }

// ---- Grants and failures while siblings run ----

task<> pushes_and_goes_on(bounded_queue<int>& queue, lines& log) {
    queue.try_push(1);
    log.push_back("pushed");
    co_await rondo::sleep(10ms);
    log.push_back("child ends");
}

task<> waits_for_the_granting_child(lines& log) {
    bounded_queue<int> queue(1);
    const auto both = co_await when_all(queue.pop(), pushes_and_goes_on(queue, log));
    CHECK(std::get<0>(both) == 1);
    log.push_back("parent");
}

task<> grants_both(bounded_queue<int>& one, bounded_queue<int>& two, lines& log) {
    one.try_push(1);
    two.try_push(2);
    log.push_back("granter ends");
    co_return;
}

task<> is_resumed_by_the_loop_alone(lines& log) {
    bounded_queue<int> one(1);
    bounded_queue<int> two(1);
    auto popper = rondo::spawn(pops_two(one, two, log));
    auto granter = rondo::spawn(grants_both(one, two, log));
    co_await when_all(popper, granter);
}

task<> closes_and_fails(bounded_queue<int>& queue) {
    queue.close();
    throw std::runtime_error("closer");
    co_return;
}

task<> two_failures_in_one_step(lines& caught) {
    bounded_queue<int> queue(1);
    queue.try_push(1);
    try {
        co_await when_all(queue.push(2), closes_and_fails(queue));
    } catch (const std::exception& error) {
        caught.push_back(error.what());
    }
    co_await rondo::sleep(1ms);
}

task<> closes_and_waits(bounded_queue<int>& queue, lines& log) {
    note_at_exit gone(log, "closer gone");
    queue.close();
    log.push_back("closed");
    co_await rondo::sleep(1h);
    log.push_back("closer goes on");
}

task<> fails_under_a_running_sibling(lines& log) {
    bounded_queue<int> queue(1);
    queue.try_push(1);
    const auto start = now();
    try {
        co_await when_all(queue.push(2), closes_and_waits(queue, log));
    } catch (const rondo::queue_closed&) {
        log.push_back("caught");
    }
    CHECK(now() == start);
}

task<> closes_and_returns(bounded_queue<int>& queue) {
    queue.close();
    co_return;
}

task<> a_value_beside_a_failed_operand(bounded_queue<int>& queue, bool& caught) {
    int message = 2;
    try {
        co_await when_all(queue.push(message), closes_and_returns(queue), queue.pop());
    } catch (const rondo::queue_closed&) {
        caught = true;
    }
}

// Throws from its next move when it is armed.
class fragile {
public:
    explicit fragile(int n) : number(n) {}
    fragile(fragile&& other) : number(other.number) {
        if (armed) {
            armed = false;
            throw std::runtime_error("moved");
        }
    }
    fragile& operator=(fragile&&) = delete;

    int number;
    static inline bool armed = false;

private:
    support::tracked life_;
};

task<> a_take_that_throws() {
    bounded_queue<fragile> queue(2);
    queue.try_push(fragile(1));
    queue.try_push(fragile(2));
    std::string caught;
    fragile::armed = true;
    try {
        co_await when_all(rondo::sleep(1ms), queue.pop());
    } catch (const std::runtime_error& error) {
        caught = error.what();
    }
    CHECK(caught == "moved");
    CHECK(queue.size() == 2);
    const std::optional<fragile> first = co_await queue.pop();
    REQUIRE(first);
    CHECK(first->number == 1);
}

task<> pops_and_naps(bounded_queue<int>& queue, std::chrono::milliseconds time, lines& log) {
    note_at_exit gone(log, "gone");
    co_await when_all(queue.pop(), rondo::sleep(time));
    log.push_back("goes on");
}

// Destroys a queue whose message was claimed when it was pushed, `waited` after the other operand had been started.
void destroy_under_when_all(bool push, std::chrono::milliseconds waited) {
    rondo::event_loop loop(support::virtual_time());
    std::optional<bounded_queue<int>> queue(1);
    lines log;
    auto popper = loop.spawn(pops_and_naps(*queue, 10ms, log));
    loop.run(support::nap(waited));
    if (push) CHECK(queue->try_push(1));
    queue.reset();
    loop.run(support::nap(100ms));
    CHECK(log.empty());
    CHECK(!popper.done());
    popper.cancel();
    CHECK(popper.done());
    CHECK(log == lines{"gone"});
}

// ---- Operations that need not wait ----

task<> sets(bool& flag) {
    flag = true;
    co_return;
}

// Whether a task that is ready has its turn while this one awaits what `make` makes, at most `times` times.
template <class Make>
task<bool> lets_others_run(Make make, int times) {
    bool ran = false;
    auto other = rondo::spawn(sets(ran));
    for (int i = 0; i < times && !ran; ++i) co_await make();
    const bool in_time = ran;
    co_await other;
    co_return in_time;
}

// ---- Awaitables that throw ----

class throws_when_taken {
public:
    bool await_ready() const noexcept { return true; }
    void await_suspend(std::coroutine_handle<>) const noexcept {}
    int await_resume() const { throw std::runtime_error("boom"); }
};

class native_that_throws {
public:
    bool await_ready() const noexcept { return false; }
    void await_suspend(rondo::resumer given) const { given.resume(); }
    int await_resume() const { throw std::runtime_error("boom"); }
    bool await_cancel() noexcept { return true; }
};

template <class Thrower>
task<> pops_beside(bounded_queue<int>& queue, bool pop_first, lines& log) {
    try {
        if (pop_first)
            co_await when_all(queue.pop(), Thrower());
        else
            co_await when_all(Thrower(), queue.pop());
    } catch (const std::runtime_error& error) {
        log.push_back(error.what());
    }
}

// ---- Failures of operands whose parent is cancelled before it resumes ----

task<> pushes_beside_a_nap(bounded_queue<int>& queue) { co_await when_all(queue.push(1), support::nap(1h)); }

task<> cancels_a_push_that_close_has_failed(lines&) {
    bounded_queue<int> queue(1);
    queue.try_push(0);
    auto pushing = rondo::spawn(pushes_beside_a_nap(queue));
    co_await rondo::sleep(1ms);
    queue.close();
    pushing.cancel();
    CHECK(pushing.done());
}

task<> joins_beside_a_nap(rondo::join_handle<>& other) { co_await when_all(other, support::nap(1h)); }

task<> cancels_a_join_that_has_failed(lines& caught) {
    auto failing = rondo::spawn(fail_after("boom", 1ms));
    auto joining = rondo::spawn(joins_beside_a_nap(failing));
    co_await rondo::sleep(1ms);
    while (!failing.done()) co_await rondo::yield();  // the joiner resumes in the next round
    joining.cancel();
    CHECK(joining.done());
    try {
        co_await failing;
    } catch (const std::runtime_error& error) {
        caught.push_back(error.what());
    }
}

task<> joins_again_what_when_all_has_thrown(lines& caught) {
    auto failing = rondo::spawn(fail_after("boom", 1ms));
    try {
        co_await when_all(failing, support::nap(1h));
    } catch (const std::runtime_error& error) {
        caught.push_back(error.what());
    }
    try {
        co_await failing;
    } catch (const std::logic_error&) {
        caught.push_back("joined already");
    }
}

task<> stuck_here(bounded_queue<int>& queue, unsigned& line) {
    line = __LINE__ + 1;
    co_await when_all(queue.pop(), rondo::sleep(1ms));
}

}  // namespace

TEST_CASE("when_all awaits timers and yields directly") { rondo::testing::run(timers()); }

TEST_CASE("when_all awaits queue operations directly, in argument order") {
    rondo::testing::run(queue_operations());
    rondo::testing::run(three_pops());
}

TEST_CASE("when_all awaits foreign awaitables and native operations, also lvalues") {
    rondo::testing::run(completes_foreign_awaitables());
}

TEST_CASE("a cancelled when_all waits for operations that cannot be withdrawn, and unwinds then") {
    for (const bool foreign_first : {false, true}) {
        rondo::testing::run(cancels_what_cannot_be_withdrawn(waits_directly, foreign_first));
        rondo::testing::run(cancels_what_cannot_be_withdrawn(waits_directly_settled, foreign_first));
    }
}

TEST_CASE("a failing when_all waits for operations that cannot be withdrawn, and rethrows then") {
    rondo::testing::run(waits_before_it_rethrows());
}

TEST_CASE("when_all joins handles, also of tasks that have ended") {
    rondo::testing::run(joins());
    rondo::testing::run(joins_the_finished());
    rondo::testing::run(joins_settled());
}

TEST_CASE("a cancelled task fails the when_all that joins it, and the other joined task goes on") {
    rondo::testing::run(joins_the_cancelled());
}

TEST_CASE("joining the same handle twice in a when_all throws, and the task can still be joined") {
    rondo::testing::run(joins_twice());
}

TEST_CASE("cancelling a when_all of handles cancels the joining, not the tasks") {
    rondo::testing::run(cancels_the_joiner());
}

TEST_CASE("of two joined tasks that fail in the same round, the second failure is reported once") {
    const lines kept = run_and_collect(two_handles_fail);
    REQUIRE(kept.size() == 2);
    CHECK(kept[0] == "one");
    CHECK((kept[1] == "two" || kept[1] == "unhandled two"));

    const lines moved = run_and_collect(two_moved_handles_fail);
    REQUIRE(moved.size() == 2);
    CHECK(std::count(moved.begin(), moved.end(), "one") == 1);
    CHECK(std::count(moved.begin(), moved.end(), "unhandled two") == 1);
}

TEST_CASE("a popped message keeps its slot until the parent of the pop resumes") {
    rondo::testing::run(a_claimed_message_keeps_its_slot());
}

TEST_CASE("a failing sibling gives a popped message back to the front") { rondo::testing::run(a_failure_gives_back()); }

TEST_CASE("a failing sibling gives a popped message to the next popper") {
    rondo::testing::run(a_failure_gives_to_the_next_popper());
}

TEST_CASE("cancelling the parent gives popped messages back") {
    rondo::testing::run(cancellation_gives_back());
    rondo::testing::run(cancelled_between_grant_and_resumption());
}

TEST_CASE("when a sibling fails, a push that was given room has happened and a waiting one leaves its value") {
    rondo::testing::run(a_push_given_room_has_happened());
}

TEST_CASE("after close a pop waits while a claimed message may come back") {
    std::optional<int> got;
    duration waited{};
    SECTION("and gets it") {
        bounded_queue<int> queue(1);
        rondo::testing::run(close_and_pop(queue, pops_beside_a_failure, got, waited));
        CHECK(got == 1);
    }
    SECTION("and gets nothing when it was taken") {
        bounded_queue<int> queue(1);
        rondo::testing::run(close_and_pop(queue, takes_in_the_end, got, waited));
        CHECK(!got);
    }
    CHECK(waited == 8ms);
}

TEST_CASE("the parent waits for the child that served its other operand") {
    lines log;
    rondo::testing::run(waits_for_the_granting_child(log));
    CHECK(log == lines{"pushed", "child ends", "parent"});
}

TEST_CASE("a parent is never resumed inside the call that serves its last operand") {
    lines log;
    rondo::testing::run(is_resumed_by_the_loop_alone(log));
    CHECK(log == lines{"granter ends", "popped"});
}

TEST_CASE("of two failures in one step, one is rethrown and the other is reported") {
    lines caught = run_and_collect(two_failures_in_one_step);
    REQUIRE(caught.size() == 2);
    const std::string closed = rondo::queue_closed().what();
    CHECK(caught == lines{closed, "unhandled closer"});
}

TEST_CASE("an operand that fails while a sibling runs cancels the sibling at its next suspension") {
    lines log;
    rondo::testing::run(fails_under_a_running_sibling(log));
    CHECK(log == lines{"closed", "closer gone", "caught"});
}

TEST_CASE("an operand that fails while a sibling runs leaves the queue as it was") {
    bounded_queue<int> queue(1);
    queue.try_push(1);
    bool caught = false;
    rondo::testing::run(a_value_beside_a_failed_operand(queue, caught));
    CHECK(caught);
    const std::optional<int> left = queue.try_pop();
    CHECK(left == 1);
}

TEST_CASE("a message whose move throws when the parent takes it stays at the front") {
    rondo::testing::run(a_take_that_throws());
}

TEST_CASE("a when_all over a queue that is destroyed never resumes, and unwinds when it is cancelled") {
    for (const bool push : {false, true})
        for (const auto waited : {5ms, 20ms}) destroy_under_when_all(push, waited);
}

TEST_CASE("a when_all of yields and empty sleeps lets others go first, as they do alone") {
    CHECK(rondo::testing::run(lets_others_run([] { return when_all(rondo::yield()); }, 1)));
    CHECK(rondo::testing::run(lets_others_run([] { return when_all(rondo::sleep(0s), rondo::sleep(-1s)); }, 1)));
    CHECK(rondo::testing::run(lets_others_run([] { return rondo::when_all_settled(rondo::yield()); }, 1)));
}

TEST_CASE("a when_all of queue operations that never wait does not starve another task") {
    bounded_queue<int> queue(1);
    const int one = 1;  // a push takes its argument when it is awaited
    CHECK(rondo::testing::run(lets_others_run([&] { return when_all(queue.push(one), queue.pop()); }, 10'000)));
}

TEST_CASE("an awaitable that throws gives the message of its sibling back, and cancels the pop that waits") {
    for (const bool pop_first : {true, false}) {
        bounded_queue<int> queue(1);
        lines log;
        rondo::testing::run(pops_beside<throws_when_taken>(queue, pop_first, log));
        rondo::testing::run(pops_beside<native_that_throws>(queue, pop_first, log));
        queue.try_push(1);
        rondo::testing::run(pops_beside<throws_when_taken>(queue, pop_first, log));
        rondo::testing::run(pops_beside<native_that_throws>(queue, pop_first, log));
        CHECK(log == lines{"boom", "boom", "boom", "boom"});
        const std::optional<int> left = queue.try_pop();
        CHECK(left == 1);
    }
}

TEST_CASE("an operand that failed has nothing to report when its parent is cancelled before it resumes") {
    CHECK(run_and_collect(cancels_a_push_that_close_has_failed).empty());
    CHECK(run_and_collect(cancels_a_join_that_has_failed) == lines{"boom"});
}

TEST_CASE("a handle whose failure a when_all has thrown has had its joiner") {
    lines caught;
    rondo::testing::run(joins_again_what_when_all_has_thrown(caught));
    CHECK(caught == lines{"boom", "joined already"});
}

TEST_CASE("the stuck report names the line where a when_all of operations waits") {
    bounded_queue<int> queue(1);
    unsigned line = 0;
    std::string report;
    try {
        rondo::testing::run(stuck_here(queue, line));
    } catch (const rondo::deadlock_error& error) {
        report = error.what();
    }
    INFO(report);
    CHECK(report.find("when_all_operands.cpp:" + std::to_string(line)) != std::string::npos);
}
