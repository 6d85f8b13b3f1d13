// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// when_all over ranges; and what when_all allocates, for which this program counts the calls of operator new.

#include <support/allocations.hpp>
#include <support/clocks.hpp>
#include <support/journal.hpp>
#include <support/leak_check.hpp>
#include <support/tasks.hpp>
#include <support/tracked.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>
#include <functional>
#include <iterator>
#include <list>
#include <memory>
#include <new>
#include <numeric>
#include <ranges>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using rondo::task;
using rondo::when_all;
using support::give;
using support::lines;
using support::tracked;

using duration = support::clock::duration;

auto now() { return rondo::event_loop::current().now(); }

template <class T>
task<T> give_after(T value, duration time) {
    co_await rondo::sleep(time);
    co_return std::move(value);
}

task<int> square(int number) {
    co_await rondo::sleep(std::chrono::milliseconds(100 - number));
    co_return number* number;
}

// ---- Shapes ----

template <class Range>
using result_of = rondo::await_result_t<decltype(when_all(std::declval<Range>()))>;

static_assert(std::is_same_v<result_of<std::vector<task<int>>>, std::vector<int>>);
static_assert(std::is_same_v<result_of<std::vector<task<>>>, void>);
static_assert(std::is_same_v<result_of<std::list<task<std::string>>>, std::vector<std::string>>);
static_assert(std::is_same_v<result_of<std::array<task<bool>, 2>>, std::vector<bool>>);
static_assert(std::is_same_v<result_of<std::vector<task<std::unique_ptr<int>>>>, std::vector<std::unique_ptr<int>>>);
static_assert(std::is_same_v<result_of<std::vector<task<int&>>>, std::vector<std::reference_wrapper<int>>>);

task<> of_a_vector() {
    std::vector<task<int>> tasks;
    for (int i = 0; i < 5; ++i) tasks.push_back(square(i));
    const std::vector<int> squares = co_await when_all(std::move(tasks));
    CHECK(squares == std::vector<int>{0, 1, 4, 9, 16});
}

std::vector<task<int>> make_squares() {
    std::vector<task<int>> tasks;
    tasks.push_back(square(7));
    tasks.push_back(square(6));
    return tasks;
}

task<> of_a_vector_made_on_the_spot() {
    const std::vector<int> squares = co_await when_all(make_squares());
    CHECK(squares == std::vector<int>{49, 36});
}

task<> of_a_view() {
    const std::vector<int> squares = co_await when_all(std::views::iota(0, 5) | std::views::transform(square));
    CHECK(squares == std::vector<int>{0, 1, 4, 9, 16});
}

task<> of_a_filtered_view() {
    auto tasks =
        std::views::iota(0, 10) | std::views::filter([](int n) { return n % 3 == 0; }) | std::views::transform(square);
    const std::vector<int> squares = co_await when_all(std::move(tasks));
    CHECK(squares == std::vector<int>{0, 9, 36, 81});
}

task<> of_a_list_and_an_array() {
    std::list<task<std::string>> words;
    words.push_back(give_after(std::string("a"), 2ms));
    words.push_back(give_after(std::string("b"), 1ms));
    const std::vector<std::string> list = co_await when_all(std::move(words));
    CHECK(list == std::vector<std::string>{"a", "b"});

    std::array<task<bool>, 3> flags{give(true), give_after(false, 1ms), give(true)};
    const std::vector<bool> array = co_await when_all(std::move(flags));
    CHECK(array == std::vector<bool>{true, false, true});
}

task<> of_moved_elements() {
    std::vector<task<int>> tasks = make_squares();
    auto moved = std::ranges::subrange(std::make_move_iterator(tasks.begin()), std::make_move_iterator(tasks.end()));
    const std::vector<int> squares = co_await when_all(std::move(moved));
    CHECK(squares == std::vector<int>{49, 36});
}

// Its size is an int, as in some libraries.
class sized_by_int {
public:
    explicit sized_by_int(std::vector<task<int>> tasks) : tasks_(std::move(tasks)) {}
    int size() const { return static_cast<int>(tasks_.size()); }
    auto begin() { return std::make_move_iterator(tasks_.begin()); }
    auto end() { return std::make_move_iterator(tasks_.end()); }

private:
    std::vector<task<int>> tasks_;
};

task<> of_a_range_sized_by_int() {
    const std::vector<int> squares = co_await when_all(sized_by_int(make_squares()));
    CHECK(squares == std::vector<int>{49, 36});
}

task<> of_nothing(lines& log) {
    rondo::spawn(support::note(log, "other"));
    const std::vector<int> none = co_await when_all(std::vector<task<int>>());
    CHECK(none.empty());
    co_await when_all(std::vector<task<>>());
    co_await when_all(std::views::iota(0, 0) | std::views::transform(square));
    log.push_back("parent");
    co_await rondo::yield();
}

struct no_default {
    explicit no_default(int n) : number(n) {}
    int number;
};

task<no_default> make_no_default(int number) {
    co_await rondo::yield();
    co_return no_default(number);
}

