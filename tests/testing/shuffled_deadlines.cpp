// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <support/leak_check.hpp>
#include <support/seeds.hpp>

#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <chrono>

using namespace std::chrono_literals;
using rondo::task;

TEST_CASE("a result that is due with its deadline wins in every order of steps") {
    support::for_seeds(0, 300, [](unsigned seed) {
        rondo::testing::shuffled loop(seed);
        const auto main = []() -> task<> {
            rondo::event news;
            auto setter = rondo::spawn([&]() -> task<> {
                co_await rondo::sleep(1s);
                news.set();
            });
            const bool came = co_await rondo::try_with_timeout(1s, news.wait());
            CHECK(came);
            co_await setter;
        };
        loop.run(main());
    });
}
