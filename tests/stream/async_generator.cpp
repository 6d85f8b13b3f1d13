// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <support/allocations.hpp>
#include <support/clocks.hpp>
#include <support/journal.hpp>
#include <support/leak_check.hpp>
#include <support/tasks.hpp>
#include <support/tracked.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using rondo::async_generator;
using rondo::event_loop;
using rondo::task;
using support::lines;
using support::move_only_tracked;
using support::note_at_exit;
using support::tracked;
using numbers = std::vector<int>;

template <class T>
using given = rondo::await_result_t<decltype(std::declval<async_generator<T>&>().next())>;

static_assert(std::is_same_v<given<int>, std::optional<int>>);
static_assert(std::is_same_v<given<std::unique_ptr<int>>, std::optional<std::unique_ptr<int>>>);
static_assert(std::is_same_v<given<int&>, std::optional<std::reference_wrapper<int>>>);
static_assert(std::is_same_v<given<const int&>, std::optional<std::reference_wrapper<const int>>>);
static_assert(!std::is_copy_constructible_v<async_generator<int>> && !std::is_copy_assignable_v<async_generator<int>>);
static_assert(std::is_nothrow_move_constructible_v<async_generator<int>>);
static_assert(std::is_nothrow_move_assignable_v<async_generator<int>>);
static_assert(!std::is_default_constructible_v<async_generator<int>>);
static_assert(!rondo::awaitable<async_generator<int>>);

// A temporary of such a type in a co_await expression is destroyed twice by g++ 11 and 12.
static_assert(!std::is_aggregate_v<decltype(std::declval<async_generator<std::string>&>().next())>);

void settle(event_loop& loop) {
    while (loop.poll() != 0) {
    }
}

async_generator<int> counts(int from, int to) {
    for (int i = from; i < to; ++i) co_yield i;
}

async_generator<int> counts_slowly(int from, int to) {
    for (int i = from; i < to; ++i) {
        co_await rondo::sleep(1ms);
        co_yield i;
    }
}

async_generator<int> yields_nothing() { co_return; }

// Takes all values of a generator.
template <class T>
task<std::vector<T>> collect(async_generator<T> from) {
    std::vector<T> all;
    for (;;) {
        std::optional<T> value = co_await from.next();
        if (!value) break;
        all.push_back(std::move(*value));
    }
    co_return all;
}

}  // namespace

// ---- Values ----

TEST_CASE("a generator gives its values in order, and nothing after the end, as often as it is asked") {
    auto main = []() -> task<> {
        async_generator<int> g = counts(1, 4);
        for (int expected = 1; expected < 4; ++expected) {
            const std::optional<int> value = co_await g.next();
            CHECK(value == expected);
        }
        for (int i = 0; i < 3; ++i) {
            const std::optional<int> end = co_await g.next();
            CHECK(!end);
        }
    };
    rondo::testing::run(main());
}

TEST_CASE("a generator without values ends at once") {
    CHECK(rondo::testing::run(collect(yields_nothing())).empty());
    CHECK(rondo::testing::run(collect(counts(3, 3))).empty());
}

TEST_CASE("the loop of the documentation takes every value, also of a type with a destructor") {
    auto words = []() -> async_generator<std::string> {
        co_yield "a word that is too long for the small string optimisation";
        co_await rondo::yield();
        co_yield "another word of that kind, or a little longer";
    };
    auto main = [&]() -> task<> {
        async_generator<std::string> g = words();
        std::size_t length = 0;
        int count = 0;
        while (auto word = co_await g.next()) {
            length += word->size();
            ++count;
        }
        CHECK(count == 2);
        CHECK(length == 57 + 45);
    };
    rondo::testing::run(main());
}

TEST_CASE("a generator is lazy: nothing runs before the first next, nor beyond the value that is asked for") {
    auto body = [](lines& log) -> async_generator<int> {
        log.push_back("starts");
        co_yield 1;
        log.push_back("goes on");
        co_yield 2;
        log.push_back("ends");
    };
    auto main = [&](lines& log) -> task<> {
        async_generator<int> g = body(log);
        co_await rondo::yield();
        CHECK(log.empty());
        for (std::size_t expected = 1; expected <= 3; ++expected) {
            const std::optional<int> value = co_await g.next();
            CHECK(log.size() == expected);
            CHECK(value.has_value() == (expected < 3));
            co_await rondo::yield();
            CHECK(log.size() == expected);
        }
        CHECK(log == lines{"starts", "goes on", "ends"});
    };
    lines log;
    rondo::testing::run(main(log));
}

