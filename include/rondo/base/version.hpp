// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// The version of the library, and the only place where it stands: the build reads it from here.

#include <rondo/base/config.hpp>

namespace rondo::inline RONDO_ABI {

inline constexpr int version_major = 0;
inline constexpr int version_minor = 1;
inline constexpr int version_patch = 0;

}  // namespace rondo::inline RONDO_ABI
