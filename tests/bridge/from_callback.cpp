// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// from_callback and callback where everything happens on the loop's thread; from_callback_threads.cpp has the rest.

#include <support/allocations.hpp>
#include <support/clocks.hpp>
#include <support/journal.hpp>
#include <support/leak_check.hpp>
#include <support/legacy.hpp>
#include <support/tasks.hpp>
#include <support/tracked.hpp>

#include <rondo/bridge/from_callback.hpp>
#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers.hpp>

#include <concepts>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using rondo::callback;
using rondo::callback_dropped;
using rondo::event_loop;
using rondo::from_callback;
using rondo::task;
using support::answer_after;
using support::ask;
using support::asks;
using support::asks_and_notes;
using support::legacy;
using support::lines;
using support::move_only_tracked;
using support::tracked;

static_assert(std::is_nothrow_copy_constructible_v<callback<int>> &&
              std::is_nothrow_move_constructible_v<callback<int>>);
static_assert(std::is_copy_assignable_v<callback<int>> && std::is_copy_constructible_v<callback<move_only_tracked>>);
static_assert(!std::is_default_constructible_v<callback<int>>);
static_assert(std::invocable<const callback<int>&, int> && !std::invocable<const callback<int>&, std::string>);
static_assert(std::invocable<const callback<std::string>&, std::size_t, char>);
static_assert(std::is_same_v<callback<>, callback<void>>);
static_assert(std::invocable<const callback<void>&> && !std::invocable<const callback<void>&, int>);
static_assert(std::invocable<const callback<int&>&, int&>);
static_assert(std::is_nothrow_invocable_v<const callback<int>&, int>);
static_assert(std::derived_from<callback_dropped, std::runtime_error>);

using asking = decltype(from_callback<int>(std::declval<void (*)(callback<int>)>()));
static_assert(rondo::awaitable<asking> && !rondo::awaitable<asking&>);
static_assert(std::same_as<rondo::await_result_t<asking>, int>);

// ---- When it resumes ----

task<> asks_what_answers_at_once(lines& log) {
    rondo::spawn(support::note(log, "other"));
    const int value = co_await from_callback<int>([](callback<int> done) { done(1); });
    log.push_back("got " + std::to_string(value));
    co_await rondo::yield();
}

task<> answers(legacy<int>& api, lines& log) {
    auto waiter = rondo::spawn(asks_and_notes(api, log));
    co_await rondo::yield();
    rondo::spawn(support::note(log, "before"));
    log.push_back("answers");
    api.answer(7);
    log.push_back("answered");
    rondo::spawn(support::note(log, "after"));
    co_await waiter;
}

task<> answers_from_a_post(legacy<int>& api, lines& log) {
    event_loop::current().post([&] {
        log.push_back("posted");
        api.answer(3);
    });
    const int value = co_await ask(api);
    log.push_back("got " + std::to_string(value));
}

task<> asks_many(int times, int& sum) {
    for (int i = 0; i < times; ++i) sum += co_await from_callback<int>([](callback<int> done) { done(1); });
}

// ---- Once ----

task<int> asks_what_calls_twice() {
    co_return co_await from_callback<int>([](callback<int> done) {
        done(1);
        done(2);
        done.fail(std::make_exception_ptr(std::runtime_error("late")));
    });
}

task<int> asks_what_fails_then_calls() {
    co_return co_await from_callback<int>([](callback<int> done) {
        done.fail(std::make_exception_ptr(std::runtime_error("first")));
        done(2);
        done.fail(nullptr);
    });
}

task<> calls_before_it_is_resumed(legacy<int>& api) {
    auto waiter = rondo::spawn(asks(api));
    co_await rondo::yield();
    const callback<int> done = api.take();
    const callback<int> copy = done;
    copy(1);
    done(2);
    done.fail(std::make_exception_ptr(std::runtime_error("late")));
    const int value = co_await waiter;
    CHECK(value == 1);
    done(3);
    copy.fail(nullptr);
}

task<> uses_callbacks_as_values(legacy<int>& api) {
    auto first = rondo::spawn(asks(api));
    auto second = rondo::spawn(asks(api));
    co_await rondo::yield();
    callback<int> a = api.take();
    callback<int> b = api.take();
    callback<int> moved = std::move(a);
    a(100);  // empty now
    a.fail(nullptr);
    a = b;
    const callback<int>& same = b;
    b = same;
    std::swap(moved, b);
    CHECK(api.waiting.empty());
    a(2);
    b(1);
    moved(100);
    const int one = co_await first;
    const int two = co_await second;
    CHECK(one == 1);
    CHECK(two == 2);
}

