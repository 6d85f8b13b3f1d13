// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// What ranges for_each_concurrent takes, and how long their elements live.

#include <support/clocks.hpp>
#include <support/journal.hpp>
#include <support/leak_check.hpp>
#include <support/tasks.hpp>
#include <support/tracked.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <list>
#include <map>
#include <memory>
#include <ranges>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using rondo::for_each_concurrent;
using rondo::task;
using support::lines;
using support::move_only_tracked;
using support::tracked;

constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max();

// Longer than what a std::string keeps within itself.
std::string long_word(int number) { return "a word that is too long for a short string: " + std::to_string(number); }

task<> note_later(lines& log, std::string text) {
    co_await rondo::sleep(1ms);
    log.push_back(text);
}

/// Refers to its argument for as long as it runs.
task<> refer_later(lines& log, const std::string& text) {
    co_await rondo::sleep(1ms);
    log.push_back(text);
}

}  // namespace

TEST_CASE("a range given as an lvalue is referred to, and its elements may be changed") {
    const auto main = []() -> task<> {
        std::vector<int> numbers{1, 2, 3};
        co_await for_each_concurrent(numbers, 2, [](int& number) -> task<> {
            co_await rondo::sleep(1ms);
            number *= 10;
        });
        CHECK(numbers == std::vector<int>{10, 20, 30});
        const std::list<int> fixed{1, 2, 3};
        int sum = 0;
        co_await for_each_concurrent(fixed, 2, [&](const int& number) -> task<> {
            co_await rondo::sleep(1ms);
            sum += number;
        });
        CHECK(sum == 6);
        int array[] = {4, 5};
        co_await for_each_concurrent(array, 2, [&](int number) -> task<> {
            sum += number;
            co_return;
        });
        CHECK(sum == 15);
    };
    rondo::testing::run(main());
}

TEST_CASE("a range given as an rvalue is kept until the end, and f may refer to its elements") {
    lines log;
    const auto main = [&]() -> task<> {
        std::vector<std::string> words;
        for (int i = 0; i < 4; ++i) words.push_back(long_word(i));
        co_await for_each_concurrent(std::move(words), 2,
                                     [&](const std::string& word) { return refer_later(log, word); });
        std::vector<tracked> values(3);
        co_await for_each_concurrent(std::move(values), 2, [](tracked& value) -> task<> {
            co_await rondo::yield();
            CHECK(value.number() == 0);
        });
        CHECK(tracked::live() == 0);
    };
    rondo::testing::run(main());
    CHECK(log == lines{long_word(0), long_word(1), long_word(2), long_word(3)});
}

TEST_CASE("containers of every kind are ranges") {
    int sum = 0;
    const auto add = [&](int number) -> task<> {
        co_await rondo::yield();
        sum += number;
    };
    const auto main = [&]() -> task<> {
        const std::array<int, 3> array{1, 2, 3};
        co_await for_each_concurrent(array, 2, add);
        const std::set<int> set{4, 5};
        co_await for_each_concurrent(set, 2, add);
        const std::map<std::string, int> map{{"six", 6}, {"seven", 7}};
        co_await for_each_concurrent(map, 2, [&](const auto& entry) { return add(entry.second); });
        std::vector<bool> flags{true, false, true};
        co_await for_each_concurrent(flags, 2, [&](bool flag) { return add(flag ? 1 : 0); });
        const std::initializer_list<int> list = {8, 9};
        co_await for_each_concurrent(list, 2, add);
    };
    rondo::testing::run(main());
    CHECK(sum == 6 + 9 + 13 + 2 + 17);
}

TEST_CASE("move-only elements may be referred to and moved out") {
    const auto main = []() -> task<> {
        std::vector<move_only_tracked> values;
        for (int i = 0; i < 4; ++i) values.emplace_back(i);
        std::vector<std::unique_ptr<move_only_tracked>> taken;
        co_await for_each_concurrent(values, 2, [&](move_only_tracked& value) -> task<> {
            co_await rondo::sleep(1ms);
            taken.push_back(std::make_unique<move_only_tracked>(std::move(value)));
        });
        CHECK(taken.size() == 4);
        CHECK(taken.at(3)->number() == 3);
        CHECK(values.at(3).number() == tracked::moved_from);

        std::vector<std::unique_ptr<int>> owners;
        owners.push_back(std::make_unique<int>(5));
        auto given_away =
            std::ranges::subrange(std::make_move_iterator(owners.begin()), std::make_move_iterator(owners.end()));
        int seen = 0;
        const auto takes = [&](std::unique_ptr<int> owner) -> task<> {
            co_await rondo::sleep(1ms);
            seen = *owner;
        };
        co_await for_each_concurrent(given_away, 2, takes);
        CHECK(seen == 5);
    };
    rondo::testing::run(main());
}

