// rondo as a guest in somebody else's loop, here the event loop of a window. The window calls
// loop.poll() once per turn and sleeps until loop.next_deadline(); the driver's wake() ends that sleep.

#include "stopwatch.hpp"

#include <rondo/rondo.hpp>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

using example::say;

// The host: stands for a GUI toolkit. It has its own event queue and knows nothing of rondo.
class window {
public:
    /// From any thread: an event for the window.
    void send(std::string event) {
        const std::lock_guard lock(mutex_);
        events_.push_back(std::move(event));
        changed_.notify_one();
    }

    /// From any thread: ends the wait, event or not.
    void wake() noexcept {
        const std::lock_guard lock(mutex_);
        woken_ = true;
        changed_.notify_one();
    }

    void wait(std::optional<std::chrono::steady_clock::time_point> deadline) {
        std::unique_lock lock(mutex_);
        const auto ready = [this] { return woken_ || !events_.empty(); };
        if (deadline) {
            changed_.wait_until(lock, *deadline, ready);
        } else {
            changed_.wait(lock, ready);
        }
        woken_ = false;
    }

    std::optional<std::string> next_event() {
        const std::lock_guard lock(mutex_);
        if (events_.empty()) {
            return std::nullopt;
        }
        std::string event = std::move(events_.front());
        events_.pop_front();
        return event;
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::string> events_;
    bool woken_ = false;
};

// [driver]
// What rondo has to know of the window: what time it is, how to wait, and how to be woken.
class window_driver final : public rondo::driver {
public:
    explicit window_driver(window& host) : host_(host) {}

    rondo::time_point now() noexcept override { return std::chrono::steady_clock::now(); }
    void wait(std::optional<rondo::time_point> deadline) override { host_.wait(deadline); }
    void wake() noexcept override { host_.wake(); }  // the one function that other threads may call

private:
    window& host_;
};
// [/driver]

rondo::task<> clock_hand() {
    for (int n = 1;; ++n) {
        co_await rondo::sleep(example::second);
        say("tick ", n);
    }
}

rondo::task<> answer_click() {
    say("click: loading");
    co_await rondo::sleep(example::second / 2);  // the window stays alive meanwhile
    say("click: loaded");
}

int main(int argc, char** argv) {
    example::begin(argc, argv);

    window host;
    std::thread user([&host] {
        std::this_thread::sleep_for(example::second / 4);
        host.send("click");
        std::this_thread::sleep_for(example::second * 2);
        host.send("close");
    });

    // [host]
    rondo::event_loop loop(std::make_unique<window_driver>(host));
    loop.spawn(clock_hand(), "clock hand");

    for (bool open = true; open;) {
        loop.poll();                      // one round of rondo; never waits
        host.wait(loop.next_deadline());  // until a timer is due, an event comes, or wake() is called
        while (const auto event = host.next_event()) {
            if (*event == "click") {
                loop.spawn(answer_click(), "click");
            } else {
                open = false;
            }
        }
    }
    // [/host]

    user.join();
    say("closed");
}

// Output:
// [0.0 s] started
// [0.2 s] click: loading
// [0.7 s] click: loaded
// [1.0 s] tick 1
// [2.0 s] tick 2
// [2.2 s] closed
