// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <support/clocks.hpp>
#include <support/leak_check.hpp>
#include <support/tasks.hpp>
#include <support/tracked.hpp>

#include <rondo/core/task.hpp>
#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using rondo::task;
using support::lines;
using support::move_only_tracked;
using support::tracked;

static_assert(!std::is_copy_constructible_v<task<>> && !std::is_copy_assignable_v<task<>>);
static_assert(std::is_nothrow_move_constructible_v<task<int>> && std::is_nothrow_move_assignable_v<task<int>>);

// --- results ---

namespace {

// As awkward as a result may be: no default constructor, no copy, no assignment, an operator& of its own.
class awkward {
public:
    explicit awkward(int number) : number_(number) {}
    awkward(awkward&&) noexcept = default;
    awkward& operator=(awkward&&) = delete;
    void operator&() const = delete;
    int number() const { return number_.number(); }

private:
    tracked number_;
};

task<awkward> make_awkward(int number, bool suspends) {
    if (suspends) co_await rondo::yield();
    co_return awkward(number);
}

task<int> number_of_awkward(bool suspends) {
    awkward result = co_await make_awkward(7, suspends);
    co_return result.number();
}

task<std::unique_ptr<int>> make_unique_int(int number) {
    co_await rondo::yield();
    co_return std::make_unique<int>(number);
}

task<int&> find(std::vector<int>& numbers, std::size_t index) {
    co_await rondo::yield();
    co_return numbers.at(index);
}

task<const std::string&> look_at(const std::string& text) { co_return text; }

task<> change_through_reference(std::vector<int>& numbers) {
    int& second = co_await find(numbers, 1);
    second = 20;
    co_return;
}

task<bool> same_object(const std::string& text) {
    const std::string& seen = co_await look_at(text);
    co_return &seen == &text;
}

task<std::pair<int, std::string>> from_braces() { co_return {1, "one"}; }
task<std::string> from_literal() { co_return "text"; }
task<std::optional<int>> from_nullopt() { co_return std::nullopt; }
task<std::optional<int>> from_value() { co_return 5; }

class base {
public:
    base() = default;
    base(const base&) = delete;
    base& operator=(const base&) = delete;
    virtual ~base() = default;
    virtual int number() const { return 1; }
};
class derived : public base {
public:
    int number() const override { return 2; }
};
task<std::unique_ptr<base>> from_derived() { co_return std::make_unique<derived>(); }

task<tracked> from_local() {
    tracked local(3);
    co_return local;
}

task<tracked> from_lvalue(const tracked& value) { co_return value; }

class throws_when_moved {
public:
    throws_when_moved() = default;
    throws_when_moved(const throws_when_moved&) { throw std::runtime_error("moved"); }
    throws_when_moved& operator=(const throws_when_moved&) = delete;
};
task<throws_when_moved> give_throwing() {
    throws_when_moved value;
    co_return value;
}

/// Survives so many moves; the next one throws.
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

task<wears_out> make_wearing(int moves, int depth, bool suspends) {
    if (depth > 0) co_return co_await make_wearing(moves, depth - 1, suspends);
    if (suspends) co_await rondo::yield();
    co_return wears_out(moves);
}

task<bool> survives(int moves, bool suspends) {
    bool arrived = false;
    try {
        const wears_out result = co_await make_wearing(moves, 2, suspends);
        arrived = true;
    } catch (const std::runtime_error&) {
    }
    co_return arrived;
}

task<const std::string> give_constant() { co_return "constant"; }

task<std::string&&> pass_on(std::string& text) { co_return std::move(text); }

task<std::string> take_rvalue(std::string& text) {
    std::string taken = co_await pass_on(text);
    co_return taken;
}

task<task<int>> give_task() { co_return support::give(11); }
task<int> await_twice_over() {
    task<int> inner = co_await give_task();
    co_return co_await std::move(inner);
}

task<std::exception_ptr> give_exception_as_value() { co_return std::make_exception_ptr(std::runtime_error("value")); }

}  // namespace

TEST_CASE("a task gives back the value it returns") {
    CHECK(rondo::testing::run(support::give(42)) == 42);
    CHECK(rondo::testing::run(support::give(std::string("text"))) == "text");
    CHECK(rondo::testing::run(support::give(true)));
}

TEST_CASE("a task<> gives back nothing") {
    static_assert(std::is_void_v<decltype(rondo::testing::run(support::nothing()))>);
    rondo::testing::run(support::nothing());
}

TEST_CASE("a result needs neither default constructor, copy nor assignment") {
    CHECK(rondo::testing::run(number_of_awkward(false)) == 7);
    CHECK(rondo::testing::run(number_of_awkward(true)) == 7);
}

