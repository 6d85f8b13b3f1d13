// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <support/clocks.hpp>
#include <support/leak_check.hpp>
#include <support/tasks.hpp>
#include <support/tracked.hpp>

#include <rondo/loop/join_handle.hpp>
#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

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

static_assert(!std::is_copy_constructible_v<join_handle<>> && !std::is_copy_assignable_v<join_handle<>>);
static_assert(std::is_nothrow_move_constructible_v<join_handle<int>> &&
              std::is_nothrow_move_assignable_v<join_handle<int>>);

namespace {

/// What `co_await handle` did, in words.
template <class T>
task<> joins(join_handle<T>& handle, lines& log, std::string name) {
    try {
        if constexpr (std::is_void_v<T>) {
            co_await handle;
            log.push_back(name + ": joined");
        } else {
            const T value = co_await handle;
            log.push_back(name + ": " + std::to_string(value));
        }
    } catch (const rondo::cancelled&) {
        log.push_back(name + ": cancelled");
    } catch (const std::logic_error&) {
        log.push_back(name + ": logic_error");
    } catch (const std::runtime_error& error) {
        log.push_back(name + ": " + error.what());
    }
}

task<> settles(join_handle<>& handle, lines& log, std::string name) {
    const auto end = co_await handle.settled();
    if (end.is_cancelled()) {
        log.push_back(name + ": cancelled");
    } else {
        log.push_back(name + (end.has_value() ? ": value" : ": error"));
    }
}

task<int> counts(int to) {
    int count = 0;
    while (count < to) {
        co_await rondo::yield();
        ++count;
    }
    co_return count;
}

}  // namespace

// --- results ---

TEST_CASE("a handle gives the result of its task, while it runs and after it ended") {
    lines log;
    event_loop loop(support::virtual_time());
    join_handle<int> early = loop.spawn(counts(3));
    loop.run(joins(early, log, "while it runs"));
    join_handle<int> late = loop.spawn(counts(4));
    loop.run();
    loop.run(joins(late, log, "after it ended"));
    CHECK(log == lines{"while it runs: 3", "after it ended: 4"});
}

namespace {

class no_default {
public:
    explicit no_default(int number) : number_(number) {}
    int number() const { return number_; }

private:
    int number_;
};

task<no_default> makes_no_default() { co_return no_default(3); }
task<int&> gives_reference(int& target) { co_return target; }

task<int> joins_all_sorts(int& target) {
    join_handle<no_default> first = rondo::spawn(makes_no_default());
    join_handle<std::unique_ptr<int>> second = rondo::spawn(support::give(std::make_unique<int>(4)));
    join_handle<int&> third = rondo::spawn(gives_reference(target));
    join_handle<> fourth = rondo::spawn(support::nothing());
    join_handle<tracked> fifth = rondo::spawn(support::give(tracked(10)));
    const no_default a = co_await first;
    const std::unique_ptr<int> b = co_await second;
    int& c = co_await third;
    c = 5;
    co_await fourth;
    const tracked d = co_await fifth;
    co_return a.number() + *b + c + d.number();
}

task<int> joins_a_temporary() {
    const int value = co_await rondo::spawn(counts(2));
    co_return value;
}

}  // namespace

TEST_CASE("results may be void, references, move-only and without default constructor") {
    int target = 0;
    CHECK(rondo::testing::run(joins_all_sorts(target)) == 22);
    CHECK(target == 5);
}

TEST_CASE("a handle may be awaited where it comes from") { CHECK(rondo::testing::run(joins_a_temporary()) == 2); }

TEST_CASE("a handle rethrows the exception of its task") {
    lines log;
    event_loop loop(support::virtual_time());
    join_handle<> handle = loop.spawn(support::fail("failed"));
    loop.run(joins(handle, log, "it"));
    CHECK(log == lines{"it: failed"});
}

TEST_CASE("a handle throws cancelled when its task was cancelled, before or while it is joined") {
    lines log;
    event_loop loop(support::virtual_time());
    join_handle<> before = loop.spawn(support::stuck());
    before.cancel();
    loop.run(joins(before, log, "before"));
    join_handle<> meanwhile = loop.spawn(support::stuck());
    loop.spawn(joins(meanwhile, log, "meanwhile"));
    loop.poll();
    meanwhile.cancel();
    loop.run();
    CHECK(log == lines{"before: cancelled", "meanwhile: cancelled"});
}

