// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Aids for finding out what a program does.

#include <rondo/debug/dump.hpp>
#include <rondo/debug/slow_steps.hpp>
#include <rondo/debug/timeline.hpp>
