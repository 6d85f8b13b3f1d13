// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// The one header with macros: compiler floor, exception mode, and what happens when there is no way on.
// No macro is needed to use any feature, and none changes a layout: the exception mode, which changes what
// inline functions do, is part of every mangled name through the inline namespace RONDO_ABI.

#if !defined(__cpp_impl_coroutine) && !defined(__cpp_coroutines)
#error "rondo needs coroutines: compile as C++20 (-std=c++20, /std:c++20)"
#endif

#include <version>

#if !defined(__cpp_lib_source_location)
#error "rondo needs std::source_location: g++ 11, clang 16, Visual Studio 2019 16.10, or later ones"
#endif

#if defined(__cpp_exceptions) || defined(_CPPUNWIND)
#define RONDO_ABI v0
#else
#define RONDO_ABI v0_noexcept
#endif

// Some systems, such as WebAssembly's WASI, have none: there, rondo does without to_thread and with_stop_token.
#if defined(__STDCPP_THREADS__)
#define RONDO_HAS_THREADS 1
#else
#define RONDO_HAS_THREADS 0
#endif

#include <exception>
#include <utility>

namespace rondo::inline RONDO_ABI {

/// Called with a sentence that says what went wrong, before the program ends: on misuse that nobody can be
/// told about by an exception, and, in builds without exceptions, in place of every documented throw.
using fatal_handler = void (*)(const char* what) noexcept;

namespace detail {

// Whether what is thread_local is destroyed before its memory is freed. Before g++ 16, MinGW does it afterwards (GCC's PR 80816).
#if defined(__MINGW32__) && !defined(__clang__) && __GNUC__ < 16
inline constexpr bool threads_end_well = false;
#else
inline constexpr bool threads_end_well = true;
#endif

inline fatal_handler on_fatal = nullptr;

/// Not for catching: what std::terminate shows to those who look.
class last_words final : public std::exception {
public:
    explicit last_words(const char* text) noexcept : text_(text) {}
    const char* what() const noexcept override { return text_; }

private:
    const char* text_;
};

[[noreturn]] inline void terminate_with(const char* what) {
#if defined(__cpp_exceptions) || defined(_CPPUNWIND)
    throw last_words(what);
#else
    (void)what;
    std::terminate();
#endif
}

/// Ends the program: the one way out when there is no way on.
[[noreturn]] inline void fatal(const char* what) noexcept {
    if (on_fatal != nullptr) on_fatal(what);
    terminate_with(what);
}

/// Throws `Error{args...}`; without exceptions, ends the program with the same text.
template <class Error, class... Args>
[[noreturn]] void raise(Args&&... args) {
#if defined(__cpp_exceptions) || defined(_CPPUNWIND)
    throw Error(std::forward<Args>(args)...);
#else
    fatal(Error(std::forward<Args>(args)...).what());
#endif
}

/// Rethrows; without exceptions, which nobody can have thrown, ends the program.
[[noreturn]] inline void rethrow(std::exception_ptr error) {
#if defined(__cpp_exceptions) || defined(_CPPUNWIND)
    std::rethrow_exception(std::move(error));
#else
    (void)error;
    fatal("rondo: an exception in a program built without exceptions");
#endif
}

/// Runs `body()`; what it throws goes to `handler(std::exception_ptr)`.
template <class Body, class Handler>
void guarded(Body&& body, Handler&& handler) {
#if defined(__cpp_exceptions) || defined(_CPPUNWIND)
    try {
        body();
    } catch (...) {
        handler(std::current_exception());
    }
#else
    (void)handler;
    body();
#endif
}

/// Calls `visitor` with the text of `error`.
template <class Visitor>
void read_error(const std::exception_ptr& error, Visitor&& visitor) {
#if defined(__cpp_exceptions) || defined(_CPPUNWIND)
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& e) {
        visitor(e.what());
    } catch (...) {
        visitor("an exception that is no std::exception");
    }
#else
    (void)error;
    (void)visitor;
#endif
}

/// Whether `error` is an `Error`.
template <class Error>
bool is_a(const std::exception_ptr& error) noexcept {
#if defined(__cpp_exceptions) || defined(_CPPUNWIND)
    try {
        std::rethrow_exception(error);
    } catch (const Error&) {
        return true;
    } catch (...) {
        return false;
    }
#else
    (void)error;
    return false;
#endif
}

/// An exception_ptr to a new `Error{args...}`. Without exceptions the value forms (try_, settled, outcome)
/// need only to know that there is an error, so any non-null pointer would do; there is none to make, and
/// the program ends with the text.
template <class Error, class... Args>
std::exception_ptr make_error(Args&&... args) {
#if defined(__cpp_exceptions) || defined(_CPPUNWIND)
    return std::make_exception_ptr(Error(std::forward<Args>(args)...));
#else
    fatal(Error(std::forward<Args>(args)...).what());
#endif
}

}  // namespace detail

/// Sets the handler that sees the text before std::terminate; null for none. Returns the one before.
/// Thread: set it before loops run.
inline fatal_handler set_fatal_handler(fatal_handler handler) noexcept {
    return std::exchange(detail::on_fatal, handler);
}

}  // namespace rondo::inline RONDO_ABI
