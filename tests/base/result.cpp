// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <support/leak_check.hpp>
#include <support/tracked.hpp>

#include <rondo/base/result.hpp>

#include <catch2/catch_test_macros.hpp>

#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

using support::tracked;

namespace {
template <class T>
using result = rondo::detail::result<T>;

std::exception_ptr an_error() { return std::make_exception_ptr(std::runtime_error("error")); }
}  // namespace

static_assert(std::is_nothrow_move_constructible_v<result<int>> && !std::is_copy_constructible_v<result<int>>);

TEST_CASE("a result is empty at first, and then exactly one thing") {
    result<int> one;
    CHECK(one.is_empty());
    one.set_value(5);
    CHECK((one.has_value() && !one.is_empty() && !one.has_error() && !one.is_cancelled()));
    CHECK(one.value() == 5);
    one.set_error(an_error());
    CHECK((one.has_error() && !one.has_value() && !one.is_cancelled()));
    one.set_cancelled();
    CHECK((one.is_cancelled() && !one.has_value() && !one.has_error()));
}

TEST_CASE("taking gives the value or throws the exception") {
    result<std::unique_ptr<int>> value;
    value.set_value(std::make_unique<int>(3));
    CHECK(*value.take() == 3);

    result<int> error;
    error.set_error(an_error());
    CHECK_THROWS_AS(error.take(), std::runtime_error);

    result<void> nothing;
    nothing.set_value();
    nothing.take();
}

TEST_CASE("a reference result refers to the object it was given") {
    std::string text = "text";
    result<std::string&> reference;
    reference.set_value(text);
    static_assert(std::is_same_v<decltype(reference.take()), std::string&>);
    CHECK(&reference.take() == &text);

    result<const std::string&> constant;
    constant.set_value(text);
    CHECK(&constant.take() == &text);
}

TEST_CASE("a moved result brings along what it held, and everything is destroyed once") {
    {
        result<tracked> first;
        first.set_value(7);
        result<tracked> second(std::move(first));
        CHECK(second.has_value());
        CHECK(second.value().number() == 7);
        result<tracked> third;
        third.set_value(8);
        third = std::move(second);
        CHECK(third.value().number() == 7);
        result<tracked>& same = third;
        third = std::move(same);
        CHECK(third.value().number() == 7);
        result<tracked> failed;
        failed.set_error(an_error());
        third = std::move(failed);
        CHECK(third.has_error());
        CHECK(failed.error() == nullptr);
        result<tracked> gone;
        gone.set_cancelled();
        third = std::move(gone);
        CHECK(third.is_cancelled());
    }
    CHECK(tracked::live() == 0);
}
