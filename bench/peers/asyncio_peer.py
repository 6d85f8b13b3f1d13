#!/usr/bin/env python3
# SPDX-FileCopyrightText: The rondo authors
# SPDX-License-Identifier: MIT
"""asyncio_peer.py [--uvloop] [--benchmark_filter=REGEX] [--benchmark_min_time=SECONDS]
asyncio_peer.py [--uvloop] --resident NAME N
asyncio_peer.py [--uvloop] --smoke

The workloads of ../*.cpp for Python's asyncio, or for uvloop. The first form prints what Google Benchmark would print as JSON:
nanoseconds per operation, CPU time that of the process. The second does N operations of one workload and prints how many bytes of
memory it made resident at its peak, per operation. The third tries everything with few operations.
Not here: what asyncio has no equivalent for (a timeout without an exception; a queue with acknowledgements)."""

import asyncio
import contextlib
import json
import pathlib
import random
import re
import sys
import threading
import time

WORKLOADS = []


def expect(done):
    if not done:
        sys.exit("the work was not done")


def workload(name, operations, wall_clock=False):
    """A function that does n operations on a new loop: expects a loop and n, or is a coroutine function of n."""
    def add(work):
        WORKLOADS.append((name, operations, wall_clock, work))
        return work
    return add


def new_loop():
    return asyncio.new_event_loop()


def do(work, n):
    if not asyncio.iscoroutinefunction(work):
        return work(n)
    with contextlib.closing(new_loop()) as loop:
        loop.run_until_complete(work(n))


# --- await, yield

async def one():
    return 1


async def yield_and_one():
    await asyncio.sleep(0)
    return 1


@workload("await_child", 100_000)
async def await_child(n):
    total = 0
    for _ in range(n):
        total += await one()
    expect(total == n)


async def fib(k):
    if k < 2:
        return k
    return await fib(k - 1) + await fib(k - 2)