TEST_CASE("a next that need not wait lets nothing else run in between") {
    auto main = [](lines& log) -> task<> {
        rondo::spawn(support::note(log, "other"));
        async_generator<int> g = counts(0, 3);
        for (;;) {
            const std::optional<int> value = co_await g.next();
            if (!value) break;
            log.push_back(std::to_string(*value));
        }
        co_await rondo::yield();
    };
    lines log;
    rondo::testing::run(main(log));
    CHECK(log == lines{"0", "1", "2", "other"});
}

TEST_CASE("a next whose body waits goes on in the step in which the body yields or ends") {
    auto body = [](lines& log) -> async_generator<int> {
        co_await rondo::yield();
        log.push_back("yields");
        co_yield 1;
        co_await rondo::yield();
        log.push_back("ends");
    };
    auto asks = [&](lines& log) -> task<> {
        async_generator<int> g = body(log);
        const std::optional<int> value = co_await g.next();
        log.push_back(value ? "got it" : "?");
        const std::optional<int> end = co_await g.next();
        log.push_back(end ? "?" : "got the end");
    };
    auto main = [&](lines& log) -> task<> {
        auto asker = rondo::spawn(asks(log));
        auto other = rondo::spawn(support::rounds(log, "other ", 3));
        co_await asker;
        co_await other;
    };
    lines log;
    rondo::testing::run(main(log));
    CHECK(log == lines{"other 1", "yields", "got it", "other 2", "ends", "got the end", "other 3"});
}

TEST_CASE("time passes between the values of a body that sleeps") {
    auto main = []() -> task<> {
        const auto start = event_loop::current().now();
        const numbers all = co_await collect(counts_slowly(0, 5));
        CHECK(all == numbers{0, 1, 2, 3, 4});
        CHECK(event_loop::current().now() - start == 5ms);
    };
    rondo::testing::run(main());
}

TEST_CASE("values may be move-only, and neither default-constructible nor assignable") {
    class plain {
    public:
        explicit plain(int n) : number(n) {}
        plain(plain&&) = default;
        plain& operator=(plain&&) = delete;
        int number;

    private:
        tracked life_;
    };
    auto owned = []() -> async_generator<std::unique_ptr<int>> {
        co_yield std::make_unique<int>(1);
        auto named = std::make_unique<int>(2);
        co_yield std::move(named);
        CHECK(!named);
    };
    auto plains = []() -> async_generator<plain> {
        for (int i = 1; i <= 3; ++i) co_yield plain(i);
    };
    auto main = [&]() -> task<> {
        async_generator<std::unique_ptr<int>> g = owned();
        const std::optional<std::unique_ptr<int>> one = co_await g.next();
        CHECK(**one == 1);
        const std::optional<std::unique_ptr<int>> two = co_await g.next();
        CHECK(**two == 2);
        const std::optional<std::unique_ptr<int>> end = co_await g.next();
        CHECK(!end);
        async_generator<plain> p = plains();
        const std::optional<plain> first = co_await p.next();
        CHECK(first->number == 1);
        const std::optional<plain> second = co_await p.next();
        CHECK(second->number == 2);
    };
    rondo::testing::run(main());
}

TEST_CASE("what is yielded is converted to the type of the generator") {
    auto texts = [](std::string_view view) -> async_generator<std::string> {
        co_yield "literal";
        const std::string kept = "kept";
        co_yield kept;
        co_yield kept;
        co_yield std::string(view);
        co_yield std::string(3, 'x');
    };
    auto wide = []() -> async_generator<double> {
        co_yield 1;
        co_yield 2.5F;
    };
    auto optionals = []() -> async_generator<std::optional<int>> {
        co_yield std::nullopt;
        co_yield 5;
    };
    auto main = [&]() -> task<> {
        const std::vector<std::string> all = co_await collect(texts("view"));
        CHECK(all == std::vector<std::string>{"literal", "kept", "kept", "view", "xxx"});
        const std::vector<double> doubles = co_await collect(wide());
        CHECK(doubles == std::vector<double>{1, 2.5});
        const std::vector<std::optional<int>> maybe = co_await collect(optionals());
        CHECK(maybe == std::vector<std::optional<int>>{std::nullopt, 5});
    };
    rondo::testing::run(main());
}

