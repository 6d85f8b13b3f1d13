// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <support/leak_check.hpp>
#include <support/tracked.hpp>

#include <rondo/base/ring_buffer.hpp>

#include <catch2/catch_test_macros.hpp>

#include <deque>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>

using support::tracked;

namespace {

template <class T>
using ring = rondo::detail::ring_buffer<T>;

class throws_on_request {
public:
    explicit throws_on_request(bool now) {
        if (now) throw std::runtime_error("constructor");
    }

private:
    tracked counted_;
};

}  // namespace

TEST_CASE("a ring is empty at first and full at its capacity") {
    ring<int> numbers(2);
    CHECK(numbers.empty());
    CHECK(!numbers.full());
    CHECK(numbers.capacity() == 2);
    numbers.emplace_back(1);
    CHECK(!numbers.empty());
    CHECK(!numbers.full());
    numbers.emplace_back(2);
    CHECK(numbers.full());
    CHECK(numbers.size() == 2);
}

TEST_CASE("a ring gives back what came first, also around the corner and with room for one only") {
    for (const std::size_t capacity : {1U, 2U, 3U, 7U}) {
        ring<std::string> texts(capacity);
        std::deque<std::string> expected;
        std::mt19937 random(static_cast<unsigned>(capacity));
        for (int i = 0; i < 2'000; ++i) {
            if (!texts.full() && (texts.empty() || random() % 2 == 0)) {
                texts.emplace_back(std::to_string(i) + " is long enough to be allocated");
                expected.push_back(std::to_string(i) + " is long enough to be allocated");
            } else {
                if (texts.front() != expected.front()) FAIL("got " << texts.front());
                texts.pop();
                expected.pop_front();
            }
            if (texts.size() != expected.size()) FAIL("wrong size");
        }
    }
}

TEST_CASE("a ring destroys what is left in it") {
    {
        ring<tracked> left(4);
        for (int i = 0; i < 4; ++i) left.emplace_back(i);
        left.pop();
        left.emplace_back(4);
        left.promise();
        CHECK(tracked::live() == 4);
    }
    CHECK(tracked::live() == 0);
}

TEST_CASE("a ring keeps move-only elements") {
    ring<std::unique_ptr<int>> owners(1);
    owners.emplace_back(std::make_unique<int>(5));
    const std::unique_ptr<int> out = std::move(owners.front());
    owners.pop();
    CHECK(*out == 5);
}

TEST_CASE("a constructor that throws leaves the ring as it was") {
    ring<throws_on_request> some(2);
    some.emplace_back(false);
    CHECK_THROWS_AS(some.emplace_back(true), std::runtime_error);
    CHECK(some.size() == 1);
    some.emplace_back(false);
    CHECK(some.full());
}

TEST_CASE("a ring with more room than there is memory cannot be made") {
    struct much_of_it {
        char bytes[(std::size_t{0} - 1) / 64];
    };
    CHECK_THROWS_AS(ring<much_of_it>(128), std::bad_alloc);
}

TEST_CASE("what is promised is set apart in its order, keeps its place, and the newest of it can come back") {
    for (const std::size_t capacity : {1U, 2U, 3U, 5U, 8U}) {
        ring<tracked> elements(capacity);
        std::deque<std::pair<int, const tracked*>> open, promised;
        std::mt19937 random(static_cast<unsigned>(capacity));
        for (int i = 0; i < 10'000; ++i) {
            switch (random() % 5) {
                case 0:
                    if (elements.full()) break;
                    elements.emplace_back(i);
                    open.emplace_back(i, nullptr);
                    break;
                case 1:
                    if (elements.empty()) break;
                    elements.pop();
                    open.pop_front();
                    break;
                case 2:
                    if (elements.empty()) break;
                    open.front().second = &elements.front();
                    elements.promise();
                    promised.push_back(open.front());
                    open.pop_front();
                    break;
                case 3:
                    if (elements.promised() == 0) break;
                    elements.pop_promised();
                    promised.pop_front();
                    break;
                default:
                    if (elements.promised() == 0) break;
                    elements.take_promise_back();
                    open.push_front(promised.back());
                    promised.pop_back();
                    if (&elements.front() != open.front().second) FAIL("what came back was moved");
            }
            if (elements.size() != open.size() || elements.empty() != open.empty()) FAIL("wrong size");
            if (elements.promised() != promised.size()) FAIL("wrong number of promises");
            if (elements.full() != (open.size() + promised.size() == capacity)) FAIL("full, or not");
            if (!open.empty() && elements.front().number() != open.front().first) FAIL("wrong front");
            if (promised.empty()) continue;
            if (elements.promised_front().number() != promised.front().first) FAIL("wrong promise");
            if (&elements.promised_front() != promised.front().second) FAIL("what is promised was moved");
        }
    }
    CHECK(tracked::live() == 0);
}
