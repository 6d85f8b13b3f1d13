// What g++ 11 and 12 get wrong around co_await, each with a form that works everywhere.
// They are bugs of these compilers, met with every coroutine library; clang and later g++ are right.

#include "stopwatch.hpp"

#include <rondo/rondo.hpp>

#include <string>
#include <utility>
#include <vector>

using example::say;

struct message {  // an aggregate (it has no constructor) with a member that has a destructor
    std::string text;
    int priority = 0;
};

rondo::task<bool> is_open() { co_return true; }
rondo::task<std::string> name_of(int n) { co_return "name " + std::to_string(n); }

rondo::task<> aggregates() {
    rondo::bounded_queue<message> q(3);
    // [aggregate]
    // Wrong:  co_await q.push(message{"hello", 1});       // g++ 11, 12: destroys the message twice
    co_await q.emplace("hello", 1);  // made inside the queue
    message named{"hello again", 2};
    co_await q.push(std::move(named));  // or: a variable with a name
    // [/aggregate]
    say(q.size(), " messages");
}

rondo::task<> lambdas() {
    const std::string greeting = "a greeting from a capture";
    // [lambda]
    // Wrong:  co_await rondo::spawn([greeting]() -> rondo::task<> { ... });   // destroys the capture twice
    auto handle = rondo::spawn([greeting]() -> rondo::task<> {
        say(greeting);
        co_return;
    });
    co_await handle;

    // Wrong:  co_await rondo::to_thread([greeting] { return greeting.size(); });   // destroys the capture twice
    std::size_t length = co_await rondo::to_thread([&] { return greeting.size(); });  // a reference is fine
    const auto measure = [greeting] { return greeting.size(); };
    length += co_await rondo::to_thread(measure);
    // [/lambda]
    say("twice its length: ", length);
}

rondo::task<> conditions(bool wanted) {
    int rounds = 0;
    // [condition]
    // Wrong:  while (wanted && co_await is_open()) ...    // g++ 11, 12: awaits though `wanted` is false
    while (wanted) {
        if (!co_await is_open()) {
            break;
        }
        wanted = ++rounds < 3;
    }
    // [/condition]
    say(rounds, " rounds");
}

rondo::task<> no_locals() {
    // Wrong:  if (co_await is_open()) ...     // g++ 11, 12: never comes back, where the coroutine has no local variable
    if (const bool open = co_await is_open(); open) {
        say("open");
    }
}

rondo::task<> choices(bool known) {
    // [choice]
    // Wrong:  auto name = known ? co_await name_of(1) : std::string("nobody");   // destroys a string twice
    std::string name = "nobody";
    if (known) {
        name = co_await name_of(1);
    }
    // Wrong:  std::vector<std::string> names{co_await name_of(2), co_await name_of(3)};   // does not compile
    std::vector<std::string> names;
    names.push_back(co_await name_of(2));
    names.push_back(co_await name_of(3));
    // [/choice]
    say(name, ", ", names[0], ", ", names[1]);
}

int main(int argc, char** argv) {
    example::begin(argc, argv);
    rondo::run(aggregates());
    rondo::run(lambdas());
    rondo::run(conditions(true));
    rondo::run(no_locals());
    rondo::run(choices(true));
    say("finished");
}

// Output:
// [0.0 s] started
// [0.0 s] 2 messages
// [0.0 s] a greeting from a capture
// [0.0 s] twice its length: 50
// [0.0 s] 3 rounds
// [0.0 s] open
// [0.0 s] name 1, name 2, name 3
// [0.0 s] finished
