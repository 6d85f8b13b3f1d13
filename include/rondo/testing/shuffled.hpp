// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Finding out what a program relies on that the loop does not promise.

#include <rondo/testing/detail/steered_loop.hpp>

#include <cstddef>
#include <cstdint>

namespace rondo::inline RONDO_ABI::detail {

/// Steps in an order that a seed determines: splitmix64.
class random_steering : public detail::steering {
public:
    explicit random_steering(std::uint64_t seed) noexcept : state_(seed) {}
    std::size_t choose(std::size_t count) noexcept final { return static_cast<std::size_t>(next() % count); }

protected:
    ~random_steering() = default;

private:
    std::uint64_t next() noexcept {
        std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    }

    std::uint64_t state_;
};

}  // namespace rondo::inline RONDO_ABI::detail

namespace rondo::inline RONDO_ABI::testing {

/// An event_loop on virtual time that picks ready steps in a random order: what must hold whatever the order of steps, must hold here
/// for every seed. Timers still fall due in their order, and time jumps only when nothing is ready. The same seed gives the same order.
///
///     for (std::uint64_t seed = 0; seed < 1000; ++seed) {
///         testing::shuffled loop(seed);
///         loop.run(program());
///     }
///
/// Cost: a step takes time in proportion to the number of ready ones.
class shuffled final : private detail::random_steering, public detail::steered_loop {
public:
    explicit shuffled(std::uint64_t seed)
        : detail::random_steering(seed), detail::steered_loop(static_cast<detail::random_steering&>(*this)) {}
};

}  // namespace rondo::inline RONDO_ABI::testing