TEST_CASE("settled() never throws for the task") {
    lines log;
    event_loop loop(support::virtual_time());
    join_handle<> value = loop.spawn(support::nothing());
    join_handle<> error = loop.spawn(support::fail("x"));
    join_handle<> victim = loop.spawn(support::stuck());
    loop.spawn(settles(value, log, "1"));
    loop.spawn(settles(error, log, "2"));
    loop.spawn(settles(victim, log, "3"));
    loop.poll();
    victim.cancel();
    loop.run();
    CHECK(log == lines{"1: value", "2: error", "3: cancelled"});
}

TEST_CASE("the frame of a task dies with it; its result lives with the handle") {
    event_loop loop(support::virtual_time());
    auto body = [](tracked argument) -> task<tracked> {
        co_await rondo::yield();
        co_return tracked(argument.number() + 1);
    };
    std::optional<join_handle<tracked>> handle(loop.spawn(body(tracked(1))));
    loop.run();
    CHECK(handle->done());
    CHECK(tracked::live() == 1);  // the result
    auto takes = [](join_handle<tracked>& from) -> task<int> {
        const tracked result = co_await from;
        co_return result.number();
    };
    CHECK(loop.run(takes(*handle)) == 2);
    handle.reset();
    CHECK(tracked::live() == 0);
}

TEST_CASE("a result may throw at any of its moves on the way to the joiner, who gets it, or the exception") {
    class wears_out {
    public:
        explicit wears_out(int moves) : moves_(moves) {}
        wears_out(wears_out&& other) : moves_(other.moves_ - 1), counted_(std::move(other.counted_)) {
            if (moves_ < 0) throw std::runtime_error("worn out");
        }
        wears_out& operator=(wears_out&&) = delete;

    private:
        int moves_;
        tracked counted_;
    };
    auto makes = [](int moves) -> task<wears_out> {
        co_await rondo::yield();
        co_return wears_out(moves);
    };
    auto takes = [](join_handle<wears_out> handle, bool settled) -> task<bool> {
        try {
            if (settled) {
                const auto end = co_await handle.settled();
                co_return end.has_value();
            }
            const wears_out result = co_await handle;
            co_return true;
        } catch (const std::runtime_error&) {
        }
        co_return false;
    };
    for (const bool settled : {false, true}) {
        bool arrived = false;
        int reported = 0;
        event_loop loop(support::virtual_time());
        loop.on_unhandled_exception([&](std::exception_ptr) { ++reported; });
        for (int moves = 0; moves < 20; ++moves) {
            const bool now = loop.run(takes(loop.spawn(makes(moves)), settled));
            CHECK((now || !arrived));
            arrived = now;
            CHECK(tracked::live() == 0);
        }
        CHECK(arrived);
        CHECK(reported == 0);
    }
}

// --- done, and who is resumed when ---

TEST_CASE("done() tells whether the task has ended, by whatever way") {
    event_loop loop(support::virtual_time());
    join_handle<int> ends = loop.spawn(counts(1));
    join_handle<> fails = loop.spawn(support::fail("x"));
    join_handle<> victim = loop.spawn(support::stuck());
    CHECK(!ends.done());
    CHECK(!fails.done());
    CHECK(!victim.done());
    loop.poll();
    CHECK(!ends.done());
    CHECK(fails.done());
    loop.poll();
    CHECK(ends.done());
    CHECK(!victim.done());
    victim.cancel();
    CHECK(victim.done());
}

TEST_CASE("a joiner is resumed behind what is ready when the task ends") {
    lines log;
    event_loop loop(support::virtual_time());
    auto ends = [](lines& out) -> task<> {
        co_await rondo::yield();
        rondo::spawn(support::note(out, "spawned last"));
        out.push_back("ends");
    };
    join_handle<> handle = loop.spawn(ends(log));
    loop.spawn(joins(handle, log, "joiner"));
    loop.run();
    CHECK(log == lines{"ends", "spawned last", "joiner: joined"});
}

// --- one joiner ---

TEST_CASE("a handle has one joiner: a second await throws logic_error, and the first is not disturbed") {
    lines log;
    event_loop loop(support::virtual_time());
    join_handle<int> handle = loop.spawn(counts(3));
    loop.spawn(joins(handle, log, "first"));
    loop.spawn(joins(handle, log, "second"));
    loop.run();
    CHECK(log == lines{"second: logic_error", "first: 3"});
}

TEST_CASE("awaiting a handle again, when its result was taken, throws logic_error") {
    lines log;
    event_loop loop(support::virtual_time());
    join_handle<int> handle = loop.spawn(counts(1));
    loop.run(joins(handle, log, "first"));
    loop.run(joins(handle, log, "second"));
    CHECK(log == lines{"first: 1", "second: logic_error"});
}

