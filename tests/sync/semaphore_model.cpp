// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// Random operations on semaphores; see permits_model.hpp.

#include <support/leak_check.hpp>

#include <catch2/catch_test_macros.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <sync/permits_model.hpp>

namespace {

struct semaphores {
    using primitive = rondo::semaphore;
    using held = rondo::semaphore::permit;
    static constexpr bool may_grow = true;

    static std::size_t initial(std::size_t random) { return random; }
    static std::unique_ptr<primitive> make(std::size_t n) { return std::make_unique<primitive>(n); }
    static auto scoped(primitive& s) { return s.scoped_acquire(); }
    static auto plain(primitive& s) { return s.acquire(); }
    static bool try_one(primitive& s) { return s.try_acquire(); }
    static void release(primitive& s, std::size_t n) { s.release(n); }
    static std::size_t available(const primitive& s) { return s.available(); }
};

}  // namespace

TEST_CASE("under random operations a semaphore does what its reference does") {
    const std::string wrong = permits_model::run<semaphores>(40'000, 50'000);
    INFO(wrong);
    CHECK(wrong.empty());
}