task<int&> lend(int& number) {
    co_await rondo::yield();
    co_return number;
}

task<> awkward_types() {
    std::vector<task<std::unique_ptr<int>>> pointers;
    pointers.push_back(give_after(std::make_unique<int>(1), 2ms));
    pointers.push_back(give(std::make_unique<int>(2)));
    const auto owned = co_await when_all(std::move(pointers));
    CHECK(*owned[0] == 1);
    CHECK(*owned[1] == 2);

    std::vector<task<no_default>> makers;
    makers.push_back(make_no_default(3));
    makers.push_back(make_no_default(4));
    const auto made = co_await when_all(std::move(makers));
    CHECK(made[0].number == 3);
    CHECK(made[1].number == 4);

    int numbers[2] = {5, 6};
    std::vector<task<int&>> lenders;
    for (int& number : numbers) lenders.push_back(lend(number));
    const auto lent = co_await when_all(std::move(lenders));
    lent[1].get() = 7;
    CHECK(&lent[0].get() == &numbers[0]);
    CHECK(numbers[1] == 7);
}

task<> never_awaited(lines& log) {
    std::vector<task<>> tasks;
    for (int i = 0; i < 3; ++i) tasks.push_back(support::note(log, "ran"));
    {
        [[maybe_unused]] auto all = when_all(std::move(tasks));
    }
    co_await rondo::yield();
}

// ---- Order and failure ----

task<> in_rounds(lines& log) {
    std::vector<task<>> tasks;
    for (const char* const name : {"a", "b", "c"}) tasks.push_back(support::rounds(log, name, 2));
    co_await when_all(std::move(tasks));
    log.push_back("parent");
}

task<> ten_thousand_seconds() {
    constexpr std::size_t count = 10'000;
    std::vector<task<std::size_t>> tasks;
    for (std::size_t i = 0; i < count; ++i) tasks.push_back(give_after(i, 1s));
    const auto start = now();
    const std::vector<std::size_t> all = co_await when_all(std::move(tasks));
    CHECK(now() - start == 1s);
    std::vector<std::size_t> expected(count);
    std::iota(expected.begin(), expected.end(), std::size_t{0});
    CHECK(all == expected);
}

task<tracked> give_tracked_after(int number, duration time) {
    tracked value(number);
    co_await rondo::sleep(time);
    co_return std::move(value);
}

task<tracked> fail_tracked_after(duration time) {
    co_await rondo::sleep(time);
    throw std::runtime_error("boom");
}

task<> one_of_many_fails() {
    std::vector<task<tracked>> tasks;
    for (int i = 0; i < 1000; ++i) {
        if (i == 500)
            tasks.push_back(fail_tracked_after(500ms));
        else
            tasks.push_back(give_tracked_after(i, std::chrono::milliseconds(i)));
    }
    const auto start = now();
    bool caught = false;
    try {
        co_await when_all(std::move(tasks));
    } catch (const std::runtime_error&) {
        caught = true;
        CHECK(tracked::live() == 0);
    }
    CHECK(caught);
    CHECK(now() - start == 500ms);
}

task<> immediate_failure(lines& log) {
    std::vector<task<>> tasks;
    tasks.push_back(support::waits_for_ever(log, "first"));
    tasks.push_back(support::fail("now"));
    tasks.push_back(support::note(log, "third"));
    try {
        co_await when_all(std::move(tasks));
    } catch (const std::runtime_error& error) {
        log.push_back(error.what());
    }
    co_await rondo::sleep(1s);
}

task<> throws_while_made(lines& log) {
    const auto make = [&log](int number) {
        if (number == 3) throw std::runtime_error("no task for 3");
        return support::waits_for_ever(log, std::to_string(number));
    };
    auto tasks = std::views::iota(0, 5) | std::views::transform(make);
    const std::size_t frames = rondo::testing::live_frames();
    std::string caught;
    try {
        co_await when_all(std::move(tasks));
    } catch (const std::runtime_error& error) {
        caught = error.what();
        CHECK(rondo::testing::live_frames() == frames);
    }
    CHECK(caught == "no task for 3");
}

task<> no_frame_for_the_third() {
    const std::size_t frames = rondo::testing::live_frames();
    bool caught = false;
    {
        rondo::testing::fail_frame_allocation guard(3);
        try {
            co_await when_all(std::views::iota(0, 5) | std::views::transform(square));
        } catch (const std::bad_alloc&) {
            caught = true;
        }
        CHECK(guard.happened());
    }
    CHECK(caught);
    CHECK(rondo::testing::live_frames() == frames);
    const std::vector<int> squares = co_await when_all(std::views::iota(0, 5) | std::views::transform(square));
    CHECK(squares.size() == 5);
}

// ---- Cancellation and depth ----

task<> victim(lines& log) {
    support::note_at_exit gone(log, "parent gone");
    tracked local(1);
    std::vector<task<tracked>> tasks;
    for (int i = 0; i < 1000; ++i) tasks.push_back(give_tracked_after(i, std::chrono::milliseconds(i)));
    co_await when_all(std::move(tasks));
    log.push_back("parent goes on");
}

