// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include "unit.hpp"

int first() { return rondo::testing::run(everything()); }