TEST_CASE("a lvalue that is yielded by value is copied and stays as it was") {
    auto body = [](std::string& kept) -> async_generator<std::string> {
        co_yield kept;
        co_yield kept;
    };
    auto main = [&]() -> task<> {
        std::string kept = "kept, and too long for the small string optimisation";
        const std::vector<std::string> all = co_await collect(body(kept));
        CHECK(all == std::vector<std::string>{kept, kept});
        CHECK(!kept.empty());
    };
    rondo::testing::run(main());
}

TEST_CASE("references are given as such: nothing is copied, and what is changed is changed") {
    auto elements = [](std::vector<tracked>& of) -> async_generator<tracked&> {
        for (tracked& one : of) co_yield one;
    };
    auto views = [](const numbers& of) -> async_generator<const int&> {
        for (const int& one : of) {
            co_await rondo::yield();
            co_yield one;
        }
    };
    auto main = [&]() -> task<> {
        std::vector<tracked> all;
        for (int i = 0; i < 3; ++i) all.emplace_back(i);
        async_generator<tracked&> g = elements(all);
        for (tracked& expected : all) {
            const std::optional<std::reference_wrapper<tracked>> one = co_await g.next();
            REQUIRE(one);
            CHECK(&one->get() == &expected);
            one->get() = tracked(7);
            CHECK(tracked::live() == 3);
        }
        CHECK(all[2].number() == 7);
        const numbers two(2, 4);
        async_generator<const int&> v = views(two);
        for (const int& expected : two) {
            const std::optional<std::reference_wrapper<const int>> one = co_await v.next();
            CHECK(&one->get() == &expected);
        }
    };
    rondo::testing::run(main());
}

TEST_CASE("a value lives with the one who asked, not with the body") {
    auto body = []() -> async_generator<tracked> {
        co_yield tracked(1);
        CHECK(tracked::live() == 0);
        co_yield tracked(2);
    };
    auto main = [&]() -> task<> {
        std::optional<async_generator<tracked>> g(body());
        {
            const std::optional<tracked> one = co_await g->next();
            CHECK(one->number() == 1);
            CHECK(tracked::live() == 2);  // the other is the operand of co_yield
        }
        const std::optional<tracked> two = co_await g->next();
        g.reset();
        CHECK(two->number() == 2);
        CHECK(tracked::live() == 1);
    };
    rondo::testing::run(main());
}

namespace {

class throws_when_moved {
public:
    throws_when_moved(int n, int at) : number_(n), in_(at) {}
    throws_when_moved(throws_when_moved&& other) : number_(other.number_), in_(other.in_ - 1) {
        if (in_ == 0) throw std::runtime_error("moved " + std::to_string(number_));
    }
    int number() const { return number_; }

private:
    int number_;
    int in_;  // moves left
    tracked life_;
};

}  // namespace

TEST_CASE("a value whose move into the body's frame throws is the body's to deal with") {
    auto body = [](lines& log) -> async_generator<throws_when_moved> {
        try {
            co_yield throws_when_moved(1, 1);
        } catch (const std::runtime_error& error) {
            log.push_back(error.what());
        }
        co_yield throws_when_moved(2, -1);
    };
    auto main = [&](lines& log) -> task<> {
        async_generator<throws_when_moved> g = body(log);
        const std::optional<throws_when_moved> value = co_await g.next();
        CHECK(value->number() == 2);
    };
    lines log;
    rondo::testing::run(main(log));
    CHECK(log == lines{"moved 1"});
}

TEST_CASE("a value whose move out throws is the asker's to deal with, and the generator goes on") {
    auto body = []() -> async_generator<throws_when_moved> {
        co_yield throws_when_moved(1, 2);
        co_yield throws_when_moved(2, -1);
    };
    auto main = [&]() -> task<> {
        async_generator<throws_when_moved> g = body();
        bool caught = false;
        try {
            const std::optional<throws_when_moved> lost = co_await g.next();
        } catch (const std::runtime_error&) {
            caught = true;
        }
        CHECK(caught);
        const std::optional<throws_when_moved> value = co_await g.next();
        CHECK(value->number() == 2);
        const std::optional<throws_when_moved> end = co_await g.next();
        CHECK(!end);
    };
    rondo::testing::run(main());
}

// ---- Exceptions ----

namespace {

async_generator<int> fails_after(int count, bool waits) {
    for (int i = 0; i < count; ++i) co_yield i;
    if (waits) co_await rondo::sleep(1ms);
    throw std::runtime_error("failed");
}

}  // namespace