TEST_CASE("awaiting one's own handle throws logic_error, also from a child") {
    lines log;
    event_loop loop(support::virtual_time());
    std::optional<join_handle<>> self;
    auto awaits_itself = [](std::optional<join_handle<>>& own, lines& out, int depth) -> task<> {
        if (depth == 0) {
            co_await joins(*own, out, "own handle");
        } else {
            co_await joins(*own, out, "own handle from below");
        }
    };
    self = loop.spawn(awaits_itself(self, log, 0));
    loop.run();
    self = loop.spawn(awaits_itself(self, log, 1));
    loop.run();
    CHECK(log == lines{"own handle: logic_error", "own handle from below: logic_error"});
}

TEST_CASE("one's own handle in a when_all throws logic_error, too") {
    lines log;
    event_loop loop(support::virtual_time());
    join_handle<> self;
    auto awaits_itself = [](join_handle<>& own, lines& out) -> task<> {
        try {
            co_await rondo::when_all(support::nap(1s), own);
        } catch (const std::logic_error&) {
            out.push_back("logic_error");
        }
    };
    self = loop.spawn(awaits_itself(self, log));
    loop.run();
    CHECK(log == lines{"logic_error"});
}

TEST_CASE("a task that was refused its own handle can still be joined by another") {
    lines log;
    event_loop loop(support::virtual_time());
    std::optional<join_handle<>> self;
    auto awaits_itself = [](std::optional<join_handle<>>& own, lines& out) -> task<> {
        try {
            co_await *own;
        } catch (const std::logic_error&) {
            out.push_back("refused");
        }
        co_await rondo::sleep(1s);
    };
    self = loop.spawn(awaits_itself(self, log));
    loop.poll();
    loop.run(joins(*self, log, "other"));
    CHECK(log == lines{"refused", "other: joined"});
}

TEST_CASE("cancelling a joiner cancels the joining, not the task, and another may join then") {
    lines log;
    event_loop loop(support::virtual_time());
    join_handle<int> handle = loop.spawn(counts(5));
    join_handle<> first = loop.spawn(joins(handle, log, "first"));
    loop.poll();
    first.cancel();
    CHECK(first.done());
    CHECK(!handle.done());
    loop.run(joins(handle, log, "second"));
    CHECK(log == lines{"second: 5"});
}

TEST_CASE("a joiner cancelled when it was woken leaves the result for another") {
    lines log;
    event_loop loop(support::virtual_time());
    join_handle<int> handle = loop.spawn(counts(1));
    join_handle<> first = loop.spawn(joins(handle, log, "first"));
    loop.poll();
    loop.poll();
    REQUIRE(handle.done());
    first.cancel();
    loop.run(joins(handle, log, "second"));
    CHECK(log == lines{"second: 1"});
}

// --- moving and dropping ---

TEST_CASE("a handle can be moved, put into containers, and assigned") {
    lines log;
    event_loop loop(support::virtual_time());
    std::vector<join_handle<int>> handles;
    for (int i = 1; i <= 10; ++i) handles.push_back(loop.spawn(counts(i)));
    join_handle<int> last = std::move(handles.back());
    handles.pop_back();
    last = std::move(handles.front());  // the tenth task goes on without a handle
    loop.run(joins(last, log, "it"));
    loop.run();
    CHECK(log == lines{"it: 1"});
    join_handle<int>& same = last;
    last = std::move(same);
    CHECK(last.done());
}

TEST_CASE("assigning over a handle lets its task go on") {
    lines log;
    event_loop loop(support::virtual_time());
    join_handle<> handle = loop.spawn(support::note_after(log, "first", 1s));
    handle = loop.spawn(support::note_after(log, "second", 2s));
    loop.run();
    CHECK(log == lines{"first", "second"});
}

TEST_CASE("a joiner is bound to the task: the handle may move or go meanwhile") {
    for (const bool move : {true, false}) {
        lines log;
        event_loop loop(support::virtual_time());
        std::optional<join_handle<int>> handle(loop.spawn(counts(3)));
        loop.spawn(joins(*handle, log, "joiner"));
        loop.poll();
        std::optional<join_handle<int>> other;
        if (move) other = std::move(handle);
        handle.reset();
        loop.run();
        CHECK(log == lines{"joiner: 3"});
    }
}

