// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <rondo/rondo.hpp>
#include <rondo/debug.hpp>
#include <rondo/testing.hpp>

#include "unit.hpp"

int first() { return rondo::testing::run(everything()); }