TEST_CASE("an exception comes out once, where it belongs, and the generator is empty ever after") {
    auto main = [](int count, bool waits) -> task<> {
        async_generator<int> g = fails_after(count, waits);
        for (int i = 0; i < count; ++i) {
            const std::optional<int> value = co_await g.next();
            CHECK(value == i);
        }
        std::string what;
        try {
            co_await g.next();
        } catch (const std::runtime_error& error) {
            what = error.what();
        }
        CHECK(what == "failed");
        for (int i = 0; i < 3; ++i) {
            const std::optional<int> end = co_await g.next();
            CHECK(!end);
        }
    };
    for (const int count : {0, 1, 3}) {
        rondo::testing::run(main(count, false));
        rondo::testing::run(main(count, true));
    }
}

TEST_CASE("an exception that was not asked for is never thrown") {
    auto main = []() -> task<> {
        async_generator<int> g = fails_after(1, false);
        const std::optional<int> value = co_await g.next();
        CHECK(value == 0);
    };
    CHECK_NOTHROW(rondo::testing::run(main()));
}

TEST_CASE("a body that ends with an exception has run its destructors") {
    auto body = [](tracked) -> async_generator<int> {
        const tracked local(2);
        co_yield 1;
        throw std::runtime_error("failed");
    };
    auto main = [&]() -> task<> {
        async_generator<int> g = body(tracked(1));
        const std::optional<int> value = co_await g.next();
        CHECK(value == 1);
        CHECK(tracked::live() == 2);
        bool caught = false;
        try {
            co_await g.next();
        } catch (const std::runtime_error&) {
            caught = true;
        }
        CHECK(caught);
        CHECK(tracked::live() == 0);
    };
    rondo::testing::run(main());
}

TEST_CASE("a body may catch what its own operations throw, and yield on") {
    auto body = []() -> async_generator<int> {
        co_yield 1;
        bool caught = false;
        try {
            co_await support::fail("inside");
        } catch (const std::runtime_error&) {
            caught = true;
        }
        if (caught) co_yield 2;
    };
    CHECK(rondo::testing::run(collect(body())) == numbers{1, 2});
}

TEST_CASE("a body that has ended keeps nothing: its frame and its arguments are gone with the last next") {
    auto body = [](tracked) -> async_generator<int> { co_yield 1; };
    auto main = [&]() -> task<> {
        const std::size_t before = rondo::testing::live_frames();
        async_generator<int> g = body(tracked(1));
        const std::optional<int> value = co_await g.next();
        CHECK(value == 1);
        CHECK(rondo::testing::live_frames() == before + 1);
        const std::optional<int> end = co_await g.next();
        CHECK(!end);
        CHECK(rondo::testing::live_frames() == before);
        CHECK(tracked::live() == 0);
    };
    rondo::testing::run(main());
}

// ---- Destroyed early ----

namespace {

async_generator<int> tells_when_it_goes(lines& log, tracked argument, int steps) {
    note_at_exit outer(log, "outer gone");
    const tracked local(argument.number());
    for (int i = 0; i < steps; ++i) {
        note_at_exit inner(log, "inner gone");
        co_yield i;
    }
}

}  // namespace

TEST_CASE("a generator that is destroyed before the start destroys its arguments, and runs nothing") {
    lines log;
    {
        const async_generator<int> g = tells_when_it_goes(log, tracked(1), 1);
        CHECK(tracked::live() == 1);
    }
    CHECK(tracked::live() == 0);
    CHECK(log.empty());
}

TEST_CASE("a generator that is destroyed at a co_yield runs the destructors of its body, innermost first") {
    auto main = [](lines& log) -> task<> {
        {
            async_generator<int> g = tells_when_it_goes(log, tracked(1), 5);
            const std::optional<int> value = co_await g.next();
            CHECK(value == 0);
            CHECK(tracked::live() == 2);
        }
        CHECK(tracked::live() == 0);
        CHECK(log == lines{"inner gone", "outer gone"});
        co_return;
    };
    lines log;
    rondo::testing::run(main(log));
}

TEST_CASE("a generator may outlive its loop, wherever its body stands") {
    lines log;
    std::optional<async_generator<int>> started(tells_when_it_goes(log, tracked(1), 5));
    std::optional<async_generator<int>> ended(counts(0, 0));
    auto asks = [](async_generator<int>& g) -> task<std::optional<int>> { co_return co_await g.next(); };
    CHECK(rondo::testing::run(asks(*started)) == 0);
    CHECK(rondo::testing::run(asks(*ended)) == std::nullopt);
    CHECK(tracked::live() == 2);
    CHECK(rondo::testing::run(asks(*started)) == 1);  // and may be asked in the next one
    CHECK(log == lines{"inner gone"});
    started.reset();
    ended.reset();
    CHECK(log == lines{"inner gone", "inner gone", "outer gone"});
}

