// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

#include <support/leak_check.hpp>
#include <support/tasks.hpp>

#include <rondo/loop/loop_handle.hpp>
#include <rondo/rondo.hpp>
#include <rondo/testing.hpp>

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using rondo::event_loop;

TEST_CASE("threads may post while the loop goes: each function runs, or is destroyed, exactly once") {
    for (int repetition = 0; repetition < 20; ++repetition) {
        std::atomic<int> destroyed = 0;
        std::atomic<int> accepted = 0;
        std::atomic<int> posted = 0;
        int ran = 0;
        class counted {
        public:
            explicit counted(std::atomic<int>& count) : count_(&count) {}
            counted(counted&& other) noexcept : count_(other.count_) { other.count_ = nullptr; }
            counted& operator=(counted&&) = delete;
            ~counted() {
                if (count_ != nullptr) ++*count_;
            }

        private:
            std::atomic<int>* count_;
        };
        std::vector<std::thread> threads;
        {
            auto loop = std::make_unique<event_loop>();
            for (int i = 0; i < 3; ++i) {
                threads.emplace_back([&, handle = loop->handle()] {
                    for (;;) {
                        ++posted;
                        if (!handle.post([&ran, owned = counted(destroyed)] { ++ran; })) break;
                        ++accepted;
                    }
                });
            }
            while (accepted < 100) loop->poll();
        }
        for (std::thread& one : threads) one.join();
        CHECK(destroyed == posted);
        CHECK(posted == accepted + 3);
        CHECK(ran <= accepted);
    }
}

TEST_CASE("a handle may be the last to go, on another thread") {
    std::thread keeps;
    {
        event_loop loop;
        keeps = std::thread([handle = loop.handle()] {
            while (handle.post([] {})) std::this_thread::yield();
        });
        loop.run(support::nap(2ms));
    }
    keeps.join();
}

TEST_CASE("a handle wakes a loop that waits") {
    event_loop loop;
    const auto guard = loop.keep_alive();
    std::thread poster([handle = loop.handle(), &loop] {
        std::this_thread::sleep_for(5ms);
        handle.post([&loop] { loop.stop(); });
    });
    loop.run();
    poster.join();
}
