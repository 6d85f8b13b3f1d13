// How long to wait at most, and for which of several: with_timeout, try_with_timeout and when_any.
// What comes too late is cancelled, and gone before the caller goes on.

#include "stopwatch.hpp"

#include <rondo/rondo.hpp>

#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

using example::say;

class connection {
public:
    explicit connection(std::string to) : to_(std::move(to)) {}
    ~connection() { say("    closed: ", to_); }
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;

private:
    std::string to_;
};

rondo::task<std::string> ask(std::string server, int tenths) {
    const connection line(server);
    co_await rondo::sleep(example::second * tenths / 10);
    co_return "the answer of " + server;
}

rondo::task<> limits() {
    // [timeout]
    try {
        const std::string answer = co_await rondo::with_timeout(example::second, ask("slow", 90));
        say("here is ", answer);
    } catch (const rondo::timeout_error&) {
        say("slow took too long");  // and its connection is closed
    }

    const std::optional<std::string> answer = co_await rondo::try_with_timeout(example::second, ask("quick", 3));
    say("here is ", answer.value_or("no answer"));
    // [/timeout]
}

rondo::task<> mirrors() {
    // [any]
    std::vector<rondo::task<std::string>> downloads;
    downloads.push_back(ask("mirror 0", 9));
    downloads.push_back(ask("mirror 1", 2));
    const auto first = co_await rondo::when_any(std::move(downloads));
    say("number ", first.index, " was first: ", first.value);
    // [/any]
}

// [either]
rondo::task<> print_until(rondo::event& stop, rondo::bounded_queue<std::string>& inbox) {
    for (;;) {
        // Any awaitable will do. A message that was promised to a pop() that loses stays in the queue.
        const auto next = co_await rondo::when_any(inbox.pop(), stop.wait());
        if (next.index() == 1) {
            break;
        }
        say("message: ", std::get<0>(next).value());
    }
    say("told to stop");
}
// [/either]

rondo::task<> send(rondo::event& stop, rondo::bounded_queue<std::string>& inbox) {
    co_await inbox.push("good morning");
    co_await rondo::sleep(example::second / 2);
    stop.set();
}

rondo::task<> messages() {
    rondo::event stop;
    rondo::bounded_queue<std::string> inbox(3);
    co_await rondo::when_all(print_until(stop, inbox), send(stop, inbox));
}

int main(int argc, char** argv) {
    example::begin(argc, argv);
    rondo::run(limits());
    rondo::run(mirrors());
    rondo::run(messages());
}

// Output:
// [0.0 s] started
// [1.0 s]     closed: slow
// [1.0 s] slow took too long
// [1.3 s]     closed: quick
// [1.3 s] here is the answer of quick
// [1.5 s]     closed: mirror 1
// [1.5 s]     closed: mirror 0
// [1.5 s] number 1 was first: the answer of mirror 1
// [1.5 s] message: good morning
// [2.0 s] told to stop