TEST_CASE("a body's destructors may use the loop when its generator is destroyed in a task") {
    auto body = [](lines& log) -> async_generator<int> {
        support::call_at_exit spawns([&] { rondo::spawn(support::note(log, "spawned by a destructor")); });
        co_yield 1;
    };
    auto main = [&](lines& log) -> task<> {
        {
            async_generator<int> g = body(log);
            const std::optional<int> value = co_await g.next();
            CHECK(value == 1);
        }
        co_await rondo::yield();
        co_await rondo::yield();
    };
    lines log;
    rondo::testing::run(main(log));
    CHECK(log == lines{"spawned by a destructor"});
}

// ---- Moved ----

TEST_CASE("a generator that is moved takes its body along") {
    auto main = []() -> task<> {
        async_generator<int> one = counts(0, 10);
        const std::optional<int> a = co_await one.next();
        async_generator<int> two = std::move(one);
        const std::optional<int> b = co_await two.next();
        async_generator<int> three = counts(100, 200);
        const std::optional<int> c = co_await three.next();
        three = std::move(two);
        const std::optional<int> d = co_await three.next();
        CHECK(a == 0);
        CHECK(b == 1);
        CHECK(c == 100);
        CHECK(d == 2);
        async_generator<int>& same = three;
        three = std::move(same);
        const std::optional<int> e = co_await three.next();
        CHECK(e == 3);
        one = std::move(three);
        const std::optional<int> f = co_await one.next();
        CHECK(f == 4);
    };
    rondo::testing::run(main());
}

TEST_CASE("assigning to a generator destroys the body that was there") {
    auto main = [](lines& log) -> task<> {
        async_generator<int> g = tells_when_it_goes(log, tracked(1), 5);
        const std::optional<int> value = co_await g.next();
        CHECK(value == 0);
        g = counts(7, 8);
        CHECK(log == lines{"inner gone", "outer gone"});
        const std::optional<int> other = co_await g.next();
        CHECK(other == 7);
    };
    lines log;
    rondo::testing::run(main(log));
}

TEST_CASE("a generator that was moved from throws std::logic_error, until it is assigned to") {
    auto main = []() -> task<> {
        async_generator<int> one = counts(0, 2);
        async_generator<int> two = std::move(one);
        bool caught = false;
        try {
            co_await one.next();
        } catch (const std::logic_error&) {
            caught = true;
        }
        CHECK(caught);
        const std::optional<int> value = co_await two.next();
        CHECK(value == 0);
        one = std::move(two);
        const std::optional<int> next = co_await one.next();
        CHECK(next == 1);
        const std::optional<int> end = co_await one.next();
        CHECK(!end);
        async_generator<int> three = std::move(one);  // an ended one as well
        caught = false;
        try {
            co_await one.next();
        } catch (const std::logic_error&) {
            caught = true;
        }
        CHECK(caught);
        const std::optional<int> again = co_await three.next();
        CHECK(!again);
    };
    rondo::testing::run(main());
}

TEST_CASE("a generator may move while a next waits, which gets its value, and whose generator goes on") {
    event_loop loop(support::virtual_time());
    numbers got;
    std::optional<async_generator<int>> here(counts_slowly(0, 3));
    auto asks = [](async_generator<int>& g, numbers& out) -> task<> {
        const std::optional<int> value = co_await g.next();
        out.push_back(value.value_or(-1));
    };
    auto asker = loop.spawn(asks(*here, got));
    settle(loop);
    CHECK(!asker.done());
    async_generator<int> there = std::move(*here);
    here.reset();
    async_generator<int> third = std::move(there);
    there = counts(0, 1);
    loop.run();
    CHECK(got == numbers{0});
    loop.run(asks(third, got));
    loop.run(asks(third, got));
    loop.run(asks(third, got));
    CHECK(got == numbers{0, 1, 2, -1});
}