// ---- Dropped ----

task<> drops_the_last(legacy<int>& api, lines& log) {
    auto waiter = rondo::spawn(asks(api));
    co_await rondo::yield();
    std::optional<callback<int>> last = api.take();
    {
        const callback<int> copy = *last;  // NOLINT: that it goes is the point
    }
    co_await support::yields(3);
    CHECK(!waiter.done());
    last.reset();
    CHECK(!waiter.done());
    try {
        co_await waiter;
    } catch (const callback_dropped& error) {
        log.push_back("dropped");
        CHECK(!std::string(error.what()).empty());
    }
}

task<> drops_at_once(lines& log) {
    try {
        co_await from_callback<int>([](const callback<int>&) {});
    } catch (const callback_dropped&) {
        log.push_back("dropped");
    }
    co_await rondo::yield();
}

task<int> asks_what_calls_and_drops() {
    co_return co_await from_callback<int>([](const callback<int>& done) {
        const callback<int> copy = done;
        copy(5);
    });
}

task<> holds_in_a_function(lines& log) {
    std::function<void(int)> kept;
    auto waiter = rondo::spawn(
        [](std::function<void(int)>& keep) -> task<int> {
            co_return co_await from_callback<int>([&keep](callback<int> done) { keep = [done](int v) { done(v); }; });
        },
        std::ref(kept));
    co_await rondo::yield();
    std::function<void(int)> copy = kept;
    kept = nullptr;
    co_await rondo::yield();
    CHECK(!waiter.done());
    copy(9);
    copy = nullptr;
    const int value = co_await waiter;
    log.push_back(std::to_string(value));
}

// ---- Failures ----

task<> asks_what_fails(std::exception_ptr error, std::string& said) {
    try {
        co_await from_callback<void>([&](const callback<void>& done) { done.fail(error); });
    } catch (const std::out_of_range& e) {
        said = e.what();
    }
}

task<> fails_later(legacy<int>& api, std::string& said) {
    auto waiter = rondo::spawn(asks(api));
    co_await rondo::yield();
    api.take().fail(std::make_exception_ptr(std::runtime_error("later")));
    try {
        co_await waiter;
    } catch (const std::runtime_error& e) {
        said = e.what();
    }
}

class never_made {
public:
    explicit never_made(int) { throw std::runtime_error("cannot be made"); }
};

// ---- What comes back ----

task<> gives_nothing(legacy<void>& api, lines& log) {
    event_loop::current().post([&] { api.answer(); });
    co_await ask(api);
    log.push_back("resumed");
}

task<> gives_a_reference(legacy<int&>& api, int& target) {
    event_loop::current().post([&] { api.answer(target); });
    int& value = co_await ask(api);
    CHECK(&value == &target);
}

class base {
public:
    int number = 1;
};
class derived : public base {};

task<> gives_a_reference_to_a_base(legacy<const base&>& api, derived& target) {
    event_loop::current().post([&] { api.answer(target); });
    const base& value = co_await ask(api);
    CHECK(&value == &target);
}

task<> gives_a_move_only(legacy<std::unique_ptr<int>>& api) {
    event_loop::current().post([&] { api.answer(std::make_unique<int>(4)); });
    const std::unique_ptr<int> value = co_await ask(api);
    REQUIRE(value != nullptr);
    CHECK(*value == 4);
}

task<> gives_what_several_arguments_make(legacy<std::string>& api) {
    event_loop::current().post([&] { api.answer(std::size_t{3}, 'x'); });
    const std::string value = co_await ask(api);
    CHECK(value == "xxx");
    event_loop::current().post([&] { api.answer("literal"); });
    const std::string other = co_await ask(api);
    CHECK(other == "literal");
    event_loop::current().post([&] { api.answer(); });
    const std::string empty = co_await ask(api);
    CHECK(empty.empty());
}

task<> leaves_its_argument(legacy<tracked>& api) {
    tracked source(6);
    event_loop::current().post([&] { api.answer(source); });
    const tracked value = co_await ask(api);
    CHECK(value.number() == 6);
    CHECK(source.number() == 6);
    event_loop::current().post([&] { api.answer(std::move(source)); });
    const tracked moved = co_await ask(api);
    CHECK(moved.number() == 6);
    CHECK(source.number() == tracked::moved_from);
}