@workload("fibonacci", 21_891)
async def fibonacci(n):
    for _ in range(max(1, n // 21_891)):
        expect(await fib(20) == 6765)


@workload("yield_one", 20_000)
async def yield_often(n):
    for _ in range(n):
        await asyncio.sleep(0)


@workload("yield_thousand", 100_000)
async def yield_thousand(n):
    await asyncio.gather(*[yield_often(n // 1000) for _ in range(1000)])


# --- when_all

@workload("when_all_thousand", 20_000)
async def when_all_thousand(n):
    total = 0
    for _ in range(n // 1000):
        total += sum(await asyncio.gather(*[yield_and_one() for _ in range(1000)]))
    expect(total == n // 1000 * 1000)


@workload("when_all_four", 20_000)
async def when_all_four(n):
    total = 0
    for _ in range(n // 4):
        a, b, c, d = await asyncio.gather(yield_and_one(), yield_and_one(), yield_and_one(), yield_and_one())
        total += a + b + c + d
    expect(total == n // 4 * 4)


# --- timers

async def sleep_all(n):
    at_random = random.Random(1)
    lengths = [at_random.randint(1_000, 200_000) / 1e6 for _ in range(n)]
    start = time.monotonic()
    loop = asyncio.get_running_loop()
    for task in [loop.create_task(asyncio.sleep(length)) for length in lengths]:
        await task
    expect(time.monotonic() - start >= max(lengths) - 0.001)  # uvloop's timers are a millisecond wide


workload("sleep_1k", 1_000)(sleep_all)
workload("sleep_10k", 10_000)(sleep_all)
workload("sleep_100k", 100_000)(sleep_all)


@workload("sleepers", 0)
async def sleepers(n):
    """Until all of them are asleep at the same time."""
    wait = 3
    while not await sleep_at_once(n, wait):
        wait *= 2


async def sleep_at_once(n, wait):
    loop = asyncio.get_running_loop()
    due = loop.time() + wait
    asleep = woken = 0

    async def sleep():
        nonlocal asleep, woken
        asleep += not woken
        await asyncio.sleep(due - loop.time())
        woken += 1

    for task in [loop.create_task(sleep()) for _ in range(n)]:
        await task
    return asleep == n


if hasattr(asyncio, "timeout"):  # since Python 3.11
    @workload("timeout_idle", 20_000)
    async def timeout_idle(n):
        total = 0
        for _ in range(n):
            async with asyncio.timeout(10):
                total += await one()
        expect(total == n)

    @workload("timeout_yield", 20_000)
    async def timeout_yield(n):
        total = 0
        for _ in range(n):
            async with asyncio.timeout(10):
                total += await yield_and_one()
        expect(total == n)

    @workload("timeout_thrown", 2_000)
    async def timeout_thrown(n):
        fired = 0
        for _ in range(n):
            try:
                async with asyncio.timeout(1e-9):
                    await asyncio.sleep(3600)
            except TimeoutError:
                fired += 1
        expect(fired == n)


# --- cancellation

@workload("when_any_two", 5_000)
async def when_any_two(n):
    loop = asyncio.get_running_loop()
    total = 0
    for _ in range(n):
        tasks = [loop.create_task(asyncio.sleep(3600)), loop.create_task(yield_and_one())]
        done, others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in others:
            task.cancel()
        await asyncio.wait(others)
        total += done.pop().result()
        expect(tasks[0].cancelled())
    expect(total == n)


if hasattr(asyncio, "TaskGroup"):  # since Python 3.11
    @workload("group_cancelled", 5_000)
    async def group_cancelled(n):
        cancelled = 0
        for _ in range(n // 100):
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(asyncio.sleep(3600)) for _ in range(100)]
                await asyncio.sleep(0)
                for task in tasks:
                    task.cancel()
            cancelled += sum(task.cancelled() for task in tasks)
        expect(cancelled == n // 100 * 100)


# --- queues

async def produce(queue, n):
    for _ in range(n):
        await queue.put(1)
    await queue.put(0)  # ends a consumer


async def consume(queue):
    total = 0
    while message := await queue.get():
        total += message
    return total


def queue_workload(name, capacity, pairs):
    @workload(name, 20_000)
    async def queue(n):
        q = asyncio.Queue(capacity)
        each = n // pairs
        parts = await asyncio.gather(*[produce(q, each) for _ in range(pairs)], *[consume(q) for _ in range(pairs)])
        expect(sum(parts[pairs:]) == each * pairs)


queue_workload("queue_1", 1, 1)
queue_workload("queue_1024", 1024, 1)
queue_workload("queue_64_four", 64, 4)


# --- spawn

@workload("spawn_burst", 100_000)
async def spawn_burst(n):
    counter = 0

    async def count():
        nonlocal counter
        counter += 1

    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(count()) for _ in range(n)]  # kept, as asyncio wants it
    await tasks[-1]
    expect(counter == n)


async def spawn_join(n):
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(one()) for _ in range(n)]
    total = 0
    for task in tasks:
        total += await task
    expect(total == n)


workload("spawn_join_burst", 100_000)(spawn_join)


@workload("spawn_join_thousand", 20_000)
async def spawn_join_thousand(n):
    for _ in range(n // 1000):
        await spawn_join(1000)


# --- other threads

@workload("post_burst", 20_000)
async def post_burst(n):
    loop = asyncio.get_running_loop()
    all_here = loop.create_future()
    counter = 0

    def count():
        nonlocal counter
        counter += 1
        if counter == n:
            all_here.set_result(None)

    def post():
        for _ in range(n):
            loop.call_soon_threadsafe(count)

    other = threading.Thread(target=post)
    other.start()
    await all_here
    other.join()


@workload("post_round_trip", 2_000, wall_clock=True)
def post_round_trip(n):
    with contextlib.closing(new_loop()) as here, contextlib.closing(new_loop()) as there:
        back = 0

        def go():
            there.call_soon_threadsafe(turn)

        def turn():
            here.call_soon_threadsafe(arrive)

        def arrive():
            nonlocal back
            back += 1
            if back == n:
                here.stop()
            else:
                go()

        other = threading.Thread(target=there.run_forever)
        other.start()
        here.call_soon(go)
        here.run_forever()
        there.call_soon_threadsafe(there.stop)
        other.join()
        expect(back == n)


# --- mutex

@workload("mutex_uncontended", 50_000)
async def mutex_uncontended(n):
    lock = asyncio.Lock()
    total = 0
    for _ in range(n):
        async with lock:
            total += 1
    expect(total == n)


@workload("mutex_contended", 20_000)
async def mutex_contended(n):
    lock = asyncio.Lock()
    total = 0

    async def work():
        nonlocal total
        for _ in range(n // 100):
            async with lock:
                total += 1
                await asyncio.sleep(0)

    await asyncio.gather(*[work() for _ in range(100)])
    expect(total == n // 100 * 100)


# --- what measures

def measure(name, operations, wall_clock, work, min_time):
    """As Google Benchmark does it: until the work has taken min_time of the processor, or five times as much of the clock."""
    do(work, min(operations, 1_000))
    rounds = 0
    wall, cpu = time.perf_counter_ns(), time.process_time_ns()
    while True:
        do(work, operations)
        rounds += 1
        real_time, cpu_time = time.perf_counter_ns() - wall, time.process_time_ns() - cpu
        if (real_time if wall_clock else cpu_time) >= min_time * 1e9 or real_time >= 5 * min_time * 1e9:
            break
    done = rounds * operations
    return {"name": name, "iterations": done,
            "real_time": real_time / done, "cpu_time": cpu_time / done, "time_unit": "ns"}


def status(field):
    """A field of /proc/self/status, in bytes."""
    return int(re.search(rf"^{field}:\s*(\d+) kB", pathlib.Path("/proc/self/status").read_text(), re.M)[1]) * 1024


def main(arguments):
    global new_loop
    contestant = "asyncio"
    if arguments[:1] == ["--uvloop"]:
        import uvloop
        contestant, new_loop = "uvloop", uvloop.new_event_loop
        del arguments[0]
    workloads = [(f"{name}/{contestant}", *more) for name, *more in WORKLOADS]

    if arguments == ["--smoke"]:
        for name, _, _, work in workloads:
            print(name, flush=True)
            do(work, 1_000)
    elif len(arguments) == 3 and arguments[0] == "--resident":
        (work,) = [work for name, _, _, work in workloads if name == arguments[1]]
        n = int(arguments[2])
        before = status("VmRSS")
        do(work, n)
        print(round((status("VmHWM") - before) / n))
    else:
        chosen = {"filter": "", "min_time": "0.5"}
        for argument in arguments:
            known = re.fullmatch(r"--benchmark_(filter|min_time)=(.*)", argument)
            if not known:
                sys.exit(__doc__)
            chosen[known[1]] = known[2]
        print(json.dumps({"benchmarks": [
            measure(name, operations, wall_clock, work, float(chosen["min_time"]))
            for plain, operations, wall_clock, work in workloads
            if operations and re.search(chosen["filter"], name := f"{plain}/process_time{'/real_time' * wall_clock}")]}, indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