TEST_CASE("views make elements, which may be taken by value") {
    lines log;
    const auto main = [&]() -> task<> {
        co_await for_each_concurrent(std::views::iota(0, 6) | std::views::filter([](int n) { return n % 2 == 0; }) |
                                         std::views::transform(long_word),
                                     2, [&](std::string word) { return note_later(log, std::move(word)); });
    };
    rondo::testing::run(main());
    CHECK(log == lines{long_word(0), long_word(2), long_word(4)});
}

TEST_CASE("an element that a view makes lives until what f gave for it has ended") {
    lines log;
    const auto main = [&]() -> task<> {
        co_await for_each_concurrent(std::views::iota(0, 3) | std::views::transform(long_word), 2,
                                     [&](const std::string& word) { return refer_later(log, word); });
    };
    rondo::testing::run(main());
    CHECK(log == lines{long_word(0), long_word(1), long_word(2)});
}

TEST_CASE("a view with a sentinel of another type is a range") {
    int sum = 0;
    const auto main = [&]() -> task<> {
        const auto small = [](int number) { return number < 5; };
        co_await for_each_concurrent(std::views::iota(0) | std::views::take_while(small), 2, [&](int number) -> task<> {
            co_await rondo::yield();
            sum += number;
        });
    };
    rondo::testing::run(main());
    CHECK(sum == 10);
}

TEST_CASE("an endless range goes on until something fails or it is cancelled") {
    int last = 0;
    const auto main = [&]() -> task<> {
        const bool ended =
            co_await rondo::try_with_timeout(5ms, for_each_concurrent(std::views::iota(0), 2, [&](int number) {
                                                 last = number;
                                                 return rondo::sleep(1ms);
                                             }));
        CHECK(!ended);
    };
    rondo::testing::run(main());
    CHECK(last >= 9);
    CHECK(last <= 11);
}

TEST_CASE("an input range is read once, as far as there is room") {
    lines log;
    std::istringstream words("a b c d");
    const auto main = [&]() -> task<> {
        co_await for_each_concurrent(
            std::ranges::subrange(std::istream_iterator<std::string>(words), std::istream_iterator<std::string>()), 2,
            [&](std::string word) { return note_later(log, std::move(word)); });
    };
    rondo::testing::run(main());
    CHECK(log == lines{"a", "b", "c", "d"});
}

TEST_CASE("an element of an input range lives until what f gave for it has ended") {
    lines log;
    std::istringstream words("a b c d");
    const auto main = [&]() -> task<> {
        co_await for_each_concurrent(std::ranges::istream_view<std::string>(words), 2,
                                     [&](const std::string& word) { return refer_later(log, word); });
    };
    rondo::testing::run(main());
    CHECK(log == lines{"a", "b", "c", "d"});
}

TEST_CASE("an input range with fewer elements than the limit has no more workers than elements") {
    lines log;
    for (const std::size_t limit : {std::size_t(1'000'000), no_limit}) {
        std::istringstream words("a b");
        log.clear();
        const auto main = [&]() -> task<> {
            std::size_t most = 0;
            const std::size_t before = rondo::testing::live_frames();
            co_await for_each_concurrent(std::ranges::istream_view<std::string>(words), limit,
                                         [&](const std::string& word) {
                                             const std::size_t frames = rondo::testing::live_frames() - before;
                                             if (frames > most) most = frames;
                                             log.push_back(word);
                                             return rondo::sleep(1ms);
                                         });
            CHECK(most <= 4);
        };
        rondo::testing::run(main());
        CHECK(log == lines{"a", "b"});
    }
}

TEST_CASE("f may give a reference to something to await") {
    const auto main = []() -> task<> {
        std::vector<rondo::join_handle<>> handles;
        for (int i = 1; i < 4; ++i) handles.push_back(rondo::spawn(support::nap(std::chrono::milliseconds(i))));
        co_await for_each_concurrent(handles, 2,
                                     [](rondo::join_handle<>& handle) -> rondo::join_handle<>& { return handle; });
        for (const auto& handle : handles) CHECK(handle.done());
    };
    rondo::testing::run(main());
}
