// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// The scope primitives in a program built with -fno-exceptions -fno-rtti: those that throw nothing, and what becomes of a failure.

#include <support/clocks.hpp>
#include <support/in_child.hpp>
#include <support/journal.hpp>
#include <support/plain_test.hpp>
#include <support/tracked.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <cstddef>
#include <functional>
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

// ---- Races, groups and the rest ----

namespace {

task<> races() {
    auto first = co_await rondo::when_any(give_after(1, 2ms), give_after(std::make_unique<int>(2), 1ms), nap(1h));
    CHECK(first.index() == 1);
    CHECK(*std::get<1>(first) == 2);
    std::vector<task<int>> tasks;
    tasks.push_back(give_after(5, 3ms));
    tasks.push_back(give_after(6, 1ms));
    const auto one = co_await rondo::when_any(std::move(tasks));
    CHECK(one.index == 1);
    CHECK(one.value == 6);
    bounded_queue<int> queue(1);
    const auto granted = co_await rondo::when_any(queue.pop(), queue.push(3), rondo::sleep(1ms));
    CHECK(granted.index() <= 1);
}

task<> times_out(lines& log) {
    const std::optional<int> in_time = co_await rondo::try_with_timeout(2ms, give_after(1, 1ms));
    CHECK(in_time == 1);
    const std::optional<int> late = co_await rondo::try_with_timeout(2ms, give_after(1, 3ms));
    CHECK(!late);
    const bool ended = co_await rondo::try_with_timeout(2ms, keeps_a_local(log, "late"));
    CHECK(!ended);
    CHECK(log == lines{"late gone"});
    const int value = co_await rondo::with_timeout(1s, give_after(4, 1ms));
    CHECK(value == 4);
    const bool tried = co_await rondo::try_with_timeout(0s, nap(1ms));
    CHECK(!tried);
}

task<> groups(lines& log, int& target) {
    const int value = co_await rondo::with_task_group([&](rondo::task_group& group) -> task<int> {
        auto one = group.spawn(give_after(1, 1ms), "one");
        auto two = group.spawn(
            [](int number, int& place) -> task<int> {
                co_await rondo::sleep(1ms);
                place = number;
                co_return number;
            },
            2, std::ref(target));
        group.spawn(keeps_a_local(log, "child"));
        CHECK(group.size() == 3);
        const int sum = (co_await one) + (co_await two);
        group.cancel();
        CHECK(group.size() == 0);
        auto refused = group.spawn(give_after(3, 1ms));
        CHECK(refused.done());
        const rondo::outcome<int> ended = co_await refused.settled();
        CHECK(ended.is_cancelled());
        co_return sum;
    });
    CHECK(value == 3);
    CHECK(target == 2);
    CHECK(log == lines{"child gone"});
    int& same = co_await rondo::with_task_group([&](rondo::task_group&) -> task<int&> { co_return target; });
    CHECK(&same == &target);
}

task<> group_of_a_victim(lines& log) {
    const note_at_exit gone(log, "caller gone");
    co_await rondo::with_task_group([&](rondo::task_group& group) -> task<> {
        group.spawn(keeps_a_local(log, "child"));
        co_await rondo::sleep(1h);
    });
    log.push_back("caller goes on");
}

task<> cancels_a_group(lines& log) {
    auto handle = rondo::spawn(group_of_a_victim(log));
    co_await rondo::sleep(1ms);
    handle.cancel();
    CHECK(handle.done());
}

task<> commits(lines& log) {
    const note_at_exit gone(log, "gone");
    const int value = co_await rondo::uncancellable(give_after(1, 1ms));
    CHECK(value == 1);
    co_await rondo::uncancellable(nap(5ms));
    log.push_back("never");
}

task<> cancels_a_commit(lines& log) {
    auto handle = rondo::spawn(commits(log));
    co_await rondo::sleep(2ms);
    handle.cancel();
    CHECK(!handle.done());
    co_await rondo::sleep(5ms);
    CHECK(handle.done());
}

task<> note_after(lines& log, std::string text, std::chrono::milliseconds time) {
    co_await rondo::sleep(time);
    log.push_back(text);
}

task<> cleans_up(lines& log) {
    const auto cleanup = [&] { return note_after(log, "clean", 1ms); };
    const int value = co_await rondo::finally(give_after(6, 1ms), cleanup);
    CHECK(value == 6);
    co_await rondo::finally(keeps_a_local(log, "body"), cleanup);
    log.push_back("never");
}

task<> cancels_a_cleanup(lines& log) {
    auto handle = rondo::spawn(cleans_up(log));
    co_await rondo::sleep(10ms);
    handle.cancel();
    CHECK(!handle.done());
    co_await rondo::sleep(10ms);
    CHECK(handle.done());
}

task<> goes_through() {
    int running = 0;
    int most = 0;
    int sum = 0;
    const auto works = [&](int number) -> task<> {
        if (++running > most) most = running;
        co_await rondo::sleep(1ms);
        --running;
        sum += number;
    };
    co_await rondo::for_each_concurrent(std::views::iota(0, 10), 3, works);
    CHECK(sum == 45);
    CHECK(most == 3);
    co_await rondo::for_each_concurrent(std::vector<int>(), 3, works);

    const std::vector<int> squares =
        co_await rondo::when_all_limited(2, std::views::iota(0, 5) | std::views::transform(square));
    CHECK(squares == std::vector<int>{0, 1, 4, 9, 16});
    std::vector<task<>> naps;
    for (int i = 0; i < 3; ++i) naps.push_back(nap(1ms));
    co_await rondo::when_all_limited(5, std::move(naps));

    std::vector<task<int>> tasks;
    for (int i = 0; i < 3; ++i) tasks.push_back(give_after(i, std::chrono::milliseconds(3 - i)));
    std::vector<std::size_t> order;
    co_await rondo::for_each_completed(std::move(tasks), [&](std::size_t index, rondo::outcome<int> o) -> task<> {
        co_await rondo::sleep(1ms);
        CHECK(o.has_value());
        CHECK(o.value() == static_cast<int>(index));
        order.push_back(index);
    });
    CHECK(order == std::vector<std::size_t>{2, 1, 0});
}

}  // namespace

