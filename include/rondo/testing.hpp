// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Aids for testing code that uses rondo, and rondo itself.

#include <rondo/testing/frames.hpp>
#include <rondo/testing/run.hpp>
#include <rondo/testing/virtual_driver.hpp>
