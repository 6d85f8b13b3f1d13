// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// Awaitables that know nothing of rondo: they get a plain coroutine handle, and whoever resumes it, the task goes on
// as a step of its own loop.

#include <support/clocks.hpp>
#include <support/foreign.hpp>
#include <support/leak_check.hpp>
#include <support/native_operation.hpp>
#include <support/tasks.hpp>

#include <rondo/core/awaitable.hpp>
#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <coroutine>
#include <stdexcept>
#include <string>
#include <type_traits>

using namespace std::chrono_literals;
using rondo::await_result_t;
using rondo::awaitable;
using rondo::event_loop;
using rondo::task;
using support::lines;

// --- the concept ---

namespace {

class with_free_operator {
public:
    explicit with_free_operator(int value) : value_(value) {}
    int value() const { return value_; }

private:
    int value_;
};

class ready_with {
public:
    explicit ready_with(int value) : value_(value) {}
    ready_with(const ready_with&) = delete;
    ready_with& operator=(const ready_with&) = delete;
    bool await_ready() const noexcept { return true; }
    void await_suspend(std::coroutine_handle<>) const noexcept {}
    int await_resume() const noexcept { return value_; }

private:
    int value_;
};

ready_with operator co_await(const with_free_operator& operand) { return ready_with(operand.value()); }

// The public protocol knows no await_suspend that says whether it suspends.
class native_that_answers {
public:
    bool await_ready() const noexcept { return false; }
    bool await_suspend(rondo::resumer) const noexcept { return false; }
    void await_resume() const noexcept {}
    bool await_cancel() noexcept { return true; }
};

class not_awaitable {};

}  // namespace

static_assert(awaitable<task<>> && awaitable<task<int>> && awaitable<task<int>&&>);
static_assert(!awaitable<task<>&> && !awaitable<task<int>&> && !awaitable<const task<int>&>);
static_assert(!awaitable<int> && !awaitable<not_awaitable> && !awaitable<void> && !awaitable<std::string>);
static_assert(awaitable<std::suspend_always> && awaitable<std::suspend_never>);
static_assert(awaitable<support::parking&> && awaitable<with_free_operator> && awaitable<ready_with>);
static_assert(awaitable<support::native_operation&> && !awaitable<native_that_answers>);
static_assert(awaitable<rondo::join_handle<int>&> && awaitable<rondo::join_handle<>&>);
static_assert(awaitable<decltype(rondo::sleep(1s))> && awaitable<decltype(rondo::yield())>);

static_assert(std::is_void_v<await_result_t<task<>>>);
static_assert(std::is_same_v<await_result_t<task<int>>, int>);
static_assert(std::is_same_v<await_result_t<task<int&>>, int&>);
static_assert(std::is_same_v<await_result_t<rondo::join_handle<std::string>&>, std::string>);
static_assert(std::is_same_v<await_result_t<support::parking&>, int>);
static_assert(std::is_same_v<await_result_t<with_free_operator>, int>);
static_assert(std::is_void_v<await_result_t<decltype(rondo::yield())>>);

// --- public types survive as temporaries in a co_await expression on compilers that copy aggregates bit by bit ---

namespace {
template <class T>
constexpr bool safe_temporary = !std::is_aggregate_v<T> || std::is_trivially_destructible_v<T>;
}  // namespace

static_assert(safe_temporary<task<>> && safe_temporary<task<int>> && safe_temporary<rondo::join_handle<int>>);
static_assert(safe_temporary<decltype(rondo::sleep(1s))> && safe_temporary<decltype(rondo::yield())>);
static_assert(safe_temporary<decltype(std::declval<rondo::join_handle<int>&>().settled())>);
static_assert(safe_temporary<rondo::outcome<int>> && safe_temporary<rondo::outcome<void>>);
static_assert(safe_temporary<event_loop> && safe_temporary<rondo::loop_handle> && safe_temporary<rondo::work_guard>);
static_assert(safe_temporary<rondo::interval> && safe_temporary<rondo::resumer>);
static_assert(safe_temporary<rondo::testing::fail_frame_allocation>);

// --- awaiting them ---

