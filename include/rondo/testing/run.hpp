// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// run() under virtual time.

#include <rondo/loop/run.hpp>
#include <rondo/testing/virtual_driver.hpp>

#include <memory>
#include <source_location>
#include <utility>

namespace rondo::inline RONDO_ABI::testing {

/// As rondo::run, on a virtual_driver.
template <class T>
T run(task<T>&& main, std::source_location where = std::source_location::current()) {
    return detail::run_on(std::make_unique<virtual_driver>(), std::move(main), where);
}
template <class... Others>
    requires(sizeof...(Others) != 1 || (detail::not_a_task_to_run<Others> && ...))
auto run(Others&&...) {
    return detail::explain_run<Others...>();
}

}  // namespace rondo::inline RONDO_ABI::testing
