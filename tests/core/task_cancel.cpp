// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// Cancellation of a task: in whichever state it is, and what its unwinding looks like to the rest of the world.

#include <support/clocks.hpp>
#include <support/foreign.hpp>
#include <support/in_child.hpp>
#include <support/leak_check.hpp>
#include <support/native_operation.hpp>
#include <support/tasks.hpp>
#include <support/tracked.hpp>

#include <rondo/core/task.hpp>
#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <coroutine>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using rondo::event_loop;
using rondo::join_handle;
using rondo::task;
using support::lines;
using support::note_at_exit;
using support::tracked;

namespace {

/// A place where a task finds a handle that is made after it, its own for instance.
template <class T = void>
using handle_slot = std::optional<join_handle<T>>;

/// Says how the task ended, to whoever looks at the log.
task<> reports_end(join_handle<>& handle, lines& log, std::string name) {
    const auto end = co_await handle.settled();
    if (end.is_cancelled()) {
        log.push_back(name + ": cancelled");
    } else {
        log.push_back(name + (end.has_value() ? ": value" : ": error"));
    }
}

task<> sleeps(lines& log, tracked argument, std::chrono::seconds time) {
    note_at_exit gone(log, "gone");
    log.push_back("starts");
    co_await rondo::sleep(time);
    log.push_back("goes on with " + std::to_string(argument.number()));
}

}  // namespace

// --- the states a task may be in ---

TEST_CASE("a task cancelled before its first step never runs, and its arguments are destroyed") {
    lines log;
    event_loop loop(support::virtual_time());
    join_handle<> handle = loop.spawn(sleeps(log, tracked(1), 1s));
    handle.cancel();
    CHECK(handle.done());
    CHECK(tracked::live() == 0);
    loop.run();
    CHECK(log.empty());
}

TEST_CASE("a waiting task is unwound before cancel() returns") {
    lines log;
    event_loop loop(support::virtual_time());
    join_handle<> handle = loop.spawn(sleeps(log, tracked(1), 1s));
    loop.poll();
    CHECK(tracked::live() == 1);
    CHECK(loop.next_deadline().has_value());
    handle.cancel();
    CHECK(handle.done());
    CHECK(tracked::live() == 0);
    CHECK(log == lines{"starts", "gone"});
    CHECK(!loop.next_deadline().has_value());  // its timer went with it
    loop.run();
    CHECK(log == lines{"starts", "gone"});
}

namespace {

task<> yields_with_local(lines& log) {
    note_at_exit gone(log, "gone");
    log.push_back("starts");
    co_await rondo::yield();
    log.push_back("goes on");
}

}  // namespace

TEST_CASE("a task that was made ready but has not run is unwound before cancel() returns") {
    lines log;
    event_loop loop(support::virtual_time());
    join_handle<> handle = loop.spawn(yields_with_local(log));
    loop.poll();
    handle.cancel();
    CHECK(handle.done());
    CHECK(log == lines{"starts", "gone"});
    CHECK(loop.poll() == 0);
    CHECK(log == lines{"starts", "gone"});
}

namespace {

task<> cancels_other_after(handle_slot<>& victim, lines& log, std::chrono::seconds time) {
    co_await rondo::sleep(time);
    log.push_back("cancel");
    victim->cancel();
    log.push_back("cancelled");
}

}  // namespace

TEST_CASE("a sleeper that falls due in the round in which it is cancelled does not go on") {
    lines log;
    event_loop loop(support::virtual_time());
    handle_slot<> victim;
    loop.spawn(cancels_other_after(victim, log, 1s));  // its timer is set first, so it fires first
    victim = loop.spawn(sleeps(log, tracked(1), 1s));
    loop.run();
    CHECK(log == lines{"starts", "cancel", "gone", "cancelled"});
}

TEST_CASE("a sleeper that falls due just before it would be cancelled goes on") {
    lines log;
    event_loop loop(support::virtual_time());
    handle_slot<> victim;
    victim = loop.spawn(sleeps(log, tracked(1), 1s));
    loop.spawn(cancels_other_after(victim, log, 1s));
    loop.run();
    CHECK(log == lines{"starts", "goes on with 1", "gone", "cancel", "cancelled"});
}

namespace {

task<> joins(join_handle<>& other, lines& log) {
    note_at_exit gone(log, "joiner gone");
    log.push_back("joins");
    co_await other;
    log.push_back("joined");
}

}  // namespace