namespace {

task<int> awaits_ready() {
    const int from_awaiter = co_await ready_with(1);
    const int from_operator = co_await with_free_operator(2);
    const with_free_operator named(4);
    const int from_named = co_await named;
    co_return from_awaiter + from_operator + from_named;
}

task<> parks(support::parking& place, lines& log, std::string name) {
    const int value = co_await place;
    log.push_back(name + " got " + std::to_string(value));
}

task<> parks_in_child(support::parking& place, lines& log, std::string name) {
    co_await parks(place, log, name);
    log.push_back(name + ": parent goes on");
}

task<> resumes(support::parking& place, int value, lines& log) {
    log.push_back("resume");
    place.resume(value);
    log.push_back("resumed");
    co_return;
}

template <class Awaiter>
task<> awaits(std::coroutine_handle<>* place, lines& log, std::string name) {
    co_await Awaiter(place);
    log.push_back(name);
}

class throws_in {
public:
    enum class where { await_ready, await_suspend, await_resume };
    explicit throws_in(where place) : place_(place) {}
    throws_in(const throws_in&) = delete;
    throws_in& operator=(const throws_in&) = delete;

    bool await_ready() const {
        if (place_ == where::await_ready) throw std::runtime_error("await_ready");
        return place_ == where::await_resume;
    }
    void await_suspend(std::coroutine_handle<>) const {
        if (place_ == where::await_suspend) throw std::runtime_error("await_suspend");
    }
    void await_resume() const {
        if (place_ == where::await_resume) throw std::runtime_error("await_resume");
    }

private:
    where place_;
};

task<std::string> catches(throws_in::where place) {
    std::string text = "nothing";
    try {
        co_await throws_in(place);
    } catch (const std::runtime_error& error) {
        text = error.what();
    }
    co_await rondo::yield();
    co_return text;
}

class resumes_at_once {
public:
    resumes_at_once() = default;
    resumes_at_once(const resumes_at_once&) = delete;
    resumes_at_once& operator=(const resumes_at_once&) = delete;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiter) const { waiter.resume(); }
    void await_resume() const noexcept {}
};

task<> awaits_immediate(lines& log) {
    co_await resumes_at_once();
    log.push_back("first");
    for (int i = 0; i < 10'000; ++i) co_await resumes_at_once();
    log.push_back("last");
}

class rvalue_only {
public:
    explicit rvalue_only(int value) : value_(value) {}
    ready_with operator co_await() && { return ready_with(value_); }

private:
    int value_;
};

class immovable {
public:
    explicit immovable(int value) : value_(value) {}
    immovable(const immovable&) = delete;
    immovable& operator=(const immovable&) = delete;
    int value() const { return value_; }

private:
    int value_;
};

/// For whatever coroutine; answers with something that is merely like a bool; gives something that cannot move.
class for_any_coroutine {
public:
    for_any_coroutine() = default;
    for_any_coroutine(const for_any_coroutine&) = delete;
    for_any_coroutine& operator=(const for_any_coroutine&) = delete;
    std::true_type await_ready() const noexcept { return {}; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise>) const noexcept {}
    immovable await_resume() const { return immovable(8); }
};

static_assert(awaitable<rvalue_only> && !awaitable<rvalue_only&> && awaitable<for_any_coroutine>);

task<int> awaits_unusual() {
    const int from_rvalue = co_await rvalue_only(16);
    const immovable& result = co_await for_any_coroutine();
    co_return from_rvalue + result.value();
}

class gives_reference {
public:
    explicit gives_reference(int& target) : target_(target) {}
    gives_reference(const gives_reference&) = delete;
    gives_reference& operator=(const gives_reference&) = delete;
    bool await_ready() const noexcept { return true; }
    void await_suspend(std::coroutine_handle<>) const noexcept {}
    int& await_resume() const noexcept { return target_; }

private:
    int& target_;
};

task<> writes_through(int& target) {
    int& result = co_await gives_reference(target);
    result = 9;
}

task<> awaits_standard(lines& log) {
    co_await std::suspend_never();
    log.push_back("went on");
}

}  // namespace

