// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// Random operations on mutexes; see permits_model.hpp.

#include <support/leak_check.hpp>

#include <catch2/catch_test_macros.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <sync/permits_model.hpp>

namespace {

struct mutexes {
    using primitive = rondo::mutex;
    using held = rondo::mutex::guard;
    static constexpr bool may_grow = false;

    static std::size_t initial(std::size_t) { return 1; }
    static std::unique_ptr<primitive> make(std::size_t) { return std::make_unique<primitive>(); }
    static auto scoped(primitive& m) { return m.scoped_lock(); }
    static auto plain(primitive& m) { return m.lock(); }
    static bool try_one(primitive& m) { return m.try_lock(); }
    static void release(primitive& m, std::size_t) { m.unlock(); }
    static std::size_t available(const primitive& m) { return m.is_locked() ? 0 : 1; }
};

}  // namespace

TEST_CASE("under random operations a mutex does what its reference does") {
    const std::string wrong = permits_model::run<mutexes>(30'000, 50'000);
    INFO(wrong);
    CHECK(wrong.empty());
}