TEST_CASE("a generator may be destroyed while a next waits, which still gets its value; the body goes then") {
    event_loop loop(support::virtual_time());
    lines log;
    auto body = [](lines& out) -> async_generator<int> {
        note_at_exit gone(out, "body gone");
        co_await rondo::sleep(1ms);
        co_yield 5;
        out.push_back("never");
    };
    std::optional<async_generator<int>> g(body(log));
    auto asks = [](async_generator<int>& from, lines& out) -> task<> {
        const std::optional<int> value = co_await from.next();
        out.push_back("got " + std::to_string(value.value_or(-1)));
    };
    auto asker = loop.spawn(asks(*g, log));
    settle(loop);
    g.reset();
    CHECK(log.empty());
    loop.run();
    CHECK(asker.done());
    CHECK(log == lines{"body gone", "got 5"});
}

TEST_CASE("a next whose generator is gone hears of the end, and of an exception") {
    for (const bool fails : {false, true}) {
        event_loop loop(support::virtual_time());
        lines log;
        auto body = [](bool throws) -> async_generator<int> {
            const tracked local(1);
            co_await rondo::sleep(1ms);
            if (throws) throw std::runtime_error("failed");
        };
        std::optional<async_generator<int>> g(body(fails));
        auto asks = [](async_generator<int>& from, lines& out) -> task<> {
            try {
                const std::optional<int> value = co_await from.next();
                out.push_back(value ? "?" : "end");
            } catch (const std::runtime_error& error) {
                out.push_back(error.what());
            }
        };
        loop.spawn(asks(*g, log));
        settle(loop);
        g.reset();
        loop.run();
        CHECK(log == lines{fails ? "failed" : "end"});
        CHECK(tracked::live() == 0);
    }
}

TEST_CASE("a body may destroy or move its own generator while it runs") {
    auto destroys = [](std::optional<async_generator<int>>& self, bool waits, lines& log) -> async_generator<int> {
        note_at_exit gone(log, "body gone");
        if (waits) co_await rondo::yield();
        self.reset();
        log.push_back("reset");
        co_yield 1;
        log.push_back("never");
    };
    auto moves = [](std::optional<async_generator<int>>& self, std::optional<async_generator<int>>& to,
                    bool waits) -> async_generator<int> {
        if (waits) co_await rondo::yield();
        to.emplace(std::move(*self));
        co_yield 1;
        co_yield 2;
    };
    auto main = [&](bool waits) -> task<> {
        lines log;
        std::optional<async_generator<int>> g;
        g.emplace(destroys(g, waits, log));
        const std::optional<int> last = co_await g->next();
        CHECK(last == 1);
        CHECK(log == lines{"reset", "body gone"});
        std::optional<async_generator<int>> from, to;
        from.emplace(moves(from, to, waits));
        const std::optional<int> one = co_await from->next();
        const std::optional<int> two = co_await to->next();
        CHECK(one == 1);
        CHECK(two == 2);
    };
    rondo::testing::run(main(false));
    rondo::testing::run(main(true));
}

// ---- One next at a time ----

TEST_CASE("a second next at once throws std::logic_error, and does not disturb the first") {
    event_loop loop(support::virtual_time());
    lines log;
    async_generator<int> g = counts_slowly(1, 3);
    auto asks = [](async_generator<int>& from, lines& out) -> task<> {
        try {
            const std::optional<int> value = co_await from.next();
            out.push_back(std::to_string(value.value_or(-1)));
        } catch (const std::logic_error&) {
            out.push_back("logic_error");
        }
    };
    loop.spawn(asks(g, log));
    loop.spawn(asks(g, log));
    settle(loop);
    CHECK(log == lines{"logic_error"});
    loop.run();
    CHECK(log == lines{"logic_error", "1"});
    loop.run(asks(g, log));
    CHECK(log == lines{"logic_error", "1", "2"});
}

TEST_CASE("a body that asks its own generator gets a std::logic_error") {
    auto body = [](std::optional<async_generator<int>>& self) -> async_generator<int> {
        bool caught = false;
        try {
            co_await self->next();
        } catch (const std::logic_error&) {
            caught = true;
        }
        co_yield caught ? 1 : 0;
    };
    auto main = [&]() -> task<> {
        std::optional<async_generator<int>> g;
        g.emplace(body(g));
        const std::optional<int> value = co_await g->next();
        CHECK(value == 1);
    };
    rondo::testing::run(main());
}

TEST_CASE("a next that is never awaited asks for nothing") {
    auto main = []() -> task<> {
        async_generator<int> g = counts(0, 3);
        {
            [[maybe_unused]] auto never = g.next();
            [[maybe_unused]] auto either = g.next();
        }
        const std::optional<int> value = co_await g.next();
        CHECK(value == 0);
    };
    rondo::testing::run(main());
}

