// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <support/clocks.hpp>
#include <support/leak_check.hpp>
#include <support/native_operation.hpp>
#include <support/tasks.hpp>
#include <support/tracked.hpp>

#include <rondo/core/resumer.hpp>
#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using rondo::event_loop;
using rondo::join_handle;
using rondo::resumer;
using rondo::task;
using support::lines;
using support::native_operation;

static_assert(!std::is_copy_constructible_v<resumer> && !std::is_copy_assignable_v<resumer>);
static_assert(std::is_nothrow_move_constructible_v<resumer> && std::is_nothrow_move_assignable_v<resumer>);

namespace {

task<> waits(native_operation& operation, lines& log, std::string name) {
    const int value = co_await operation;
    log.push_back(name + " got " + std::to_string(value));
}

task<> waits_with_local(native_operation& operation, lines& log) {
    support::note_at_exit gone(log, "gone");
    co_await operation;
    log.push_back("went on");
}

task<> completes(native_operation& operation, int value, lines& log) {
    log.push_back("complete");
    operation.complete(value);
    log.push_back("completed");
    co_return;
}

}  // namespace

TEST_CASE("an operation that is ready does not suspend its task") {
    lines log;
    native_operation operation;
    operation.ready = true;
    operation.value = 4;
    event_loop loop(support::virtual_time());
    loop.spawn(waits(operation, log, "it"));
    CHECK(loop.poll() == 1);
    CHECK(log == lines{"it got 4"});
    CHECK(operation.destroyed == 1);
    CHECK(operation.cancels == 0);
}

TEST_CASE("resume() makes the task a ready step, behind what is ready already") {
    lines log;
    native_operation operation;
    event_loop loop(support::virtual_time());
    loop.spawn(waits(operation, log, "it"));
    loop.spawn(completes(operation, 7, log));
    loop.spawn(support::rounds(log, "other ", 2));
    loop.run();
    CHECK(log == lines{"complete", "completed", "other 1", "it got 7", "other 2"});
    CHECK(operation.resumed == 1);
    CHECK(operation.cancels == 0);
    CHECK(operation.destroyed == 1);
}

TEST_CASE("resume() from outside the running loop wakes the driver") {
    lines log;
    native_operation operation;
    support::manual_clock clock;
    event_loop loop(clock.driver());
    loop.spawn(waits(operation, log, "it"));
    loop.poll();
    const int wakes = clock.wakes;
    operation.complete(2);
    CHECK(clock.wakes > wakes);
    CHECK(loop.next_deadline() == clock.now);
    CHECK(log.empty());
    loop.run();
    CHECK(log == lines{"it got 2"});
}

TEST_CASE("a driver may resume while it waits, as one for file descriptors does") {
    lines log;
    native_operation operation;
    support::manual_clock clock;
    clock.on_wait = [&] {
        if (clock.waits == 3) operation.complete(clock.waits);
    };
    event_loop loop(clock.driver());
    loop.run(waits(operation, log, "it"));
    CHECK(log == lines{"it got 3"});
}

TEST_CASE("while a resumer is held, an idle loop waits; when it is dropped unused, the task is stuck") {
    lines log;
    native_operation operation;
    support::manual_clock clock;
    clock.on_wait = [&] {
        if (clock.waits == 5) operation.forget();
    };
    event_loop loop(clock.driver());
    CHECK_THROWS_AS(loop.run(waits(operation, log, "it")), rondo::deadlock_error);
    CHECK(clock.waits == 5);
    CHECK(log.empty());
    CHECK(operation.destroyed == 1);
}

TEST_CASE("a resumer can be moved, and only the last one resumes, once") {
    class keeps_resumer {
    public:
        explicit keeps_resumer(resumer& place) : place_(place) {}
        keeps_resumer(const keeps_resumer&) = delete;
        keeps_resumer& operator=(const keeps_resumer&) = delete;
        bool await_ready() const noexcept { return false; }
        void await_suspend(resumer given) { place_ = std::move(given); }
        void await_resume() const noexcept {}
        bool await_cancel() noexcept {
            place_ = resumer();
            return true;
        }

    private:
        resumer& place_;
    };
    lines log;
    resumer first;
    event_loop loop(support::virtual_time());
    auto body = [](resumer& place, lines& out) -> task<> {
        co_await keeps_resumer(place);
        out.push_back("resumed");
    };
    loop.spawn(body(first, log));
    CHECK(!first);
    loop.poll();
    CHECK(first);
    resumer second = std::move(first);
    CHECK(!first);
    first.resume();  // does nothing
    CHECK(loop.poll() == 0);
    resumer third;
    third = std::move(second);
    resumer& same = third;
    third = std::move(same);
    CHECK(third);
    third.resume();
    CHECK(!third);
    third.resume();  // does nothing
    CHECK(loop.poll() == 1);
    CHECK(log == lines{"resumed"});
    loop.run();
}

