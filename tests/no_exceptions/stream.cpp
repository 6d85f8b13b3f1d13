// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// async_generator in a program built with -fno-exceptions -fno-rtti.

#include <support/clocks.hpp>
#include <support/in_child.hpp>
#include <support/journal.hpp>
#include <support/plain_test.hpp>
#include <support/tracked.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
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
using rondo::async_generator;
using rondo::event_loop;
using rondo::task;
using support::lines;
using support::note_at_exit;
using support::tracked;

void settle(event_loop& loop) {
    while (loop.poll() != 0) {
    }
}

async_generator<int> counts(int from, int to, bool waits) {
    const tracked local(1);
    for (int i = from; i < to; ++i) {
        if (waits) co_await rondo::sleep(1ms);
        co_yield i;
    }
}

async_generator<std::unique_ptr<int>> owned(async_generator<int> from) {
    for (;;) {
        const std::optional<int> value = co_await from.next();
        if (!value) break;
        co_yield std::make_unique<int>(*value);
    }
}

async_generator<int&> elements(std::vector<int>& of) {
    for (int& one : of) co_yield one;
}

async_generator<int> waits_for_ever(lines& log) {
    note_at_exit gone(log, "body gone");
    co_yield 1;
    co_await rondo::sleep(1h);
    co_yield 2;
}

task<> sums_up(async_generator<std::unique_ptr<int>> from, int& sum) {
    for (;;) {
        const std::optional<std::unique_ptr<int>> value = co_await from.next();
        if (!value) break;
        sum += **value;
    }
    const std::optional<std::unique_ptr<int>> end = co_await from.next();
    CHECK(!end);
}

task<> changes(std::vector<int>& all) {
    async_generator<int&> g = elements(all);
    for (;;) {
        const std::optional<std::reference_wrapper<int>> one = co_await g.next();
        if (!one) break;
        one->get() *= 2;
    }
}

task<> leaves_early() {
    async_generator<int> never_asked = counts(0, 3, false);
    async_generator<int> asked = counts(0, 3, false);
    const std::optional<int> value = co_await asked.next();
    CHECK(value == 0);
    CHECK(tracked::live() == 1);
    async_generator<int> moved = std::move(asked);
    const std::optional<int> next = co_await moved.next();
    CHECK(next == 1);
}

task<> takes_all(async_generator<int>& from, lines& log) {
    note_at_exit gone(log, "asker gone");
    for (;;) {
        const std::optional<int> value = co_await from.next();
        if (!value) break;
        log.push_back("got " + std::to_string(*value));
    }
}

task<> in_combinators() {
    async_generator<int> a = counts(0, 3, true);
    async_generator<int> b = counts(10, 13, false);
    const auto all = co_await rondo::when_all(a.next(), b.next());
    CHECK(std::get<0>(all) == 0);
    CHECK(std::get<1>(all) == 10);
    const auto first = co_await rondo::when_any(rondo::sleep(1h), b.next());
    CHECK(first.index() == 1);
    const std::optional<std::optional<int>> late = co_await rondo::try_with_timeout(0s, a.next());
    CHECK(!late);
}

[[maybe_unused]] task<> asks(async_generator<int>& from) { co_await from.next(); }

}  // namespace

TEST_CASE("generators give their values, waiting or not, and the end") {
    for (const bool waits : {false, true}) {
        int sum = 0;
        rondo::testing::run(sums_up(owned(counts(0, 1000, waits)), sum));
        CHECK(sum == 499'500);
    }
    std::vector<int> all{1, 2, 3};
    rondo::testing::run(changes(all));
    CHECK(all == std::vector<int>{2, 4, 6});
}

TEST_CASE("generators that are destroyed early run their destructors") { rondo::testing::run(leaves_early()); }

TEST_CASE("cancelling a next cancels the body first") {
    event_loop loop(support::virtual_time());
    lines log;
    async_generator<int> g = waits_for_ever(log);
    auto asker = loop.spawn(takes_all(g, log));
    settle(loop);
    asker.cancel();
    CHECK(asker.done());
    CHECK(log == lines{"got 1", "body gone", "asker gone"});
}

TEST_CASE("next in combinators") { rondo::testing::run(in_combinators()); }

#if SUPPORT_HAS_FORK

TEST_CASE("what would throw calls the fatal hook with the text of the exception, and terminates") {
    const auto dies = [](auto body, const std::string& about) {
        const support::ending end = support::in_child(body);
        CHECK(end.terminated);
        CHECK(end.text.find(about) != std::string::npos);
    };
    dies(
        [] {
            async_generator<int> g = counts(0, 1, false);
            const async_generator<int> moved = std::move(g);
            rondo::testing::run(asks(g));
        },
        "generator");
    dies(
        [] {
            event_loop loop(support::virtual_time());
            async_generator<int> g = counts(0, 1, true);
            loop.spawn(asks(g));
            loop.spawn(asks(g));
            settle(loop);
        },
        "next()");
    dies(
        [] {
            event_loop loop(support::virtual_time());
            async_generator<int> g = counts(0, 1, true);
            auto asker = loop.spawn(asks(g));
            settle(loop);
            asker.cancel();
            loop.run(asks(g));
        },
        rondo::cancelled().what());
    dies(
        [] {
            const rondo::testing::fail_frame_allocation guard(1);
            async_generator<int> (*volatile make)(int, int, bool) = counts;  // else clang does without the allocation
            const async_generator<int> g = make(0, 1, true);
        },
        "bad_alloc");
}

#endif