TEST_CASE("tasks may ask a generator one after another, also on different loops") {
    async_generator<int> g = counts_slowly(0, 6);
    numbers got;
    auto asks = [](async_generator<int>& from, numbers& out) -> task<> {
        const std::optional<int> value = co_await from.next();
        out.push_back(value.value_or(-1));
    };
    event_loop here(support::virtual_time());
    event_loop there(support::virtual_time());
    for (int i = 0; i < 3; ++i) {
        here.run(asks(g, got));
        there.run(asks(g, got));
    }
    rondo::testing::run(asks(g, got));
    CHECK(got == numbers{0, 1, 2, 3, 4, 5, -1});
}

TEST_CASE("tasks share a generator under a mutex") {
    auto takes = [](rondo::mutex& m, async_generator<int>& from, numbers& out) -> task<> {
        for (;;) {
            std::optional<int> value;
            {
                auto guard = co_await m.scoped_lock();
                value = co_await from.next();
            }
            if (!value) break;
            out.push_back(*value);
        }
    };
    auto main = [&](numbers& all) -> task<> {
        rondo::mutex m;
        async_generator<int> g = counts_slowly(0, 30);
        co_await rondo::when_all(takes(m, g, all), takes(m, g, all), takes(m, g, all));
    };
    numbers all;
    rondo::testing::run(main(all));
    numbers expected;
    for (int i = 0; i < 30; ++i) expected.push_back(i);
    CHECK(all == expected);
}

// ---- Generators in generators ----

namespace {

async_generator<int> doubles(async_generator<int> from) {
    for (;;) {
        const std::optional<int> value = co_await from.next();
        if (!value) break;
        co_yield *value * 2;
    }
}

async_generator<int> both(async_generator<int> one, async_generator<int> two) {
    for (async_generator<int>* from : {&one, &two}) {
        for (;;) {
            const std::optional<int> value = co_await from->next();
            if (!value) break;
            co_yield *value;
        }
    }
}

async_generator<int> tower(int height, bool waits) {
    if (height == 0) {
        for (int i = 0; i < 3; ++i) {
            if (waits) co_await rondo::yield();
            co_yield i;
        }
        co_return;
    }
    async_generator<int> below = tower(height - 1, waits);
    for (;;) {
        const std::optional<int> value = co_await below.next();
        if (!value) break;
        co_yield *value + 1;
    }
}

async_generator<int> walks(int low, int high) {  // a tree, in order
    if (low >= high) co_return;
    const int middle = low + (high - low) / 2;
    async_generator<int> left = walks(low, middle);
    for (;;) {
        const std::optional<int> value = co_await left.next();
        if (!value) break;
        co_yield *value;
    }
    co_yield middle;
    async_generator<int> right = walks(middle + 1, high);
    for (;;) {
        const std::optional<int> value = co_await right.next();
        if (!value) break;
        co_yield *value;
    }
}

}  // namespace

TEST_CASE("generators feed on generators, which wait or do not") {
    CHECK(rondo::testing::run(collect(doubles(counts(1, 4)))) == numbers{2, 4, 6});
    CHECK(rondo::testing::run(collect(doubles(counts_slowly(1, 4)))) == numbers{2, 4, 6});
    CHECK(rondo::testing::run(collect(both(counts_slowly(0, 2), doubles(counts(1, 3))))) == numbers{0, 1, 2, 4});
    CHECK(rondo::testing::run(collect(both(counts(0, 2), doubles(counts_slowly(1, 3))))) == numbers{0, 1, 2, 4});
    numbers expected;
    for (int i = 0; i < 100; ++i) expected.push_back(i);
    CHECK(rondo::testing::run(collect(walks(0, 100))) == expected);
}

TEST_CASE("an exception travels through generators") {
    auto main = []() -> task<> {
        async_generator<int> g = doubles(doubles(fails_after(1, true)));
        const std::optional<int> value = co_await g.next();
        CHECK(value == 0);
        bool caught = false;
        try {
            co_await g.next();
        } catch (const std::runtime_error&) {
            caught = true;
        }
        CHECK(caught);
        const std::optional<int> end = co_await g.next();
        CHECK(!end);
    };
    rondo::testing::run(main());
}