TEST_CASE("an operation may resume inside await_suspend") {
    class at_once {
    public:
        at_once() = default;
        at_once(const at_once&) = delete;
        at_once& operator=(const at_once&) = delete;
        bool await_ready() const noexcept { return false; }
        void await_suspend(resumer given) { given.resume(); }
        void await_resume() const noexcept {}
        bool await_cancel() noexcept { return true; }
    };
    lines log;
    auto body = [](lines& out) -> task<> {
        for (int i = 0; i < 10'000; ++i) co_await at_once();
        out.push_back("done");
    };
    event_loop loop(support::virtual_time());
    loop.run(body(log));
    CHECK(log == lines{"done"});
}

TEST_CASE("an operation may resume and then cancel its task inside await_suspend: it is unwound after that") {
    class resumes_and_cancels {
    public:
        resumes_and_cancels(join_handle<>& own, lines& log) : own_(own), log_(log) {}
        resumes_and_cancels(const resumes_and_cancels&) = delete;
        resumes_and_cancels& operator=(const resumes_and_cancels&) = delete;
        bool await_ready() const noexcept { return false; }
        void await_suspend(resumer given) {
            given.resume();
            own_.cancel();
            log_.push_back("cancelled");  // reads the awaiter, which lies in the task's frame
        }
        void await_resume() const noexcept {}
        bool await_cancel() noexcept { return true; }

    private:
        join_handle<>& own_;
        lines& log_;
    };
    lines log;
    join_handle<> handle;
    auto body = [](join_handle<>& own, lines& out) -> task<> {
        support::note_at_exit gone(out, "gone");
        co_await resumes_and_cancels(own, out);
        out.push_back("went on");
    };
    event_loop loop(support::virtual_time());
    handle = loop.spawn(body(handle, log));
    loop.run();
    CHECK(handle.done());
    CHECK(log == lines{"cancelled", "gone"});
}

TEST_CASE("an operation may throw from await_suspend: the task gets the exception") {
    class refuses {
    public:
        refuses() = default;
        refuses(const refuses&) = delete;
        refuses& operator=(const refuses&) = delete;
        bool await_ready() const noexcept { return false; }
        void await_suspend(resumer) { throw std::runtime_error("refused"); }
        void await_resume() const noexcept {}
        bool await_cancel() noexcept { return true; }
    };
    auto body = []() -> task<bool> {
        bool caught = false;
        try {
            co_await refuses();
        } catch (const std::runtime_error&) {
            caught = true;
        }
        co_await rondo::yield();
        co_return caught;
    };
    CHECK(rondo::testing::run(body()));
}

TEST_CASE("await_cancel is asked once, when a waiting task is cancelled") {
    lines log;
    native_operation operation;
    event_loop loop(support::virtual_time());
    join_handle<> handle = loop.spawn(waits_with_local(operation, log));
    loop.poll();
    handle.cancel();
    handle.cancel();
    CHECK(operation.cancels == 1);
    CHECK(operation.destroyed == 1);
    CHECK(operation.resumed == 0);
    CHECK(log == lines{"gone"});
    loop.run();
}

TEST_CASE("a task that was resumed but has not run is unwound without await_cancel") {
    lines log;
    native_operation operation;
    event_loop loop(support::virtual_time());
    join_handle<> handle = loop.spawn(waits_with_local(operation, log));
    loop.poll();
    operation.complete();
    handle.cancel();
    CHECK(handle.done());
    CHECK(operation.cancels == 0);
    CHECK(operation.resumed == 0);
    CHECK(log == lines{"gone"});
    CHECK(loop.poll() == 0);
}

TEST_CASE("an operation that refuses to be withdrawn keeps the loop from being closed until it resumes") {
    lines log;
    native_operation operation;
    operation.withdrawable = false;
    event_loop loop(support::virtual_time());
    loop.spawn(waits_with_local(operation, log));
    loop.poll();
    CHECK(!loop.close());
    CHECK(log.empty());
    operation.complete();
    loop.poll();
    CHECK(loop.close());
    CHECK(log == lines{"gone"});
}

TEST_CASE("the destruction of a loop withdraws what can be withdrawn") {
    lines log;
    native_operation operation;
    {
        event_loop loop(support::virtual_time());
        loop.spawn(waits_with_local(operation, log));
        loop.poll();
    }
    CHECK(operation.cancels == 1);
    CHECK(operation.destroyed == 1);
    CHECK(log == lines{"gone"});
}

TEST_CASE("the destruction of a loop waits for an operation that refuses to be withdrawn") {
    lines log;
    native_operation operation;
    operation.withdrawable = false;
    support::manual_clock clock;
    clock.on_wait = [&] {
        if (clock.waits == 3) operation.complete();
    };
    {
        event_loop loop(clock.driver());
        loop.spawn(waits_with_local(operation, log));
        loop.poll();
    }
    CHECK(clock.waits == 3);
    CHECK(operation.destroyed == 1);
    CHECK(log == lines{"gone"});
}

TEST_CASE("a task whose operation forgot its resumer dies with its loop") {
    lines log;
    native_operation operation;
    operation.withdrawable = false;
    {
        event_loop loop(support::virtual_time());
        loop.spawn(waits_with_local(operation, log));
        loop.poll();
        operation.forget();
    }
    CHECK(operation.destroyed == 1);
    CHECK(log == lines{"gone"});
}
