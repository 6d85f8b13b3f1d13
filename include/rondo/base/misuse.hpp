// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// For what is there for its message alone: the first error that a compiler prints is then a sentence that says what to do, and
// the one that a program ends with names the line.

#include <rondo/base/config.hpp>

#include <source_location>
#include <string>
#include <type_traits>

namespace rondo::inline RONDO_ABI::detail {

/// False, once a template is instantiated. A concept, for of others clang prints the requirement in front of the message.
template <class...>
concept never = false;

/// A function, or what is called like one.
template <class A>
concept calls_for_a_call =
    std::is_function_v<std::remove_pointer_t<std::decay_t<A>>> || requires { &std::remove_cvref_t<A>::operator(); };

/// Throws: `Error`, with `text` and the line of the call that was wrong, where that is known.
template <class Error>
[[noreturn]] void raise_at(const std::source_location& where, const char* text) {
    if (where.line() == 0) raise<Error>(text);
    raise<Error>(std::string(text) + " (" + where.file_name() + ":" + std::to_string(where.line()) + ")");
}

/// What an overload returns that says what is wrong: fits everywhere, and can be awaited, so that nothing more is said.
class anything {
public:
    anything() noexcept = default;
    template <class T>
    operator T() const noexcept;  // NOLINT(google-explicit-constructor): it is to fit everywhere

    bool await_ready() const noexcept;
    template <class Handle>
    void await_suspend(Handle) const noexcept;
    anything await_resume() const noexcept;
};

/// Base of what is to be awaited, and gives a T: says what is missing where it is used as the T itself, or as a condition.
template <class T>
class unawaited {
public:
    // NOLINTNEXTLINE(google-explicit-constructor): so it is called where the result would be
    operator T() const { static_assert(never<T>, "rondo: this is not the result yet: co_await it"); }
    explicit operator bool() const
        requires(!std::is_same_v<T, bool>)
    {
        static_assert(never<T>, "rondo: this is not the result yet: co_await it");
        return false;
    }

protected:
    unawaited() noexcept = default;
    ~unawaited() = default;
};
template <>
class unawaited<void> {};

}  // namespace rondo::inline RONDO_ABI::detail