TEST_CASE("generators nest a thousand deep, and are destroyed at any moment") {
    for (const bool waits : {false, true}) {
        CHECK(rondo::testing::run(collect(tower(1000, waits))) == numbers{1000, 1001, 1002});
        auto main = [](bool w) -> task<> {
            async_generator<int> g = tower(1000, w);
            const std::optional<int> value = co_await g.next();
            CHECK(value == 1000);
        };
        rondo::testing::run(main(waits));
    }
}

TEST_CASE("tasks that a body awaits may take and ask generators in their turn") {
    auto sums = [](int to) -> task<int> {
        async_generator<int> g = counts_slowly(0, to);
        int sum = 0;
        for (;;) {
            const std::optional<int> value = co_await g.next();
            if (!value) break;
            sum += *value;
        }
        co_return sum;
    };
    auto body = [&]() -> async_generator<int> {
        for (int i = 1; i <= 4; ++i) co_yield co_await sums(i);
    };
    CHECK(rondo::testing::run(collect(body())) == numbers{0, 1, 3, 6});
}

// ---- Stack and memory ----

namespace {

task<long long> sums_up(long long count, bool waits_at_times) {
    auto body = [](long long to, bool waits) -> async_generator<long long> {
        for (long long i = 0; i < to; ++i) {
            if (waits && i % 1000 == 0) co_await rondo::yield();
            co_yield i;
        }
    };
    async_generator<long long> g = body(count, waits_at_times);
    long long sum = 0;
    for (;;) {
        const std::optional<long long> value = co_await g.next();
        if (!value) break;
        sum += *value;
    }
    co_return sum;
}

task<std::size_t> counts_allocations() {
    async_generator<int> g = counts(0, 1000);
    const std::size_t before = support::allocations::count();
    for (int i = 0; i < 1000; ++i) {
        const std::optional<int> value = co_await g.next();
        if (value != i) co_return 1'000'000;
    }
    co_return support::allocations::count() - before;
}

task<std::size_t> counts_allocations_of_generators() {
    std::size_t last = 0;
    for (int round = 0; round < 3; ++round) {
        const std::size_t before = support::allocations::count();
        for (int i = 0; i < 100; ++i) {
            async_generator<int> g = counts(0, 3);
            co_await g.next();
        }
        last = support::allocations::count() - before;
    }
    co_return last;
}

}  // namespace

TEST_CASE("a million values that need no wait do not grow the stack") {
    CHECK(rondo::testing::run(sums_up(1'000'000, false)) == 499'999'500'000);
    CHECK(rondo::testing::run(sums_up(1'000'000, true)) == 499'999'500'000);
}

TEST_CASE("a million values pass through generators on generators") {
    auto main = []() -> task<> {
        async_generator<int> g = doubles(doubles(doubles(counts(0, 200'000))));
        long long sum = 0;
        for (;;) {
            const std::optional<int> value = co_await g.next();
            if (!value) break;
            sum += *value;
        }
        CHECK(sum == 8 * 19'999'900'000);
    };
    rondo::testing::run(main());
}

TEST_CASE("a value costs no allocation, and a generator's frame is recycled") {
    CHECK(rondo::testing::run(counts_allocations()) == 0);
    CHECK(rondo::testing::run(counts_allocations_of_generators()) == 0);
}

TEST_CASE("when there is no memory for a body, the call throws std::bad_alloc, and its arguments are destroyed") {
    lines log;
    const rondo::testing::fail_frame_allocation guard(1);
    // A call that the compiler cannot see through: else clang does without the allocation.
    async_generator<int> (*volatile make)(lines&, tracked, int) = tells_when_it_goes;
    CHECK_THROWS_AS(make(log, tracked(1), 1), std::bad_alloc);
    CHECK(tracked::live() == 0);
}

// ---- Reports ----

namespace {

unsigned line_of_sleep = 0;
unsigned line_of_next = 0;

async_generator<int> stuck_body() {
    line_of_sleep = __LINE__ + 1;
    co_await support::for_ever();
    co_yield 1;
}

task<> asks_the_stuck() {
    async_generator<int> g = stuck_body();
    line_of_next = __LINE__ + 1;
    co_await g.next();
}

}  // namespace

TEST_CASE("the stuck report names the line of the next and that where the body waits") {
    std::string report;
    try {
        rondo::testing::run(asks_the_stuck());
    } catch (const rondo::deadlock_error& error) {
        report = error.what();
    }
    INFO(report);
    CHECK(report.find("async_generator.cpp:" + std::to_string(line_of_sleep)) != std::string::npos);
    CHECK(report.find("async_generator.cpp:" + std::to_string(line_of_next)) != std::string::npos);
}