TEST_CASE("a move-only result arrives") {
    const std::unique_ptr<int> result = rondo::testing::run(make_unique_int(5));
    REQUIRE(result != nullptr);
    CHECK(*result == 5);
}

TEST_CASE("a reference result is the object itself") {
    std::vector<int> numbers{1, 2, 3};
    static_assert(std::is_same_v<decltype(rondo::testing::run(find(numbers, 0))), int&>);
    CHECK(&rondo::testing::run(find(numbers, 2)) == &numbers[2]);
    rondo::testing::run(change_through_reference(numbers));
    CHECK(numbers[1] == 20);

    const std::string text = "text";
    CHECK(rondo::testing::run(same_object(text)));
}

TEST_CASE("a result is made from whatever converts to it") {
    CHECK(rondo::testing::run(from_braces()) == std::pair<int, std::string>(1, "one"));
    CHECK(rondo::testing::run(from_literal()) == "text");
    CHECK(!rondo::testing::run(from_nullopt()).has_value());
    CHECK(rondo::testing::run(from_value()) == 5);
    CHECK(rondo::testing::run(from_derived())->number() == 2);
}

TEST_CASE("a returned local is moved and an lvalue from outside is copied") {
    CHECK(rondo::testing::run(from_local()).number() == 3);
    const tracked outside(4);
    CHECK(rondo::testing::run(from_lvalue(outside)).number() == 4);
    CHECK(outside.number() == 4);
}

TEST_CASE("a result whose move throws becomes the exception of the task") {
    CHECK_THROWS_AS(rondo::testing::run(give_throwing()), std::runtime_error);
}

TEST_CASE("a result may throw at any of its moves on the way: whoever awaits gets it, or the exception") {
    for (const bool suspends : {false, true}) {
        bool arrived = false;
        for (int moves = 0; moves < 20; ++moves) {
            const bool now = rondo::testing::run(survives(moves, suspends));
            CHECK((now || !arrived));  // more moves never hurt
            arrived = now;
            CHECK(tracked::live() == 0);
        }
        CHECK(arrived);
    }
}

TEST_CASE("const results and rvalue references arrive, too") {
    CHECK(rondo::testing::run(give_constant()) == "constant");
    std::string text = "a text that is long enough to be allocated";
    CHECK(rondo::testing::run(take_rvalue(text)) == "a text that is long enough to be allocated");
    CHECK(text.empty());
}

TEST_CASE("a task is a result as good as any") { CHECK(rondo::testing::run(await_twice_over()) == 11); }

TEST_CASE("an exception_ptr that is returned is a value") {
    const std::exception_ptr value = rondo::testing::run(give_exception_as_value());
    CHECK(value != nullptr);
}

// --- lazy start, and what runs in between ---

namespace {

task<> start_child_and_note(lines& log) {
    task<> child = support::note(log, "child");
    log.push_back("made");
    co_await std::move(child);
    log.push_back("parent");
}

task<> await_without_suspending(lines& log) {
    log.push_back("before");
    co_await support::nothing();
    const int one = co_await support::give(1);
    const int two = co_await support::give(one + 1);
    log.push_back(two == 2 ? "after" : "wrong");
}

task<> main_beside(lines& log) {
    rondo::spawn(support::note(log, "other"));
    co_await await_without_suspending(log);
    co_await rondo::yield();
}

task<> child_that_suspends(lines& log) {
    log.push_back("child starts");
    co_await rondo::yield();
    log.push_back("child ends");
}

task<> parent_of_suspending(lines& log) {
    co_await child_that_suspends(log);
    log.push_back("parent goes on");
}

}  // namespace

TEST_CASE("a task that is never awaited never runs, and destroys its arguments") {
    lines log;
    {
        // Volatile: clang needs no frame for a call that it sees through.
        task<> (*volatile call)(lines&, tracked) = [](lines& out, tracked value) -> task<> {
            out.push_back("ran " + std::to_string(value.number()));
            co_return;
        };
        const task<> unused = call(log, tracked(1));
        CHECK(tracked::live() == 1);
        CHECK(rondo::testing::live_frames() == 1);
    }
    CHECK(log.empty());
    CHECK(tracked::live() == 0);
    CHECK(rondo::testing::live_frames() == 0);
}

TEST_CASE("a task starts when it is awaited, not when it is made") {
    lines log;
    rondo::testing::run(start_child_and_note(log));
    CHECK(log == lines{"made", "child", "parent"});
}

