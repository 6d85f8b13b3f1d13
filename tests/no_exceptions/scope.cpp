// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// when_all and when_all_settled in a program built with -fno-exceptions -fno-rtti.

#include <support/clocks.hpp>
#include <support/in_child.hpp>
#include <support/journal.hpp>
#include <support/plain_test.hpp>
#include <support/tracked.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <memory>
#include <optional>
#include <ranges>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#if defined(__cpp_exceptions) || defined(__cpp_rtti)
#error "this test is about a build without exceptions and RTTI"
#endif

namespace {

using namespace std::chrono_literals;
using rondo::bounded_queue;
using rondo::task;
using rondo::when_all;
using rondo::when_all_settled;
using support::lines;
using support::note_at_exit;
using support::tracked;

template <class T>
task<T> give_after(T value, std::chrono::milliseconds time) {
    co_await rondo::sleep(time);
    co_return std::move(value);
}

task<> nap(std::chrono::milliseconds time) { co_await rondo::sleep(time); }

task<int> square(int number) {
    co_await rondo::yield();
    co_return number* number;
}

task<int> lookup(int& target) {
    co_await rondo::yield();
    co_return target;
}

task<> keeps_a_local(lines& log, std::string name) {
    note_at_exit gone(log, name + " gone");
    tracked local(1);
    co_await rondo::sleep(1h);
    log.push_back(name + " goes on");
}

task<> gathers(int& target) {
    auto all =
        co_await when_all(give_after(1, 2ms), nap(1ms), give_after(std::make_unique<int>(3), 1ms), lookup(target));
    CHECK(std::get<0>(all) == 1);
    CHECK(std::get<1>(all) == std::monostate());
    CHECK(*std::get<2>(all) == 3);
    CHECK(std::get<3>(all) == target);

    const std::vector<int> squares = co_await when_all(std::views::iota(0, 4) | std::views::transform(square));
    CHECK(squares == std::vector<int>{0, 1, 4, 9});

    bounded_queue<int> queue(1);
    const auto both = co_await when_all(queue.pop(), queue.push(7), rondo::sleep(1ms));
    CHECK(std::get<0>(both) == 7);

    co_await when_all();
    co_await when_all(std::vector<task<>>());
}

task<> settles() {
    auto gone = rondo::spawn(nap(1h));
    co_await rondo::yield();
    gone.cancel();
    auto all = co_await when_all_settled(give_after(1, 1ms), gone.settled(), nap(1ms));
    CHECK(std::get<0>(all).has_value());
    CHECK(std::get<0>(all).value() == 1);
    CHECK(std::get<1>(all).value().is_cancelled());
    CHECK(std::get<2>(all).has_value());
}

task<> victim(lines& log) {
    note_at_exit gone(log, "parent gone");
    co_await when_all(keeps_a_local(log, "a"), when_all_settled(keeps_a_local(log, "b"), nap(1ms)), rondo::sleep(1h));
    log.push_back("parent goes on");
}

task<> cancels(lines& log) {
    auto handle = rondo::spawn(victim(log));
    co_await rondo::sleep(5ms);
    CHECK(tracked::live() == 2);
    handle.cancel();
    CHECK(handle.done());
    CHECK(tracked::live() == 0);
}

task<int> tower(int height) {
    if (height == 0) {
        co_await rondo::yield();
        co_return 0;
    }
    const auto below = co_await when_all(tower(height - 1));
    co_return std::get<0>(below) + 1;
}

}  // namespace

TEST_CASE("when_all gives the results of tasks, ranges and operations") {
    int target = 5;
    rondo::testing::run(gathers(target));
}

TEST_CASE("when_all_settled tells of values and cancellations") { rondo::testing::run(settles()); }

TEST_CASE("cancelling the parent unwinds the children first") {
    lines log;
    rondo::testing::run(cancels(log));
    CHECK(log.size() == 3);
    CHECK(log.back() == "parent gone");
}

TEST_CASE("when_alls nest a thousand deep") { CHECK(rondo::testing::run(tower(1000)) == 1000); }

#if SUPPORT_HAS_FORK

namespace {

task<> joins_the_cancelled() {
    auto gone = rondo::spawn(nap(1h));
    gone.cancel();
    co_await when_all(nap(1ms), gone);
}

task<> awaits_the_consumed() {
    task<int> first = give_after(1, 1ms);
    const task<int> second = std::move(first);
    co_await when_all(std::move(first), nap(1ms));
}

task<> pushes_to_the_closed(bounded_queue<int>& queue) {
    queue.close();
    co_await when_all(nap(1ms), queue.push(1));
}

task<> takes_the_value_of_the_cancelled() {
    auto gone = rondo::spawn(nap(1h));
    gone.cancel();
    auto all = co_await when_all_settled(gone.settled());
    std::get<0>(all).value().value();
}

task<> no_frame() {
    const rondo::testing::fail_frame_allocation guard(2);
    co_await when_all(nap(1ms), nap(1ms));
}

}  // namespace

TEST_CASE("a failure that would be thrown calls the fatal hook with its text, and terminates") {
    const auto dies = [](auto body, const std::string& about) {
        const support::ending end = support::in_child(body);
        CHECK(end.terminated);
        CHECK(end.text.find(about) != std::string::npos);
    };
    dies([] { rondo::testing::run(joins_the_cancelled()); }, rondo::cancelled().what());
    dies([] { rondo::testing::run(awaits_the_consumed()); }, "task");
    dies(
        [] {
            bounded_queue<int> queue(1);
            rondo::testing::run(pushes_to_the_closed(queue));
        },
        rondo::queue_closed().what());
    dies([] { rondo::testing::run(takes_the_value_of_the_cancelled()); }, rondo::cancelled().what());
    dies([] { rondo::testing::run(no_frame()); }, "bad_alloc");
}

#endif
