// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Who a step belongs to, and where in the user's source it is.

#include <rondo/loop/detail/report.hpp>
#include <rondo/loop/detail/root.hpp>

#include <source_location>
#include <string>

namespace rondo::inline RONDO_ABI::detail {

/// The co_await where `f`, which is suspended, waits; where that is the library's own, the one of the user's above it. Line zero
/// where there is none: before the first step.
inline std::source_location place_of(frame* f) noexcept {
    while (f != nullptr && is_unseen(*f)) f = f->reports_to->parent();
    const bool has_one = f != nullptr && f->waits_on != nullptr && f->waits_on != &first_step::wait();
    return has_one ? f->where : std::source_location();
}

/// The task that `f` belongs to.
inline root& task_of(frame* f) noexcept {
    while (!f->reports_to->is_root()) f = f->reports_to->parent();
    return static_cast<root&>(*f->reports_to);
}

inline bool is_known(const std::source_location& place) noexcept { return place.line() != 0; }

/// "file:line (coroutine)"
inline std::string text_of(const std::source_location& place) {
    std::string text = place.file_name();
    text += ':' + std::to_string(place.line()) + " (";
    text += coroutine_name(place.function_name());
    return text + ')';
}

}  // namespace rondo::inline RONDO_ABI::detail