TEST_CASE("a handle that went while its joiner waits takes the failure of the task along to the joiner") {
    lines log;
    int reported = 0;
    event_loop loop(support::virtual_time());
    loop.on_unhandled_exception([&](std::exception_ptr) { ++reported; });
    auto fails = []() -> task<> {
        co_await rondo::sleep(1s);
        throw std::runtime_error("failed");
    };
    std::optional<join_handle<>> handle(loop.spawn(fails()));
    loop.spawn(joins(*handle, log, "joiner"));
    loop.poll();
    handle.reset();
    loop.run();
    CHECK(log == lines{"joiner: failed"});
    CHECK(reported == 0);
}

TEST_CASE("a task may drop its own handle, and the handle of one that it waits for") {
    lines log;
    event_loop loop(support::virtual_time());
    std::optional<join_handle<>> self;
    std::optional<join_handle<int>> child;
    auto body = [](std::optional<join_handle<>>& own, lines& out) -> task<> {
        own.reset();
        co_await rondo::sleep(1s);
        out.push_back("ran to its end");
    };
    self = loop.spawn(body(self, log));
    loop.run();
    CHECK(log == lines{"ran to its end"});
    CHECK(!self.has_value());
}

TEST_CASE("two tasks that hold each other's handles end like any others") {
    lines log;
    event_loop loop(support::virtual_time());
    auto holder = std::make_shared<std::vector<join_handle<>>>();
    auto body = [](std::shared_ptr<std::vector<join_handle<>>> handles, lines& out, std::string name) -> task<> {
        co_await rondo::sleep(1s);
        out.push_back(name + " " + std::to_string(handles->size()));
    };
    holder->push_back(loop.spawn(body(holder, log, "a")));
    holder->push_back(loop.spawn(body(holder, log, "b")));
    holder.reset();
    loop.run();
    CHECK(log == lines{"a 2", "b 2"});
}

TEST_CASE("an empty handle is done, can be cancelled without effect, and throws logic_error when awaited") {
    lines log;
    join_handle<> empty;
    CHECK(empty.done());
    empty.cancel();
    rondo::testing::run(joins(empty, log, "empty"));
    event_loop loop(support::virtual_time());
    join_handle<> first = loop.spawn(support::nothing());
    const join_handle<> second = std::move(first);
    loop.run(joins(first, log, "moved from"));
    CHECK(log == lines{"empty: logic_error", "moved from: logic_error"});
}

// --- outliving the loop, and other loops ---

TEST_CASE("a result can be joined when its loop is long gone") {
    lines log;
    std::optional<join_handle<int>> handle;
    {
        event_loop loop(support::virtual_time());
        handle = loop.spawn(counts(2));
        loop.run();
    }
    CHECK(handle->done());
    rondo::testing::run(joins(*handle, log, "later"));
    CHECK(log == lines{"later: 2"});
}

TEST_CASE("a handle of a task that went with its loop says cancelled") {
    lines log;
    std::optional<join_handle<>> handle;
    {
        event_loop loop(support::virtual_time());
        handle = loop.spawn(support::stuck());
        loop.poll();
    }
    rondo::testing::run(joins(*handle, log, "it"));
    CHECK(log == lines{"it: cancelled"});
}

TEST_CASE("a task of one loop may join a task of another on the same thread") {
    lines log;
    event_loop first(support::virtual_time());
    event_loop second(support::virtual_time());
    join_handle<int> handle = first.spawn(counts(2));
    second.spawn(joins(handle, log, "joiner"));
    second.poll();
    first.run();
    CHECK(log.empty());
    second.poll();
    CHECK(log == lines{"joiner: 2"});
}

TEST_CASE("a joiner whose loop goes first leaves the task alone") {
    lines log;
    event_loop first(support::virtual_time());
    join_handle<int> handle = first.spawn(counts(2));
    {
        event_loop second(support::virtual_time());
        second.spawn(joins(handle, log, "joiner"));
        second.poll();
    }
    first.run();
    CHECK(handle.done());
    CHECK(log.empty());
}

TEST_CASE("a thousand tasks may be joined one after another, and in a chain") {
    event_loop loop(support::virtual_time());
    auto chain = [](join_handle<int> before) -> task<int> {
        const int count = co_await before;
        co_return count + 1;
    };
    join_handle<int> last = loop.spawn(counts(1));
    for (int i = 0; i < 1'000; ++i) last = loop.spawn(chain(std::move(last)));
    auto joins_last = [](join_handle<int> handle) -> task<int> { co_return co_await handle; };
    CHECK(loop.run(joins_last(std::move(last))) == 1'001);
}
