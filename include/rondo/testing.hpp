// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Aids for testing code that uses rondo, and rondo itself.

#include <rondo/testing/allocation_sweep.hpp>
#include <rondo/testing/cancel_sweep.hpp>
#include <rondo/testing/explore.hpp>
#include <rondo/testing/frames.hpp>
#include <rondo/testing/run.hpp>
#include <rondo/testing/shuffled.hpp>
#include <rondo/testing/virtual_driver.hpp>
