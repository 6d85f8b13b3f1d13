// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <support/leak_check.hpp>
#include <support/queue_model.hpp>

#include <rondo/rondo.hpp>

#include <catch2/catch_test_macros.hpp>

TEST_CASE("under random operations a message_queue does what its model does") {
    support::queue_model::run_scenarios<rondo::message_queue<support::queue_model::message>>();
}
