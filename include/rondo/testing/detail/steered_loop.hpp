// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// A loop on virtual time whose steps are taken one by one, in an order that somebody chooses.

#include <rondo/loop/event_loop.hpp>
#include <rondo/testing/virtual_driver.hpp>

#include <cstddef>
#include <exception>
#include <memory>

namespace rondo::inline RONDO_ABI::detail {

class steered_loop : public event_loop {
public:
    explicit steered_loop(detail::steering& s) : event_loop(std::make_unique<testing::virtual_driver>()) {
        detail::loop_access::inside(*this).steer(s);
    }
};

}  // namespace rondo::inline RONDO_ABI::detail