task<> keeps_a_late_argument(legacy<std::unique_ptr<int>>& api) {
    event_loop::current().post([&] { api.answer(std::make_unique<int>(1)); });
    auto late = std::make_unique<int>(2);
    const callback<std::unique_ptr<int>>* kept = nullptr;
    std::optional<callback<std::unique_ptr<int>>> copy;
    const auto keeps = [&](callback<std::unique_ptr<int>> done) {
        copy = done;
        api.ask(std::move(done));
        kept = &*copy;
    };
    const std::unique_ptr<int> value = co_await from_callback<std::unique_ptr<int>>(keeps);
    CHECK(*value == 1);
    (*kept)(std::move(late));
    REQUIRE(late != nullptr);  // not moved from by a call that does nothing
    CHECK(*late == 2);
}

/// Its constructor calls the callback that it is made for.
class reentrant {
public:
    reentrant(const callback<reentrant>& again, int depth) : depth_(depth) {
        if (depth < 3) again(again, depth + 1);
    }
    int depth() const noexcept { return depth_; }

private:
    int depth_;
};

task<int> asks_for_the_reentrant() {
    const reentrant value = co_await from_callback<reentrant>([](const callback<reentrant>& done) { done(done, 0); });
    co_return value.depth();
}

// ---- start ----

task<> start_throws_first(legacy<int>& api, std::string& said) {
    try {
        co_await from_callback<int>([](const callback<int>&) { throw std::runtime_error("no start"); },
                                    [&api] { ++api.withdrawn; });
    } catch (const std::runtime_error& error) {
        said = error.what();
    }
}

task<> start_throws_after_it_gave_the_callback_away(legacy<int>& api, std::string& said) {
    const auto start = [&api](callback<int> done) {
        api.ask(std::move(done));
        throw std::runtime_error("half started");
    };
    try {
        co_await from_callback<int>(start, [&api] { ++api.withdrawn; });
    } catch (const std::runtime_error& error) {
        said = error.what();
    }
    api.answer(1);
    co_await rondo::yield();
}

task<> start_throws_after_it_has_called(std::string& said) {
    try {
        co_await from_callback<int>([](const callback<int>& done) {
            done(1);
            throw std::runtime_error("called and thrown");
        });
    } catch (const std::runtime_error& error) {
        said = error.what();
    }
}

task<> makes_without_awaiting(legacy<int>& api, int& asked) {
    auto made = ask(api);
    co_await rondo::yield();
    asked = api.asked;
    const tracked captured(1);
    auto never = from_callback<int>([captured](const callback<int>&) {});
    (void)never;
    event_loop::current().post([&] { api.answer(2); });
    const int value = co_await std::move(made);
    CHECK(value == 2);
    CHECK(api.asked == 1);
}

void starts(callback<int> done) { done(11); }

class starter {
public:
    explicit starter(std::unique_ptr<int> v) : value_(std::move(v)) {}
    void operator()(const callback<int>& done) & { done(*value_); }

private:
    std::unique_ptr<int> value_;
};

task<> starts_with_any_callable() {
    const int from_function = co_await from_callback<int>(starts);
    CHECK(from_function == 11);
    starter start(std::make_unique<int>(12));
    const int from_object = co_await from_callback<int>(std::move(start));
    CHECK(from_object == 12);
    const std::function<void(callback<int>)> function = starts;
    const int from_std_function = co_await from_callback<int>(function);
    CHECK(from_std_function == 11);
    std::function<void()> on_cancel = [] {};
    const int with_on_cancel = co_await from_callback<int>(starts, on_cancel);
    CHECK(with_on_cancel == 11);
    const auto generic = [](auto done) { done(13); };
    const int from_generic = co_await from_callback<int>(generic);
    CHECK(from_generic == 13);
}

task<> keeps_what_it_was_given(legacy<int>& api, lines& log) {
    const tracked captured(1);
    const auto start = [&api, captured](callback<int> done) { api.ask(std::move(done)); };
    const auto on_cancel = [captured] {};
    const int before = tracked::live();
    event_loop::current().post([&, before] {
        log.push_back(tracked::live() >= before + 2 ? "kept" : "gone");
        api.answer(1);
    });
    co_await from_callback<int>(start, on_cancel);
    CHECK(tracked::live() == before);
}

}  // namespace

