// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <support/allocations.hpp>
#include <support/leak_check.hpp>

#include <rondo/debug/timeline.hpp>
#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <cstddef>
#include <new>

using namespace std::chrono_literals;
using rondo::task;
using rondo::debug::timeline;

namespace {

task<> nap() { co_await rondo::sleep(1ms); }

task<> program(timeline& t) {
    for (int n = 0; n < 3; ++n) {
        auto handle = rondo::spawn(nap(), "a name that is longer than what a string keeps in itself");
        co_await rondo::when_all(nap(), nap());
        t.note("a note that is longer than what a string keeps in itself");
        co_await handle;
    }
}

}  // namespace

TEST_CASE("a recording that finds no memory is full, and what it has can still be drawn") {
    std::size_t full = 0;
    for (std::size_t n = 1;; ++n) {
        timeline first;
        const timeline second;
        bool happened = false;
        {
            const support::allocations::failure failure(n);
            try {
                rondo::testing::run(program(first));
            } catch (const std::bad_alloc&) {  // it was one of the program's
            }
            happened = failure.happened();
        }
        if (first.is_full() || second.is_full()) ++full;
        CHECK(first.svg().ends_with("</svg>\n"));
        CHECK(second.trace_json().starts_with("{"));
        if (!happened) break;
    }
    CHECK(full > 20);
}