TEST_CASE("a joiner that was woken but has not run is unwound before cancel() returns") {
    lines log;
    event_loop loop(support::virtual_time());
    join_handle<> child = loop.spawn(support::yields(1));
    join_handle<> joiner = loop.spawn(joins(child, log));
    loop.poll();
    CHECK(loop.poll() == 1);  // the child ends, which wakes the joiner
    REQUIRE(child.done());
    joiner.cancel();
    CHECK(joiner.done());
    loop.run();
    CHECK(log == lines{"joins", "joiner gone"});
}

namespace {

task<> cancels_itself(handle_slot<>& self, lines& log) {
    note_at_exit gone(log, "gone");
    self->cancel();
    log.push_back("still running");
    co_await support::nothing();  // does not suspend
    log.push_back("and still");
    co_await rondo::yield();
    log.push_back("after the suspension");
}

task<> cancels_itself_and_ends(handle_slot<>& self) {
    self->cancel();
    co_return;
}

task<> cancels_itself_and_fails(handle_slot<>& self) {
    self->cancel();
    throw std::runtime_error("failed all the same");
    co_return;
}

}  // namespace

TEST_CASE("a task that cancels itself goes on to its next suspension, and no further") {
    lines log;
    event_loop loop(support::virtual_time());
    handle_slot<> self;
    self = loop.spawn(cancels_itself(self, log));
    loop.spawn(reports_end(*self, log, "itself"));
    loop.run();
    CHECK(log == lines{"still running", "and still", "gone", "itself: cancelled"});
}

TEST_CASE("a cancellation of a running task is void if the task ends before it suspends") {
    lines log;
    event_loop loop(support::virtual_time());
    handle_slot<> ends;
    handle_slot<> fails;
    ends = loop.spawn(cancels_itself_and_ends(ends));
    fails = loop.spawn(cancels_itself_and_fails(fails));
    loop.spawn(reports_end(*ends, log, "ends"));
    loop.spawn(reports_end(*fails, log, "fails"));
    loop.run();
    CHECK(log == lines{"ends: value", "fails: error"});
}

namespace {

enum class next_wait { sleep_zero, sleep, join, for_ever, native };

task<> waits_after_self_cancel(handle_slot<>& self, next_wait how, join_handle<>& other,
                               support::native_operation& native, lines& log) {
    self->cancel();
    switch (how) {
        case next_wait::sleep_zero:
            co_await rondo::sleep(0s);
            break;
        case next_wait::sleep:
            co_await rondo::sleep(1h);
            break;
        case next_wait::join:
            co_await other;
            break;
        case next_wait::for_ever:
            co_await support::for_ever();
            break;
        case next_wait::native:
            co_await native;
            break;
    }
    log.push_back("went on");
}

}  // namespace

TEST_CASE("every wait is a point where a pending cancellation takes effect") {
    for (const next_wait how :
         {next_wait::sleep_zero, next_wait::sleep, next_wait::join, next_wait::for_ever, next_wait::native}) {
        lines log;
        support::native_operation native;
        event_loop loop(support::virtual_time());
        const auto start = loop.now();
        join_handle<> other = loop.spawn(support::nap(2s));
        handle_slot<> self;
        self = loop.spawn(waits_after_self_cancel(self, how, other, native, log));
        loop.poll();
        CHECK(self->done());
        CHECK(!native.waiting());
        loop.run();
        CHECK(log.empty());
        CHECK(loop.now() - start == 2s);
        CHECK(other.done());  // it was the joining that was cancelled
    }
}

namespace {

task<> child_cancels_root(handle_slot<>& root, lines& log) {
    note_at_exit gone(log, "child gone");
    root->cancel();
    log.push_back("child still runs");
    co_await rondo::yield();
    log.push_back("child goes on");
}

task<> grandparent(handle_slot<>& root, lines& log, int depth) {
    note_at_exit gone(log, "level " + std::to_string(depth) + " gone");
    if (depth == 0) {
        co_await child_cancels_root(root, log);
    } else {
        co_await grandparent(root, log, depth - 1);
    }
    log.push_back("parent goes on");
}

task<> child_cancels_root_and_ends(handle_slot<>& root) {
    root->cancel();
    co_return;
}

task<> parent_that_suspends_later(handle_slot<>& root, lines& log) {
    note_at_exit gone(log, "parent gone");
    co_await child_cancels_root_and_ends(root);
    log.push_back("parent runs on");
    co_await rondo::yield();
    log.push_back("parent goes on");
}

}  // namespace