TEST_CASE("a callback called at once: the caller goes on in the same step") {
    lines log;
    rondo::testing::run(asks_what_answers_at_once(log));
    CHECK(log == lines{"got 1", "other"});
}

TEST_CASE("a callback called later makes the waiter a ready step behind what was ready before") {
    legacy<int> api;
    lines log;
    rondo::testing::run(answers(api, log));
    CHECK(log == lines{"asks", "answers", "answered", "before", "got 7", "gone", "after"});
    CHECK(api.withdrawn == 0);
}

TEST_CASE("a posted function may call the callback") {
    legacy<int> api;
    lines log;
    rondo::testing::run(answers_from_a_post(api, log));
    CHECK(log == lines{"posted", "got 3"});
}

TEST_CASE("a callback called between polls makes the loop ready, and wakes its driver") {
    support::manual_clock clock;
    legacy<int> api;
    event_loop loop(clock.driver());
    auto waiter = loop.spawn(asks(api));
    loop.poll();
    CHECK(!loop.next_deadline());
    const int wakes = clock.wakes;
    api.answer(2);
    CHECK(clock.wakes > wakes);
    CHECK(!waiter.done());
    while (!waiter.done() && loop.poll() != 0) {
    }
    CHECK(waiter.done());
    CHECK(loop.poll() == 0);
}

