// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <support/in_child.hpp>

#include <rondo/base/config.hpp>

#include <catch2/catch_test_macros.hpp>

#include <exception>
#include <stdexcept>
#include <string>

namespace {
void ignore(const char*) noexcept {}
void ignore_too(const char*) noexcept {}
}  // namespace

TEST_CASE("setting a fatal handler gives back the one before") {
    const rondo::fatal_handler before = rondo::set_fatal_handler(ignore);
    CHECK(rondo::set_fatal_handler(ignore_too) == ignore);
    CHECK(rondo::set_fatal_handler(before) == ignore_too);
}

#if SUPPORT_HAS_FORK

TEST_CASE("what is fatal tells the handler why, and then terminates") {
    const support::ending end = support::in_child([] { rondo::detail::fatal("this is why"); });
    CHECK(end.text == "this is why");
    CHECK(end.terminated);
}

TEST_CASE("without a handler what is fatal terminates all the same") {
    const support::ending end = support::in_child([] {
        rondo::set_fatal_handler(nullptr);
        rondo::detail::fatal("nobody hears this");
    });
    CHECK(end.text.empty());
    CHECK(end.terminated);
}

#endif

TEST_CASE("raise throws what it is asked for") {
    CHECK_THROWS_AS(rondo::detail::raise<std::logic_error>("text"), std::logic_error);
    try {
        rondo::detail::raise<std::runtime_error>("text");
    } catch (const std::runtime_error& error) {
        CHECK(std::string(error.what()) == "text");
    }
}

TEST_CASE("guarded hands an exception to its handler, and calls nobody without one") {
    std::exception_ptr seen;
    int calls = 0;
    const auto handler = [&](std::exception_ptr error) { ++calls, seen = error; };
    rondo::detail::guarded([] {}, handler);
    CHECK(calls == 0);
    rondo::detail::guarded([] { throw 5; }, handler);
    CHECK(calls == 1);
    CHECK_THROWS_AS(rondo::detail::rethrow(seen), int);
}