TEST_CASE("awaiting tasks that finish without suspending lets nothing else run in between") {
    lines log;
    rondo::testing::run(main_beside(log));
    CHECK(log == lines{"before", "after", "other"});
}

TEST_CASE("a parent goes on in the step in which its child ends") {
    lines log;
    rondo::event_loop loop(support::virtual_time());
    loop.spawn(parent_of_suspending(log));
    CHECK(loop.poll() == 1);
    CHECK(log == lines{"child starts"});
    CHECK(loop.poll() == 1);
    CHECK(log == lines{"child starts", "child ends", "parent goes on"});
    CHECK(loop.poll() == 0);
}

// --- exceptions ---

namespace {

class special_error : public std::runtime_error {
public:
    explicit special_error(int code) : std::runtime_error("special"), code_(code) {}
    int code() const { return code_; }

private:
    int code_;
};

task<int> throws_special(bool suspends) {
    if (suspends) co_await rondo::yield();
    throw special_error(9);
}

task<int> passes_on(bool suspends, int depth) {
    tracked local(depth);
    if (depth == 0) co_return co_await throws_special(suspends);
    co_return co_await passes_on(suspends, depth - 1);
}

task<int> catches(bool suspends) {
    int code = 0;
    try {
        co_await passes_on(suspends, 3);
    } catch (const special_error& error) {
        code = error.code();
    }
    co_await rondo::yield();  // after the handler: a coroutine may go on
    co_return code;
}

task<> throws_int() {
    throw 5;
    co_return;
}

task<int> fails_thrice_then_succeeds() {
    int failures = 0;
    for (int i = 0; i < 3; ++i) {
        try {
            co_await support::fail("again");
        } catch (const std::runtime_error&) {
            ++failures;
        }
    }
    co_return failures;
}

}  // namespace

TEST_CASE("an exception passes through the awaits with its type and value") {
    for (const bool suspends : {false, true}) {
        CHECK(rondo::testing::run(catches(suspends)) == 9);
        CHECK_THROWS_AS(rondo::testing::run(passes_on(suspends, 2)), special_error);
    }
}

TEST_CASE("anything may be thrown") { CHECK_THROWS_AS(rondo::testing::run(throws_int()), int); }

TEST_CASE("a task goes on after an exception of a child that it caught") {
    CHECK(rondo::testing::run(fails_thrice_then_succeeds()) == 3);
}

// --- parameters and locals ---

namespace {

task<int> takes_by_value(tracked value) {
    co_await rondo::yield();
    co_return value.number();
}

task<int> takes_by_reference(const tracked& value) {
    co_await rondo::yield();
    co_return value.number();
}

task<int> takes_move_only(move_only_tracked value, std::unique_ptr<int> number) {
    co_await rondo::yield();
    co_return value.number() + *number;
}

task<int> passes_parameters() {
    const tracked named(1);
    int sum = co_await takes_by_value(named);
    sum += co_await takes_by_value(tracked(2));
    sum += co_await takes_by_reference(tracked(4));  // the temporary lives until the full expression ends
    sum += co_await takes_by_reference(named);
    sum += co_await takes_move_only(move_only_tracked(8), std::make_unique<int>(16));
    co_return sum;
}

task<int> nested_awaits_in_arguments() {
    co_return co_await takes_by_value(tracked(co_await takes_by_value(tracked(co_await support::give(3)))));
}

task<> has_local(lines& log) {
    support::note_at_exit gone(log, "local of child");
    co_await rondo::yield();
}

task<> sees_locals_go(lines& log) {
    co_await has_local(log);
    log.push_back("parent");
}

class counter {
public:
    explicit counter(int start) : count_(start) {}
    task<int> next() {
        co_await rondo::yield();
        co_return ++count_;
    }

private:
    int count_;
};

task<int> uses_member() {
    counter numbers(40);
    co_await numbers.next();
    co_return co_await numbers.next();
}

template <class T>
task<T> twice(T value) {
    co_await rondo::yield();
    co_return value + value;
}

task<int> fibonacci(int n) {
    if (n < 2) co_return n;
    const int before = co_await fibonacci(n - 2);
    const int last = co_await fibonacci(n - 1);
    co_return before + last;
}

}  // namespace

TEST_CASE("parameters live as long as the task and are destroyed once") {
    CHECK(rondo::testing::run(passes_parameters()) == 32);
    CHECK(tracked::live() == 0);
}

TEST_CASE("awaits may stand in the arguments of awaited calls") {
    CHECK(rondo::testing::run(nested_awaits_in_arguments()) == 3);
}

