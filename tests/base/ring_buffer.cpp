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
                if (texts[0] != expected.front()) FAIL("got " << texts[0]);
                texts.erase(0);
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
        left.erase(0);
        left.emplace_back(4);
        CHECK(tracked::live() == 4);
    }
    CHECK(tracked::live() == 0);
}

TEST_CASE("a ring keeps move-only elements") {
    ring<std::unique_ptr<int>> owners(1);
    owners.emplace_back(std::make_unique<int>(5));
    const std::unique_ptr<int> out = std::move(owners[0]);
    owners.erase(0);
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

TEST_CASE("a ring gives away an element from further behind, and the others keep their order and their places") {
    for (const std::size_t capacity : {1U, 2U, 5U, 8U}) {
        ring<tracked> elements(capacity);
        std::deque<int> expected;
        std::mt19937 random(static_cast<unsigned>(capacity));
        for (int i = 0; i < 5'000; ++i) {
            if (!elements.full() && (elements.empty() || random() % 2 == 0)) {
                elements.emplace_back(i);
                expected.push_back(i);
            } else {
                const std::size_t n = random() % elements.size();
                const tracked* const neighbour = n > 0 ? &elements[0] : nullptr;
                elements.erase(n);
                expected.erase(expected.begin() + static_cast<std::ptrdiff_t>(n));
                if (neighbour != nullptr && neighbour != &elements[0]) FAIL("an element was moved");
            }
            for (std::size_t k = 0; k < expected.size(); ++k)
                if (elements[k].number() != expected[k]) FAIL("wrong element at " << k);
        }
    }
    CHECK(tracked::live() == 0);
}