TEST_CASE("a child that cancels its parent goes on to its next suspension, and both are unwound from the inside") {
    lines log;
    event_loop loop(support::virtual_time());
    handle_slot<> root;
    root = loop.spawn(grandparent(root, log, 1));
    loop.run();
    CHECK(root->done());
    CHECK(log == lines{"child still runs", "child gone", "level 0 gone", "level 1 gone"});
}

TEST_CASE("a child that cancels its parent and ends leaves the cancellation to the parent's next suspension") {
    lines log;
    event_loop loop(support::virtual_time());
    handle_slot<> root;
    root = loop.spawn(parent_that_suspends_later(root, log));
    loop.run();
    CHECK(log == lines{"parent runs on", "parent gone"});
}

TEST_CASE("cancelling a task that has ended changes nothing") {
    lines log;
    event_loop loop(support::virtual_time());
    join_handle<> done = loop.spawn(support::nothing());
    join_handle<> failed = loop.spawn(support::fail("x"));
    loop.poll();
    done.cancel();
    failed.cancel();
    loop.spawn(reports_end(done, log, "done"));
    loop.spawn(reports_end(failed, log, "failed"));
    loop.run();
    CHECK(log == lines{"done: value", "failed: error"});
}

TEST_CASE("cancelling twice is cancelling once") {
    lines log;
    event_loop loop(support::virtual_time());
    join_handle<> handle = loop.spawn(support::waits_for_ever(log, "it"));
    loop.poll();
    handle.cancel();
    handle.cancel();
    CHECK(log == lines{"it waits", "it gone"});
    loop.run();
}

namespace {

task<> completes_then_is_cancelled(handle_slot<>& victim, lines& log) {
    co_await rondo::yield();
    victim->cancel();
    log.push_back(victim->done() ? "done" : "not done");
}

}  // namespace

TEST_CASE("a task that ended in this very round keeps its result when it is cancelled after that") {
    lines log;
    event_loop loop(support::virtual_time());
    handle_slot<> victim;
    victim = loop.spawn(support::yields(1));
    loop.spawn(completes_then_is_cancelled(victim, log));
    loop.spawn(reports_end(*victim, log, "victim"));
    loop.run();
    CHECK(log == lines{"done", "victim: value"});
}

// --- no exception ---

namespace {

task<> catches_everything(lines& log) {
    try {
        co_await support::for_ever();
    } catch (...) {
        log.push_back("caught");
    }
    log.push_back("went on");
}

task<> loops_catching(lines& log) {
    for (;;) {
        try {
            co_await catches_everything(log);
        } catch (...) {
            log.push_back("caught outside");
        }
    }
}

}  // namespace

TEST_CASE("catch (...) does not see a cancellation and cannot swallow it") {
    lines log;
    event_loop loop(support::virtual_time());
    join_handle<> handle = loop.spawn(loops_catching(log));
    loop.poll();
    handle.cancel();
    CHECK(handle.done());
    CHECK(log.empty());
}

// --- unwinding ---

namespace {

task<> innermost(lines& log, note_at_exit argument, support::native_operation& operation) {
    (void)argument;
    note_at_exit first(log, "innermost: first local");
    note_at_exit second(log, "innermost: second local");
    co_await operation;
    log.push_back("innermost goes on");
}

task<> middle(lines& log, support::native_operation& operation) {
    note_at_exit local(log, "middle: local");
    co_await innermost(log, note_at_exit(log, "innermost: argument"), operation);
    log.push_back("middle goes on");
}

task<> outermost(lines& log, support::native_operation& operation) {
    note_at_exit local(log, "outermost: local");
    {
        note_at_exit scoped(log, "outermost: scope");
        co_await middle(log, operation);
        log.push_back("outermost goes on");
    }
}

const lines unwinding = {"innermost: second local", "innermost: first local", "innermost: argument",
                         "middle: local",           "outermost: scope",       "outermost: local"};

}  // namespace

TEST_CASE("frames are unwound innermost first, locals in reverse order, arguments after locals") {
    lines log;
    support::native_operation operation;
    event_loop loop(support::virtual_time());
    join_handle<> handle = loop.spawn(outermost(log, operation));
    loop.poll();
    handle.cancel();
    CHECK(log == unwinding);
    CHECK(operation.cancels == 1);
    CHECK(operation.destroyed == 1);
}

