// Lambdas as coroutines. A coroutine keeps its arguments, but not the lambda object that holds the
// captures. spawn(callable, arguments...) keeps both for as long as the task lives.

#include "stopwatch.hpp"

#include <rondo/rondo.hpp>

#include <string>

using example::say;

rondo::task<> greet(const std::string& greeting, const std::string& name) {
    co_await rondo::sleep(example::second / 10);
    say(greeting, ", ", name);
}

rondo::task<> greetings() {
    // [spawn]
    const std::string greeting = "good morning";

    // Right: the lambda, with its capture, and the argument move into the task's own frame.
    auto morning = rondo::spawn(
        [greeting](std::string name) -> rondo::task<> {
            co_await rondo::sleep(example::second / 10);
            say(greeting, ", ", name);
        },
        std::string("Ada"));

    // Right: the arguments of an ordinary coroutine are kept in the same way, though greet() takes
    // references. spawn(greet("good evening", "Grace")) would leave it with references to nothing.
    auto evening = rondo::spawn(greet, std::string("good evening"), std::string("Grace"));

    co_await morning;
    co_await evening;

    // Wrong: rondo::spawn([greeting]() -> rondo::task<> { ... use(greeting) ... }());
    // The second pair of parentheses makes the task here; the lambda dies at the semicolon, and with it
    // the `greeting` that the task is going to use.
    // [/spawn]

    // [local]
    // A lambda with a name may be called and awaited directly: it outlives the await.
    const auto shout = [&greeting](std::string name) -> rondo::task<> {
        co_await rondo::sleep(example::second / 10);
        say(greeting, ", ", name, "!");
    };
    co_await shout("Barbara");
    // [/local]
}

int main(int argc, char** argv) {
    example::begin(argc, argv);
    rondo::run(greetings());
    say("finished");
}

// Output:
// [0.0 s] started
// [0.1 s] good morning, Ada
// [0.1 s] good evening, Grace
// [0.2 s] good morning, Barbara!
// [0.2 s] finished