TEST_CASE("the locals of a child are gone when its parent goes on") {
    lines log;
    rondo::testing::run(sees_locals_go(log));
    CHECK(log == lines{"local of child", "parent"});
}

TEST_CASE("member functions, templates and captureless lambdas are tasks like any other") {
    CHECK(rondo::testing::run(uses_member()) == 42);
    CHECK(rondo::testing::run(twice(std::string("ab"))) == "abab");
    CHECK(rondo::testing::run([](int number) -> task<int> { co_return number; }(6)) == 6);
}

TEST_CASE("tasks may recurse") { CHECK(rondo::testing::run(fibonacci(15)) == 610); }

// --- moving, empty and consumed tasks ---

namespace {

task<> awaits_empty(lines& log) {
    task<> first = support::nothing();
    const task<> second = std::move(first);
    try {
        co_await std::move(first);
        log.push_back("awaited");
    } catch (const std::logic_error& error) {
        log.push_back(error.what());
    }
}

task<> awaits_consumed(lines& log, bool suspends) {
    task<> child = support::yields(suspends ? 1 : 0);
    co_await std::move(child);
    try {
        co_await std::move(child);
        log.push_back("awaited");
    } catch (const std::logic_error& error) {
        log.push_back(error.what());
    }
}

}  // namespace

TEST_CASE("a moved task runs where it has gone") {
    task<int> first = support::give(1);
    task<int> second = std::move(first);
    CHECK(rondo::testing::run(std::move(second)) == 1);
}

TEST_CASE("assigning to a task destroys what it held") {
    task<int> first = takes_by_value(tracked(1));
    task<int> second = takes_by_value(tracked(2));
    CHECK(tracked::live() == 2);
    first = std::move(second);
    CHECK(tracked::live() == 1);
    CHECK(rondo::testing::live_frames() == 1);
    CHECK(rondo::testing::run(std::move(first)) == 2);
}

TEST_CASE("assigning a task to itself changes nothing") {
    task<int> only = takes_by_value(tracked(1));
    task<int>& same = only;
    only = std::move(same);
    CHECK(rondo::testing::run(std::move(only)) == 1);
}

TEST_CASE("awaiting an empty task throws logic_error, which says so") {
    lines log;
    rondo::testing::run(awaits_empty(log));
    REQUIRE(log.size() == 1);
    CHECK(log.front() != "awaited");
    CHECK(log.front().find("task") != std::string::npos);
}

TEST_CASE("awaiting a task a second time throws logic_error") {
    for (const bool suspends : {false, true}) {
        lines log;
        rondo::testing::run(awaits_consumed(log, suspends));
        REQUIRE(log.size() == 1);
        CHECK(log.front() != "awaited");
    }
}

TEST_CASE("a task that was made without a coroutine is empty") {
    CHECK_THROWS_AS(rondo::testing::run(task<int>()), std::logic_error);
}

TEST_CASE("running an empty or consumed task throws logic_error") {
    task<int> first = support::give(1);
    task<int> second = std::move(first);
    CHECK_THROWS_AS(rondo::testing::run(std::move(first)), std::logic_error);
    CHECK(rondo::testing::run(std::move(second)) == 1);
    CHECK_THROWS_AS(rondo::testing::run(std::move(second)), std::logic_error);

    rondo::event_loop loop(support::virtual_time());
    CHECK_THROWS_AS(loop.run(std::move(second)), std::logic_error);
    CHECK_THROWS_AS(loop.spawn(std::move(second)), std::logic_error);
    loop.run();  // and is none the worse for it
}

// --- no stack overflow, whatever the build ---

namespace {

task<int> one() { co_return 1; }

task<long> sums_in_a_loop(long times) {
    long sum = 0;
    for (long i = 0; i < times; ++i) sum += co_await one();
    co_return sum;
}

task<long> sums_failures(long times) {
    long sum = 0;
    for (long i = 0; i < times; ++i) {
        try {
            co_await support::fail("x");
        } catch (const std::runtime_error&) {
            ++sum;
        }
    }
    co_return sum;
}

enum class ending { value, exception };

task<int> chain(int depth, bool suspends, ending end) {
    if (depth == 0) {
        if (suspends) co_await rondo::yield();
        if (end == ending::exception) throw special_error(1);
        co_return 0;
    }
    const int below = co_await chain(depth - 1, suspends, end);
    co_return below + 1;
}

// Each level leaves its mark when it goes, so that the order can be checked.
class level {
public:
    level(int number, std::vector<int>& order) : number_(number), order_(order) {}
    level(const level&) = delete;
    level& operator=(const level&) = delete;
    ~level() { order_.push_back(number_); }

private:
    int number_;
    std::vector<int>& order_;
};

task<> stuck_chain(int depth, std::vector<int>& order) {
    level mark(depth, order);
    if (depth == 0) {
        co_await support::for_ever();
    } else {
        co_await stuck_chain(depth - 1, order);
    }
}

bool counts_up(const std::vector<int>& numbers) {
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        if (numbers[i] != static_cast<int>(i)) return false;
    }
    return true;
}

