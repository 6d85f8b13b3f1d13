// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// What stands for the result of a child in a tuple, a variant, a vector or an optional.

#include <rondo/base/config.hpp>

#include <tuple>  // brings std::reference_wrapper
#include <type_traits>
#include <variant>

namespace rondo::inline RONDO_ABI::detail {

/// monostate for void, a reference_wrapper for a reference.
template <class T>
struct element {
    using type = T;
};
template <>
struct element<void> {
    using type = std::monostate;
};
template <class T>
    requires std::is_reference_v<T>
struct element<T> {
    using type = std::reference_wrapper<std::remove_reference_t<T>>;
};
template <class T>
using element_t = typename element<T>::type;

/// The result of `child`, moved out, or its exception, thrown.
template <class Child>
auto take_element(Child& child) {
    using T = typename Child::value_type;
    if constexpr (std::is_void_v<T>) {
        child.take();
        return std::monostate();
    } else {
        return element_t<T>(child.take());
    }
}

}  // namespace rondo::inline RONDO_ABI::detail
