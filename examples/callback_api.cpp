// Awaiting what an API with callbacks does: from_callback. The callback may come at once, later, or on
// another thread; when nobody waits any more, the operation is withdrawn.

#include "stopwatch.hpp"

#include <rondo/rondo.hpp>

#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using example::say;

// The API, with nothing of rondo in it: answers on threads of its own.
class weather_service {
public:
    using answer = std::function<void(const char* error, int degrees)>;

    int ask(std::string city, answer then) {
        const int id = static_cast<int>(threads_.size());
        threads_.emplace_back([this, id, city = std::move(city), then = std::move(then)] {
            const auto time = city == "Ulan Bator" ? example::second * 60 : example::second;
            std::unique_lock<std::mutex> lock(mutex_);
            const bool is_withdrawn = changed_.wait_for(lock, time, [&] { return withdrawn_.count(id) != 0; });
            lock.unlock();
            if (!is_withdrawn) {
                then(city == "Atlantis" ? "no such city" : nullptr, static_cast<int>(city.size()));
            }
        });
        return id;
    }
    void withdraw(int id) {
        const std::lock_guard<std::mutex> lock(mutex_);
        withdrawn_.insert(id);
        changed_.notify_all();
    }
    ~weather_service() {
        for (std::thread& each : threads_) {
            each.join();
        }
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::set<int> withdrawn_;
    std::vector<std::thread> threads_;
};

// [wrapper]
rondo::task<int> temperature(weather_service& service, std::string city) {
    int id = 0;
    co_return co_await rondo::from_callback<int>(
        [&](rondo::callback<int> done) {
            id = service.ask(city, [done](const char* error, int degrees) {
                if (error != nullptr) {
                    done.fail(std::make_exception_ptr(std::runtime_error(error)));
                } else {
                    done(degrees);
                }
            });
        },
        [&] {  // cancelled: nobody waits for the answer any more
            say("    withdrawn: ", city);
            service.withdraw(id);
        });
}
// [/wrapper]

rondo::task<> travel(weather_service& service) {
    const auto [seoul, lima] = co_await rondo::when_all(temperature(service, "Seoul"), temperature(service, "Lima"));
    say("Seoul: ", seoul, ", Lima: ", lima);
    try {
        co_await temperature(service, "Atlantis");
    } catch (const std::runtime_error& error) {
        say("Atlantis: ", error.what());
    }
    const auto degrees = co_await rondo::try_with_timeout(example::second, temperature(service, "Ulan Bator"));
    say("Ulan Bator: ", degrees ? std::to_string(*degrees) : "no answer");
}

int main(int argc, char** argv) {
    example::begin(argc, argv);
    weather_service service;
    rondo::run(travel(service));
}

// Output:
// [0.0 s] started
// [1.0 s] Seoul: 5, Lima: 4
// [2.0 s] Atlantis: no such city
// [3.0 s]     withdrawn: Ulan Bator
// [3.0 s] Ulan Bator: no answer