TEST_CASE("whatever may stand behind co_await may do so in a task") {
    CHECK(rondo::testing::run(awaits_ready()) == 7);
    CHECK(rondo::testing::run(awaits_unusual()) == 24);
    int target = 0;
    rondo::testing::run(writes_through(target));
    CHECK(target == 9);
    lines log;
    rondo::testing::run(awaits_standard(log));
    CHECK(log == lines{"went on"});
}

TEST_CASE("a foreign awaitable gets a plain handle, and the value it leaves arrives") {
    lines log;
    support::parking place;
    event_loop loop(support::virtual_time());
    loop.spawn(parks_in_child(place, log, "it"));
    loop.poll();
    REQUIRE(place.occupied());
    CHECK(loop.poll() == 0);
    place.resume(3);
    loop.run();
    CHECK(log == lines{"it got 3", "it: parent goes on"});
}

TEST_CASE("a task that resumes another through a foreign awaitable runs on; the other is a step of its own") {
    lines log;
    support::parking place;
    event_loop loop(support::virtual_time());
    loop.spawn(parks(place, log, "it"));
    loop.spawn(resumes(place, 3, log));
    loop.run();
    CHECK(log == lines{"resume", "resumed", "it got 3"});
}

TEST_CASE("a posted function may resume a foreign awaitable") {
    lines log;
    support::parking place;
    event_loop loop(support::virtual_time());
    loop.spawn(parks(place, log, "it"));
    loop.post([&] { place.resume(1); });
    loop.run();
    CHECK(log == lines{"it got 1"});
}

TEST_CASE("a foreign awaitable may be resumed inside another loop: the task goes on in its own") {
    lines log;
    support::parking place;
    event_loop first(support::virtual_time());
    event_loop second(support::virtual_time());
    first.spawn(parks(place, log, "it"));
    first.poll();
    second.run(resumes(place, 3, log));
    CHECK(log == lines{"resume", "resumed"});
    first.run();
    CHECK(log == lines{"resume", "resumed", "it got 3"});
}

TEST_CASE("await_suspend may return bool: false goes on at once, true waits") {
    lines log;
    std::coroutine_handle<> place;
    event_loop loop(support::virtual_time());
    loop.spawn(awaits<support::maybe_suspends>(nullptr, log, "at once"));
    loop.spawn(awaits<support::maybe_suspends>(&place, log, "later"));
    loop.poll();
    CHECK(log == lines{"at once"});
    REQUIRE(place);
    place.resume();
    loop.run();
    CHECK(log == lines{"at once", "later"});
}

TEST_CASE("await_suspend may return a handle: one's own goes on, noop waits") {
    lines log;
    std::coroutine_handle<> place;
    event_loop loop(support::virtual_time());
    loop.spawn(awaits<support::returns_handle>(nullptr, log, "at once"));
    loop.spawn(awaits<support::returns_handle>(&place, log, "later"));
    loop.poll();
    loop.poll();
    CHECK(log == lines{"at once"});
    REQUIRE(place);
    place.resume();
    loop.run();
    CHECK(log == lines{"at once", "later"});
}

TEST_CASE("an awaitable that resumes inside await_suspend is fine, also again and again") {
    lines log;
    rondo::testing::run(awaits_immediate(log));
    CHECK(log == lines{"first", "last"});
}

TEST_CASE("an awaiter may throw from any of its functions") {
    using where = throws_in::where;
    CHECK(rondo::testing::run(catches(where::await_ready)) == "await_ready");
    CHECK(rondo::testing::run(catches(where::await_suspend)) == "await_suspend");
    CHECK(rondo::testing::run(catches(where::await_resume)) == "await_resume");
}

TEST_CASE("a foreign awaitable counts as outstanding: the loop does not call it a deadlock") {
    lines log;
    support::manual_clock clock;
    support::parking place;
    event_loop loop(clock.driver());
    clock.on_wait = [&] {
        if (clock.waits == 3) place.resume(8);
    };
    loop.run(parks(place, log, "it"));
    CHECK(clock.waits == 3);
    CHECK(!clock.deadline.has_value());
    CHECK(log == lines{"it got 8"});
}