TEST_CASE("callbacks that are called at once, a hundred thousand in a row, do not use up the stack") {
    int sum = 0;
    rondo::testing::run(asks_many(100'000, sum));
    CHECK(sum == 100'000);
}

TEST_CASE("only the first call counts: value or failure, before the start has returned") {
    CHECK(rondo::testing::run(asks_what_calls_twice()) == 1);
    CHECK_THROWS_WITH(rondo::testing::run(asks_what_fails_then_calls()), "first");
}

TEST_CASE("only the first call counts, of all copies, before the waiter is resumed and after") {
    legacy<int> api;
    rondo::testing::run(calls_before_it_is_resumed(api));
}

TEST_CASE("callbacks can be copied, moved, assigned and swapped; an empty one does nothing") {
    legacy<int> api;
    rondo::testing::run(uses_callbacks_as_values(api));
}

TEST_CASE("when the last copy goes uncalled the waiter gets callback_dropped, and not before") {
    legacy<int> api;
    lines log;
    rondo::testing::run(drops_the_last(api, log));
    CHECK(log == lines{"dropped"});
    CHECK(api.withdrawn == 0);
}

TEST_CASE("a start that keeps no copy at all: callback_dropped at once") {
    lines log;
    rondo::testing::run(drops_at_once(log));
    CHECK(log == lines{"dropped"});
}

TEST_CASE("dropping the copies after the call changes nothing") {
    CHECK(rondo::testing::run(asks_what_calls_and_drops()) == 5);
}

TEST_CASE("a callback fits into a std::function, whose copies keep it") {
    lines log;
    rondo::testing::run(holds_in_a_function(log));
    CHECK(log == lines{"9"});
}

TEST_CASE("fail: the waiter gets that exception") {
    std::string said;
    rondo::testing::run(asks_what_fails(std::make_exception_ptr(std::out_of_range("far out")), said));
    CHECK(said == "far out");
    legacy<int> api;
    rondo::testing::run(fails_later(api, said));
    CHECK(said == "later");
}

TEST_CASE("fail without an exception: the waiter gets std::invalid_argument") {
    std::string said;
    CHECK_THROWS_AS(rondo::testing::run(asks_what_fails(nullptr, said)), std::invalid_argument);
}

TEST_CASE("what making the value throws goes to the waiter, not to the caller of the callback") {
    legacy<never_made> api;
    event_loop loop(support::virtual_time());
    auto waiter = loop.spawn(asks(api));
    loop.poll();
    CHECK_NOTHROW(api.answer(1));
    auto join = [](rondo::join_handle<never_made>& handle) -> task<> { co_await handle; };
    CHECK_THROWS_WITH(loop.run(join(waiter)), "cannot be made");
}

TEST_CASE("a callback<void> is called without arguments") {
    legacy<void> api;
    lines log;
    rondo::testing::run(gives_nothing(api, log));
    CHECK(log == lines{"resumed"});
}

TEST_CASE("a reference comes back as the same object") {
    legacy<int&> api;
    int target = 1;
    rondo::testing::run(gives_a_reference(api, target));
    legacy<const base&> bases;
    derived object;
    rondo::testing::run(gives_a_reference_to_a_base(bases, object));
}

TEST_CASE("a callback of a reference takes what that can be bound to without a temporary, which would be gone") {
    CHECK(std::invocable<const callback<int&>&, int&>);
    CHECK(std::invocable<const callback<const base&>&, derived&>);
    CHECK(!std::invocable<const callback<int&>&>);
    CHECK(!std::invocable<const callback<int&>&, int*>);
    CHECK(!std::invocable<const callback<int&>&, std::string&>);
    CHECK(!std::invocable<const callback<const std::string&>&, const char*>);
}

TEST_CASE("a value may be move-only, or made from several arguments") {
    legacy<std::unique_ptr<int>> api;
    rondo::testing::run(gives_a_move_only(api));
    legacy<std::string> strings;
    rondo::testing::run(gives_what_several_arguments_make(strings));
}

TEST_CASE("a callback copies what it is lent, and moves what it is given") {
    legacy<tracked> api;
    rondo::testing::run(leaves_its_argument(api));
}

TEST_CASE("a call that does nothing leaves its argument alone") {
    legacy<std::unique_ptr<int>> api;
    rondo::testing::run(keeps_a_late_argument(api));
}

TEST_CASE("a constructor that calls the callback it is made for is the first call all the same") {
    CHECK(rondo::testing::run(asks_for_the_reentrant()) == 0);
}

TEST_CASE("what start throws goes to the caller, wherever the callback is by then") {
    legacy<int> api;
    std::string said;
    rondo::testing::run(start_throws_first(api, said));
    CHECK(said == "no start");
    rondo::testing::run(start_throws_after_it_gave_the_callback_away(api, said));
    CHECK(said == "half started");
    rondo::testing::run(start_throws_after_it_has_called(said));
    CHECK(said == "called and thrown");
    CHECK(api.withdrawn == 0);
}

TEST_CASE("start is called when the operation is awaited, once, and never for one that is not awaited") {
    legacy<int> api;
    int asked = -1;
    rondo::testing::run(makes_without_awaiting(api, asked));
    CHECK(asked == 0);
}

TEST_CASE("start may be a function, a move-only object, a std::function, a generic lambda") {
    rondo::testing::run(starts_with_any_callable());
}

TEST_CASE("start and on_cancel are kept until the operation ends") {
    legacy<int> api;
    lines log;
    rondo::testing::run(keeps_what_it_was_given(api, log));
    CHECK(log == lines{"kept"});
}

// ---- Cost ----

namespace {

task<> counts_allocations(legacy<int>& api, std::size_t& at_once, std::size_t& later) {
    api.waiting.reserve(4);
    auto warm = rondo::spawn(answer_after(api, 0, 0ms));
    co_await ask(api);
    co_await warm;
    std::size_t before = support::allocations::count();
    co_await from_callback<int>([](const callback<int>& done) {
        const callback<int> copy = done;
        copy(1);
    });
    at_once = support::allocations::count() - before;
    auto answerer = rondo::spawn(answer_after(api, 1, 0ms));
    before = support::allocations::count();
    co_await ask(api);
    later = support::allocations::count() - before;
    co_await answerer;
}

task<> has_no_memory(legacy<int>& api, bool& thrown) {
    auto made = ask(api);
    try {
        const support::allocations::failure failure(1);
        co_await std::move(made);
    } catch (const std::bad_alloc&) {
        thrown = true;
    }
    event_loop::current().post([&] { api.answer(1); });
    const int value = co_await ask(api);
    CHECK(value == 1);
}

}  // namespace

TEST_CASE("from_callback costs one allocation, however many copies there are") {
    legacy<int> api;
    std::size_t at_once = 0;
    std::size_t later = 0;
    rondo::testing::run(counts_allocations(api, at_once, later));
    CHECK(at_once == 1);
    CHECK(later == 1);
}

TEST_CASE("without memory from_callback throws std::bad_alloc and has started nothing") {
    legacy<int> api;
    bool thrown = false;
    rondo::testing::run(has_no_memory(api, thrown));
    CHECK(thrown);
    CHECK(api.asked == 1);
}