TEST_CASE("when_any gives the first to end, and its index") { rondo::testing::run(races()); }

TEST_CASE("try_with_timeout tells with an optional or a bool whether there was time") {
    lines log;
    rondo::testing::run(times_out(log));
}

TEST_CASE("with_task_group gives the body's result, and its handles theirs") {
    lines log;
    int target = 0;
    rondo::testing::run(groups(log, target));
}

TEST_CASE("a cancelled caller of with_task_group takes its children along") {
    lines log;
    rondo::testing::run(cancels_a_group(log));
    CHECK(log == lines{"child gone", "caller gone"});
}

TEST_CASE("an uncancellable operation ends before its caller is unwound") {
    lines log;
    rondo::testing::run(cancels_a_commit(log));
    CHECK(log == lines{"gone"});
}

TEST_CASE("a cleanup runs when its body ends and when it is cancelled") {
    lines log;
    rondo::testing::run(cancels_a_cleanup(log));
    CHECK(log == lines{"clean", "body gone", "clean"});
}

TEST_CASE("for_each_concurrent, when_all_limited and for_each_completed go through ranges") {
    rondo::testing::run(goes_through());
}

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

task<> takes_too_long() { co_await rondo::with_timeout(1ms, nap(1h)); }

task<> races_nobody() { co_await rondo::when_any(std::vector<task<int>>()); }

task<> joins_the_refused() {
    co_await rondo::with_task_group([](rondo::task_group& group) -> task<> {
        group.cancel();
        auto refused = group.spawn(nap(1ms));
        co_await refused;
    });
}

task<> spawns_nothing() {
    co_await rondo::with_task_group([](rondo::task_group& group) -> task<> {
        task<> taken = nap(1ms);
        const task<> owner = std::move(taken);
        group.spawn(std::move(taken));
        co_return;
    });
}

task<> never_more_than_none() {
    co_await rondo::for_each_concurrent(std::vector<int>(), 0, [](int) { return nap(1ms); });
}
task<> never_more_than_none_of_all() { co_await rondo::when_all_limited(0, std::vector<task<>>()); }

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
    dies([] { rondo::testing::run(takes_too_long()); }, rondo::timeout_error().what());
    dies([] { rondo::testing::run(races_nobody()); }, "when_any of an empty range");
    dies([] { rondo::testing::run(joins_the_refused()); }, rondo::cancelled().what());
    dies([] { rondo::testing::run(spawns_nothing()); }, "this task is empty");
    dies([] { rondo::testing::run(never_more_than_none()); }, "a limit of zero");
    dies([] { rondo::testing::run(never_more_than_none_of_all()); }, "a limit of zero");
}

#endif
