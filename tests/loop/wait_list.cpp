// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <support/clocks.hpp>
#include <support/leak_check.hpp>
#include <support/tasks.hpp>

#include <rondo/loop/wait_list.hpp>
#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <memory>
#include <optional>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using rondo::event_loop;
using rondo::join_handle;
using rondo::task;
using support::lines;

namespace {

/// The smallest primitive: so many permits, given out in the order in which they were asked for.
class gate {
public:
    explicit gate(int permits) : permits_(permits) {}

    class awaiter {
    public:
        explicit awaiter(gate& g) noexcept : gate_(g) {}
        awaiter(const awaiter&) = delete;
        awaiter& operator=(const awaiter&) = delete;

        bool await_ready() noexcept {
            if (!gate_.list_->empty() || gate_.permits_ == 0) return false;
            --gate_.permits_;
            return true;
        }
        void await_suspend(rondo::detail::waker w) { gate_.list_->add(waiter_, w); }
        void await_resume() noexcept {
            if (waiter_.is_granted()) waiter_.leave();
        }
        bool await_cancel() noexcept {
            if (waiter_.leave()) gate_.release();
            return true;
        }
        rondo::wait_info await_describe() const noexcept {
            return rondo::wait_info(waiter_.is_detached() ? "a gate that is gone" : "a gate", nullptr);
        }

    private:
        gate& gate_;
        rondo::detail::waiter waiter_;
    };

    awaiter pass() noexcept { return awaiter(*this); }

    void release() noexcept {
        if (list_->empty()) {
            ++permits_;
        } else {
            list_->grant_front();
        }
    }

    void tear_down() { list_.reset(); }
    int permits() const noexcept { return permits_; }

private:
    int permits_;
    std::unique_ptr<rondo::detail::wait_list> list_ = std::make_unique<rondo::detail::wait_list>();
};

task<> passes(gate& g, lines& log, std::string name) {
    co_await g.pass();
    log.push_back(name);
}

task<> passes_with_local(gate& g, lines& log) {
    support::note_at_exit gone(log, "gone");
    co_await g.pass();
    log.push_back("passed");
}

}  // namespace

TEST_CASE("waiters are granted in the order in which they came") {
    lines log;
    gate door(0);
    event_loop loop(support::virtual_time());
    for (const char* name : {"a", "b", "c"}) loop.spawn(passes(door, log, name));
    loop.poll();
    door.release();
    door.release();
    door.release();
    CHECK(log.empty());  // the loop resumes them
    loop.run();
    CHECK(log == lines{"a", "b", "c"});
    CHECK(door.permits() == 0);
}

TEST_CASE("a waiter that is cancelled leaves its place to those behind it") {
    lines log;
    gate door(0);
    event_loop loop(support::virtual_time());
    std::vector<join_handle<>> waiting;
    for (const char* name : {"a", "b", "c", "d"}) waiting.push_back(loop.spawn(passes(door, log, name)));
    loop.poll();
    waiting[0].cancel();
    waiting[2].cancel();
    door.release();
    door.release();
    loop.run();
    CHECK(log == lines{"b", "d"});
}

TEST_CASE("what was granted to a waiter that is cancelled before it resumes goes to the next") {
    lines log;
    gate door(0);
    event_loop loop(support::virtual_time());
    join_handle<> first = loop.spawn(passes(door, log, "first"));
    loop.spawn(passes(door, log, "second"));
    loop.poll();
    door.release();
    first.cancel();
    loop.run();
    CHECK(log == lines{"second"});

    join_handle<> last = loop.spawn(passes(door, log, "last"));
    loop.poll();
    door.release();
    last.cancel();
    CHECK(door.permits() == 1);  // nobody else is there
}

TEST_CASE("any order of grants and cancellations gives out each permit once") {
    for (unsigned order = 0; order < 256; ++order) {
        lines log;
        gate door(0);
        event_loop loop(support::virtual_time());
        std::vector<join_handle<>> waiting;
        for (int i = 0; i < 4; ++i) waiting.push_back(loop.spawn(passes(door, log, std::to_string(i))));
        loop.poll();
        int released = 0;
        std::size_t victim = 0;
        for (unsigned bit = 0; bit < 8; ++bit) {
            if (((order >> bit) & 1) != 0 && released < 4) {
                door.release();
                ++released;
            } else if (victim < 4) {
                waiting[victim++].cancel();
            }
        }
        loop.poll();
        CHECK(static_cast<int>(log.size()) + door.permits() == released);
        for (std::size_t i = 1; i < log.size(); ++i) CHECK(log[i - 1] < log[i]);
    }
}

TEST_CASE("when what they wait on is destroyed, waiters never resume, unwind when cancelled, and the report says so") {
    lines log;
    gate door(0);
    std::string report;
    event_loop loop(support::virtual_time());
    join_handle<> waiting = loop.spawn(passes_with_local(door, log));
    join_handle<> granted = loop.spawn(passes_with_local(door, log));
    loop.poll();
    door.release();
    std::swap(waiting, granted);
    door.tear_down();
    CHECK(loop.poll() == 0);
    CHECK(log.empty());
    try {
        loop.run();
    } catch (const rondo::deadlock_error& error) {
        report = error.what();
    }
    CHECK(report.find("a gate that is gone") != std::string::npos);
    waiting.cancel();
    granted.cancel();
    CHECK(log == lines{"gone", "gone"});
}

TEST_CASE("waiters of different loops may share a list") {
    lines log;
    gate door(0);
    event_loop first(support::virtual_time());
    event_loop second(support::virtual_time());
    first.spawn(passes(door, log, "in the first"));
    second.spawn(passes(door, log, "in the second"));
    first.poll();
    second.poll();
    door.release();
    door.release();
    second.run();
    first.run();
    CHECK(log == lines{"in the second", "in the first"});
}