TEST_CASE("the operation is withdrawn before any destructor runs") {
    lines log;
    support::native_operation operation;
    event_loop loop(support::virtual_time());
    int cancels_seen = -1;
    auto victim = [](support::native_operation& op, int& seen) -> task<> {
        support::call_at_exit look([&] { seen = op.cancels; });
        co_await op;
    };
    join_handle<> handle = loop.spawn(victim(operation, cancels_seen));
    loop.poll();
    handle.cancel();
    CHECK(cancels_seen == 1);
}

TEST_CASE("the loop is current() while a task is unwound, also from outside run and poll") {
    event_loop loop(support::virtual_time());
    const event_loop* seen = nullptr;
    auto victim = [](const event_loop*& out) -> task<> {
        support::call_at_exit look([&] { out = &event_loop::current(); });
        co_await support::for_ever();
    };
    join_handle<> handle = loop.spawn(victim(seen));
    loop.poll();
    handle.cancel();
    CHECK(seen == &loop);
    CHECK_THROWS_AS(event_loop::current(), std::logic_error);
}

TEST_CASE("a task of one loop may cancel a task of another, whose loop is current() meanwhile") {
    event_loop first(support::virtual_time());
    event_loop second(support::virtual_time());
    const event_loop* seen = nullptr;
    const event_loop* afterwards = nullptr;
    auto victim = [](const event_loop*& out) -> task<> {
        support::call_at_exit look([&] { out = &event_loop::current(); });
        co_await support::for_ever();
    };
    auto killer = [](join_handle<>& other, const event_loop*& out) -> task<> {
        other.cancel();
        out = &event_loop::current();
        co_return;
    };
    join_handle<> handle = first.spawn(victim(seen));
    first.poll();
    second.run(killer(handle, afterwards));
    CHECK(seen == &first);
    CHECK(afterwards == &second);
}

namespace {

task<> cancels_from_destructor(std::function<void()> action) {
    support::call_at_exit act(std::move(action));
    co_await support::for_ever();
}

}  // namespace

TEST_CASE("a destructor on the way may cancel another task, which is gone when that cancel returns") {
    lines log;
    event_loop loop(support::virtual_time());
    join_handle<> other = loop.spawn(support::waits_for_ever(log, "other"));
    join_handle<> first = loop.spawn(cancels_from_destructor([&] {
        other.cancel();
        log.push_back(other.done() ? "other is done" : "other is not done");
    }));
    loop.poll();
    first.cancel();
    CHECK(log == lines{"other waits", "other gone", "other is done"});
    CHECK(first.done());
    loop.run();
}

TEST_CASE("cancelling what is being unwound already is void") {
    lines log;
    event_loop loop(support::virtual_time());
    handle_slot<> self;
    self = loop.spawn(cancels_from_destructor([&] {
        self->cancel();
        log.push_back(self->done() ? "done" : "not done");
    }));
    loop.poll();
    self->cancel();
    CHECK(self->done());
    CHECK(log.size() == 1);
    loop.run();
}

TEST_CASE("two tasks whose destructors cancel each other are both unwound once") {
    int unwound = 0;
    event_loop loop(support::virtual_time());
    handle_slot<> first;
    handle_slot<> second;
    first = loop.spawn(cancels_from_destructor([&] { ++unwound, second->cancel(); }));
    second = loop.spawn(cancels_from_destructor([&] { ++unwound, first->cancel(); }));
    loop.poll();
    first->cancel();
    CHECK(first->done());
    CHECK(second->done());
    CHECK(unwound == 2);
}

