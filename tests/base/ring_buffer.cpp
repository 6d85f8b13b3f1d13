// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <rondo/base/ring_buffer.hpp>

#include <support/leak_check.hpp>
#include <support/tracked.hpp>

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
                texts.pop_front();
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
        left.pop_front();
        left.emplace_back(4);
        CHECK(tracked::live() == 4);
    }
    CHECK(tracked::live() == 0);
}

TEST_CASE("a ring keeps move-only elements") {
    ring<std::unique_ptr<int>> owners(1);
    owners.emplace_back(std::make_unique<int>(5));
    const std::unique_ptr<int> out = std::move(owners.front());
    owners.pop_front();
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
    CHECK_THROWS_AS(ring<int>((std::size_t{0} - 1) / 2), std::bad_alloc);
}