task<> cancels_halfway(lines& log) {
    auto handle = rondo::spawn(victim(log));
    co_await rondo::sleep(std::chrono::milliseconds(500));
    handle.cancel();
    CHECK(handle.done());
    CHECK(tracked::live() == 0);
    co_await rondo::sleep(1s);
}

task<int> tower(int height) {
    if (height == 0) {
        co_await rondo::yield();
        co_return 0;
    }
    std::vector<task<int>> below;
    below.push_back(tower(height - 1));
    const std::vector<int> heights = co_await when_all(std::move(below));
    co_return heights[0] + 1;
}

// ---- Allocations ----

task<> counts_variadic(std::size_t& count) {
    for (int i = 0; i < 3; ++i) {
        const std::size_t before = support::allocations::count();
        co_await when_all(support::yields(2), give(i), rondo::sleep(1ms), when_all(support::nothing(), rondo::yield()));
        count = support::allocations::count() - before;
    }
}

std::vector<task<>> make_yields(std::size_t number) {
    std::vector<task<>> tasks;
    tasks.reserve(number);
    for (std::size_t i = 0; i < number; ++i) tasks.push_back(support::yields(1));
    return tasks;
}

std::vector<task<int>> make_gives(std::size_t number) {
    std::vector<task<int>> tasks;
    tasks.reserve(number);
    for (std::size_t i = 0; i < number; ++i) tasks.push_back(give_after(1, 1ms));
    return tasks;
}

task<> counts_ranges(std::size_t number, std::size_t& of_void, std::size_t& of_int) {
    for (int i = 0; i < 3; ++i) {
        std::vector<task<>> tasks = make_yields(number);
        std::size_t before = support::allocations::count();
        co_await when_all(std::move(tasks));
        of_void = support::allocations::count() - before;

        std::vector<task<int>> numbers = make_gives(number);
        before = support::allocations::count();
        {
            const std::vector<int> all = co_await when_all(std::move(numbers));
            of_int = support::allocations::count() - before;
            CHECK(all.size() == number);
        }
    }
}

}  // namespace

TEST_CASE("when_all of a vector gives a vector in the range's order") {
    rondo::testing::run(of_a_vector());
    rondo::testing::run(of_a_vector_made_on_the_spot());
}

TEST_CASE("when_all of a view makes the tasks from it") {
    rondo::testing::run(of_a_view());
    rondo::testing::run(of_a_filtered_view());
}

TEST_CASE("when_all takes any range of tasks that it may move from") {
    rondo::testing::run(of_a_list_and_an_array());
    rondo::testing::run(of_moved_elements());
    rondo::testing::run(of_a_range_sized_by_int());
}

TEST_CASE("when_all of an empty range completes at once") {
    lines log;
    rondo::testing::run(of_nothing(log));
    CHECK(log == lines{"parent", "other"});
}

TEST_CASE("when_all of a range takes results that are move-only, without default constructor, or references") {
    rondo::testing::run(awkward_types());
}

TEST_CASE("a when_all of a range that is never awaited destroys the tasks unstarted") {
    lines log;
    rondo::testing::run(never_awaited(log));
    CHECK(log.empty());
}

TEST_CASE("tasks of a range start in its order") {
    lines log;
    rondo::testing::run(in_rounds(log));
    CHECK(log == lines{"a1", "b1", "c1", "a2", "b2", "c2", "parent"});
}

TEST_CASE("ten thousand tasks of a second take a second") { rondo::testing::run(ten_thousand_seconds()); }

TEST_CASE("the first failure in a range cancels all others and gives their results back") {
    rondo::testing::run(one_of_many_fails());
}

TEST_CASE("after an immediate failure the rest of a range is not started") {
    lines log;
    rondo::testing::run(immediate_failure(log));
    CHECK(log == lines{"first waits", "first gone", "now"});
}

TEST_CASE("an exception while a range makes its tasks reaches the caller, and no task is left") {
    lines log;
    rondo::testing::run(throws_while_made(log));
    rondo::testing::run(no_frame_for_the_third());
}

TEST_CASE("cancelling the parent unwinds a whole range") {
    lines log;
    rondo::testing::run(cancels_halfway(log));
    CHECK(log == lines{"parent gone"});
}

TEST_CASE("when_alls of ranges nest a thousand deep") { CHECK(rondo::testing::run(tower(1000)) == 1000); }

TEST_CASE("when_all of arguments allocates nothing but the frames") {
    std::size_t count = 1;
    rondo::testing::run(counts_variadic(count));
    if (rondo::detail::threads_end_well) CHECK(count == 0);  // elsewhere no frame is recycled
}

TEST_CASE("when_all of a range allocates its vector and that of the results, however long it is") {
    for (const std::size_t number : {1U, 100U, 1000U}) {
        std::size_t of_void = 0;
        std::size_t of_int = 0;
        rondo::testing::run(counts_ranges(number, of_void, of_int));
        CHECK(of_void <= 1);
        CHECK(of_int <= 2);
    }
}
