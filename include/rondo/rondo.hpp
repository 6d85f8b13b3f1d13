// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT
#pragma once

// Everything portable, in one include.
//
// Tasks and time        task, run, spawn and join_handle, sleep, yield, interval
// Several at once       when_all, when_all_settled and outcome, when_all_limited, when_any, for_each_concurrent, for_each_completed,
//                       with_task_group
// Limits and cleanups   with_timeout, try_with_timeout, uncancellable, finally
// Messages              bounded_queue, message_queue, async_generator
// Synchronisation       mutex, semaphore, event, condition_variable, latch, barrier
// The world outside     from_callback, to_thread (and, by itself, bridge/with_stop_token.hpp)
// To embed a loop       event_loop, driver, loop_handle, work_guard
// To write your own     resumer for operations, wait_list for primitives

#include <rondo/base/config.hpp>
#include <rondo/base/version.hpp>
#include <rondo/bridge/callback.hpp>
#include <rondo/bridge/from_callback.hpp>
#if RONDO_HAS_THREADS
#include <rondo/bridge/to_thread.hpp>
#endif
#include <rondo/core/awaitable.hpp>
#include <rondo/core/errors.hpp>
#include <rondo/core/outcome.hpp>
#include <rondo/core/resumer.hpp>
#include <rondo/core/task.hpp>
#include <rondo/loop/deadlock_error.hpp>
#include <rondo/loop/default_driver.hpp>
#include <rondo/loop/driver.hpp>
#include <rondo/loop/event_loop.hpp>
#include <rondo/loop/interval.hpp>
#include <rondo/loop/join_handle.hpp>
#include <rondo/loop/loop_handle.hpp>
#include <rondo/loop/run.hpp>
#include <rondo/loop/sleep.hpp>
#include <rondo/loop/spawn.hpp>
#include <rondo/loop/wait_list.hpp>
#include <rondo/loop/work_guard.hpp>
#include <rondo/loop/yield.hpp>
#include <rondo/queue/bounded_queue.hpp>
#include <rondo/queue/delivery.hpp>
#include <rondo/queue/message_queue.hpp>
#include <rondo/scope/finally.hpp>
#include <rondo/scope/for_each_completed.hpp>
#include <rondo/scope/for_each_concurrent.hpp>
#include <rondo/scope/task_group.hpp>
#include <rondo/scope/uncancellable.hpp>
#include <rondo/scope/when_all.hpp>
#include <rondo/scope/when_all_limited.hpp>
#include <rondo/scope/when_all_settled.hpp>
#include <rondo/scope/when_any.hpp>
#include <rondo/scope/with_timeout.hpp>
#include <rondo/stream/async_generator.hpp>
#include <rondo/sync/barrier.hpp>
#include <rondo/sync/condition_variable.hpp>
#include <rondo/sync/event.hpp>
#include <rondo/sync/latch.hpp>
#include <rondo/sync/mutex.hpp>
#include <rondo/sync/semaphore.hpp>
