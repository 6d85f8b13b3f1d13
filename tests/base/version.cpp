// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <rondo/base/version.hpp>

#include <catch2/catch_test_macros.hpp>

#include <type_traits>

TEST_CASE("the version can be had at compile time") {
    static_assert(rondo::version_major >= 0 && rondo::version_minor >= 0 && rondo::version_patch >= 0);
    static_assert(std::is_same_v<decltype(rondo::version_major), const int>);
    CHECK(rondo::version_major * 10'000 + rondo::version_minor * 100 + rondo::version_patch > 0);
}