TEST_CASE("a chain of a thousand tasks, each cancelling the next from a destructor, unwinds") {
    event_loop loop(support::virtual_time());
    std::vector<handle_slot<>> handles(1'000);
    int unwound = 0;
    for (std::size_t i = 0; i < handles.size(); ++i) {
        handles[i] = loop.spawn(cancels_from_destructor([&handles, &unwound, i] {
            ++unwound;
            if (i + 1 < handles.size()) handles[i + 1]->cancel();
        }));
    }
    loop.poll();
    handles.front()->cancel();
    CHECK(unwound == 1'000);
    for (const handle_slot<>& handle : handles) CHECK(handle->done());
}

TEST_CASE("a destructor on the way may spawn, and the new task runs") {
    lines log;
    event_loop loop(support::virtual_time());
    join_handle<> victim = loop.spawn(cancels_from_destructor([&] { rondo::spawn(support::note(log, "spawned")); }));
    loop.poll();
    victim.cancel();
    CHECK(log.empty());
    loop.run();
    CHECK(log == lines{"spawned"});
}

TEST_CASE("a destructor on the way may drop the handle of the task itself") {
    event_loop loop(support::virtual_time());
    handle_slot<> self;
    int unwound = 0;
    self = loop.spawn(cancels_from_destructor([&] {
        ++unwound;
        self.reset();
    }));
    loop.poll();
    self->cancel();
    CHECK(unwound == 1);
    CHECK(!self.has_value());
    loop.run();
}

TEST_CASE("whoever joins a cancelled task is resumed by the loop, not inside cancel()") {
    lines log;
    event_loop loop(support::virtual_time());
    join_handle<> victim = loop.spawn(support::stuck());
    loop.spawn(reports_end(victim, log, "victim"));
    loop.poll();
    victim.cancel();
    CHECK(log.empty());
    CHECK(loop.poll() == 1);
    CHECK(log == lines{"victim: cancelled"});
}

TEST_CASE("a posted function may cancel") {
    lines log;
    event_loop loop(support::virtual_time());
    join_handle<> victim = loop.spawn(support::waits_for_ever(log, "victim"));
    loop.poll();
    loop.post([&] { victim.cancel(); });
    loop.run();
    CHECK(log == lines{"victim waits", "victim gone"});
}

TEST_CASE("a local destroyed at the end of its scope may cancel its own task, which takes effect later") {
    lines log;
    event_loop loop(support::virtual_time());
    handle_slot<> self;
    auto body = [](handle_slot<>& own, lines& out) -> task<> {
        {
            support::call_at_exit cancel([&] { own->cancel(); });
        }
        out.push_back("runs on");
        co_await rondo::yield();
        out.push_back("goes on");
    };
    self = loop.spawn(body(self, log));
    loop.run();
    CHECK(log == lines{"runs on"});
    CHECK(self->done());
}

// --- operations that are not ours ---

namespace {

task<> parks(lines& log, support::parking& place, tracked argument) {
    note_at_exit gone(log, "gone");
    const int value = co_await place;
    log.push_back("got " + std::to_string(value + argument.number()));
}

}  // namespace

TEST_CASE("a task that waits for a foreign awaitable is unwound when that resumes it, and not before") {
    lines log;
    support::parking place;
    event_loop loop(support::virtual_time());
    join_handle<> handle = loop.spawn(parks(log, place, tracked(1)));
    loop.poll();
    REQUIRE(place.occupied());
    handle.cancel();
    CHECK(!handle.done());
    CHECK(tracked::live() == 1);
    CHECK(log.empty());
    place.resume(5);
    loop.run();
    CHECK(handle.done());
    CHECK(tracked::live() == 0);
    CHECK(log == lines{"gone"});
}

TEST_CASE("a joiner of a task that cannot be unwound yet is told when it is") {
    lines log;
    support::parking place;
    event_loop loop(support::virtual_time());
    join_handle<> handle = loop.spawn(parks(log, place, tracked(1)));
    loop.spawn(reports_end(handle, log, "it"));
    loop.poll();
    handle.cancel();
    loop.poll();
    CHECK(log.empty());
    place.resume();
    loop.run();
    CHECK(log == lines{"gone", "it: cancelled"});
}

TEST_CASE("a task that a foreign awaitable has resumed, but that has not run yet, can be cancelled") {
    lines log;
    support::parking place;
    event_loop loop(support::virtual_time());
    join_handle<> handle = loop.spawn(parks(log, place, tracked(1)));
    loop.poll();
    place.resume(5);
    CHECK(log.empty());  // the loop resumes, not the foreign operation
    handle.cancel();
    loop.run();
    CHECK(handle.done());
    CHECK(log == lines{"gone"});
}

TEST_CASE("a native operation that says it is withdrawn lets its task be unwound at once") {
    support::native_operation operation;
    event_loop loop(support::virtual_time());
    lines log;
    join_handle<> handle = loop.spawn(outermost(log, operation));
    loop.poll();
    handle.cancel();
    CHECK(handle.done());
    CHECK(operation.cancels == 1);
    CHECK(operation.resumed == 0);
    loop.run();
}

TEST_CASE("a native operation that cannot be withdrawn keeps its task until it resumes it") {
    support::native_operation operation;
    operation.withdrawable = false;
    event_loop loop(support::virtual_time());
    lines log;
    join_handle<> handle = loop.spawn(outermost(log, operation));
    loop.poll();
    handle.cancel();
    CHECK(operation.cancels == 1);
    CHECK(!handle.done());
    CHECK(log.empty());
    handle.cancel();
    CHECK(operation.cancels == 1);  // once is enough
    operation.complete(1);
    CHECK(log.empty());
    loop.run();
    CHECK(handle.done());
    CHECK(log == unwinding);
    CHECK(operation.destroyed == 1);
}

namespace {

/// Cancels a task, its own perhaps, while it is being awaited.
class cancels_when_awaited {
public:
    cancels_when_awaited(handle_slot<>& victim, std::coroutine_handle<>& place) : victim_(victim), place_(place) {}
    cancels_when_awaited(const cancels_when_awaited&) = delete;
    cancels_when_awaited& operator=(const cancels_when_awaited&) = delete;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiter) const {
        place_ = waiter;
        victim_->cancel();
    }
    void await_resume() const noexcept {}

private:
    handle_slot<>& victim_;
    std::coroutine_handle<>& place_;
};

task<> awaits_canceller(handle_slot<>& victim, std::coroutine_handle<>& place, lines& log) {
    note_at_exit gone(log, "gone");
    co_await cancels_when_awaited(victim, place);
    log.push_back("went on");
}

}  // namespace

TEST_CASE("a task that a foreign awaitable cancels while it is being awaited is unwound when that resumes it") {
    lines log;
    std::coroutine_handle<> place;
    event_loop loop(support::virtual_time());
    handle_slot<> self;
    self = loop.spawn(awaits_canceller(self, place, log));
    loop.poll();
    CHECK(!self->done());
    CHECK(log.empty());
    place.resume();
    loop.run();
    CHECK(self->done());
    CHECK(log == lines{"gone"});
}

TEST_CASE("a foreign awaitable may cancel another task while it is being awaited") {
    lines log;
    std::coroutine_handle<> place;
    event_loop loop(support::virtual_time());
    handle_slot<> other(loop.spawn(support::waits_for_ever(log, "other")));
    loop.spawn(awaits_canceller(other, place, log));
    loop.poll();
    CHECK(log == lines{"other waits", "other gone"});
    place.resume();
    loop.run();
    CHECK(log == lines{"other waits", "other gone", "went on", "gone"});
}

#if SUPPORT_HAS_FORK

TEST_CASE("a destructor that throws while a task is unwound is fatal") {
    class throws_at_end {
    public:
        throws_at_end() = default;
        throws_at_end(const throws_at_end&) = delete;
        throws_at_end& operator=(const throws_at_end&) = delete;
        ~throws_at_end() noexcept(false) { throw std::runtime_error("destructor"); }
    };
    auto body = []() -> task<> {
        throws_at_end local;
        co_await support::for_ever();
    };
    const support::ending end = support::in_child([&] {
        event_loop loop(support::virtual_time());
        join_handle<> handle = loop.spawn(body());
        loop.poll();
        handle.cancel();
    });
    CHECK(end.terminated);
}

#endif

// --- every suspension in turn ---

namespace {

task<> several_waits(lines& log, join_handle<>& other) {
    note_at_exit gone(log, "gone");
    tracked local(1);
    co_await rondo::yield();
    co_await rondo::sleep(1s);
    co_await support::yields(2);
    co_await other;
    co_await rondo::sleep(0s);
    log.push_back("end");
}

}  // namespace

TEST_CASE("a task can be cancelled at each of its suspensions, and leaves nothing behind") {
    bool ended = false;
    int rounds = 0;
    for (; !ended; ++rounds) {
        REQUIRE(rounds < 100);
        lines log;
        support::manual_clock clock;
        event_loop loop(clock.driver());
        join_handle<> other = loop.spawn(support::nap(5s));
        join_handle<> victim = loop.spawn(several_waits(log, other));
        for (int i = 0; i < rounds; ++i) {
            if (loop.poll() == 0 && loop.next_deadline()) clock.now = *loop.next_deadline();
        }
        victim.cancel();
        CHECK(victim.done());
        ended = !log.empty() && log.front() == "end";
        if (!ended) CHECK(log == (rounds == 0 ? lines{} : lines{"gone"}));
        CHECK(tracked::live() == 0);
        loop.run();
        CHECK(other.done());
    }
    CHECK(rounds >= 7);
}