constexpr int deep = 100'000;

}  // namespace

TEST_CASE("a million tasks awaited in a loop, all ending at once, take constant stack") {
    CHECK(rondo::testing::run(sums_in_a_loop(1'000'000)) == 1'000'000);
}

TEST_CASE("thousands of tasks that fail at once may be awaited in a loop") {
    CHECK(rondo::testing::run(sums_failures(20'000)) == 20'000);
}

TEST_CASE("chains of every length up to a hundred end by value and by exception, at once and later") {
    for (int depth = 0; depth <= 100; ++depth) {
        for (const bool suspends : {false, true}) {
            CHECK(rondo::testing::run(chain(depth, suspends, ending::value)) == depth);
            CHECK_THROWS_AS(rondo::testing::run(chain(depth, suspends, ending::exception)), special_error);
        }
    }
}

TEST_CASE("a chain of 100,000 tasks ends by value") {
    CHECK(rondo::testing::run(chain(deep, false, ending::value)) == deep);
    CHECK(rondo::testing::run(chain(deep, true, ending::value)) == deep);
}

TEST_CASE("a chain of 100,000 tasks ends by exception") {
    CHECK_THROWS_AS(rondo::testing::run(chain(deep, false, ending::exception)), special_error);
    CHECK_THROWS_AS(rondo::testing::run(chain(deep, true, ending::exception)), special_error);
}

TEST_CASE("a chain of 100,000 tasks ends by cancellation, innermost first") {
    std::vector<int> order;
    rondo::event_loop loop(support::virtual_time());
    auto handle = loop.spawn(stuck_chain(deep, order));
    loop.poll();
    CHECK(rondo::testing::live_frames() > deep);
    handle.cancel();
    CHECK(handle.done());
    CHECK(order.size() == deep + 1);
    CHECK(counts_up(order));
}

TEST_CASE("a chain of 100,000 tasks ends with its loop, innermost first") {
    std::vector<int> order;
    {
        rondo::event_loop loop(support::virtual_time());
        loop.spawn(stuck_chain(deep, order));
        loop.poll();
    }
    CHECK(order.size() == deep + 1);
    CHECK(counts_up(order));
}

// --- allocation failure ---

namespace {

task<int> small_family() {
    const int left = co_await takes_by_value(tracked(1));
    auto right = rondo::spawn(takes_by_value(tracked(2)));
    const int got = co_await right;
    co_return left + got;
}

task<int> survives_bad_alloc() {
    int result = 0;
    {
        rondo::testing::fail_frame_allocation guard(1);
        try {
            result = co_await takes_by_value(tracked(1));
        } catch (const std::bad_alloc&) {
            result = -1;
        }
    }
    if (result == -1) result += co_await takes_by_value(tracked(10));
    co_return result;
}

}  // namespace

TEST_CASE("a frame that cannot be allocated throws bad_alloc at the call, and the arguments are destroyed") {
    rondo::testing::fail_frame_allocation guard(1);
    task<int> (*volatile call)(tracked) = takes_by_value;  // clang needs no frame for a call that it sees through
    CHECK_THROWS_AS(call(tracked(1)), std::bad_alloc);
    CHECK(guard.happened());
    CHECK(tracked::live() == 0);
    CHECK(rondo::testing::run(takes_by_value(tracked(2))) == 2);  // only that one failed
}

TEST_CASE("a task may catch the bad_alloc of a call and go on") {
    CHECK(rondo::testing::run(survives_bad_alloc()) == 9);
}

TEST_CASE("whichever allocation of a frame fails, nothing leaks and the loop goes on") {
    rondo::event_loop loop(support::virtual_time());
    int failures = 0;
    for (int n = 1;; ++n) {
        rondo::testing::fail_frame_allocation guard(static_cast<std::size_t>(n));
        int result = 0;
        try {
            result = loop.run(small_family());
        } catch (const std::bad_alloc&) {
            ++failures;
        }
        if (!guard.happened()) {
            CHECK(result == 3);
            break;
        }
        CHECK(result == 0);
        loop.run();
        CHECK(tracked::live() == 0);
        CHECK(rondo::testing::live_frames() == 0);
    }
    CHECK(failures >= 3);
}
