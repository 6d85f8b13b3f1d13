// An asynchronous generator: values that come one after another, with waiting in between. Nothing is
// made before it is asked for, and one may stop asking at any time.

#include "stopwatch.hpp"

#include <rondo/rondo.hpp>

#include <string>
#include <utility>
#include <vector>

using example::say;

// What an API gives that serves its list in portions.
rondo::task<std::vector<std::string>> fetch_portion(int number) {
    say("    fetch portion ", number);
    co_await rondo::sleep(example::second / 2);
    std::vector<std::string> names;
    for (int n = 1; n <= 3 && number <= 3; ++n) {
        names.push_back("review " + std::to_string(number * 3 - 3 + n));
    }
    co_return names;  // the fourth portion is empty
}

// [generator]
rondo::async_generator<std::string> reviews() {
    for (int number = 1;; ++number) {
        const std::vector<std::string> portion = co_await fetch_portion(number);
        if (portion.empty()) {
            co_return;
        }
        for (const std::string& review : portion) {
            co_yield review;
        }
    }
}

// Generators can be put behind one another, as filters.
rondo::async_generator<std::string> every_second(rondo::async_generator<std::string> all) {
    bool wanted = true;
    while (auto each = co_await all.next()) {
        if (std::exchange(wanted, !wanted)) {
            co_yield std::move(*each);
        }
    }
}
// [/generator]

// [use]
rondo::task<> read() {
    auto some = every_second(reviews());
    while (const auto review = co_await some.next()) {  // empty at the end
        say(*review);
    }
}

rondo::task<> read_one() {
    auto all = reviews();
    const auto review = co_await all.next();
    say("only one: ", review.value());
}  // `all` ends here, and with it the body of reviews(), at its co_yield
// [/use]

int main(int argc, char** argv) {
    example::begin(argc, argv);
    rondo::run(read());
    rondo::run(read_one());
    say("finished");
}

// Output:
// [0.0 s] started
// [0.0 s]     fetch portion 1
// [0.5 s] review 1
// [0.5 s] review 3
// [0.5 s]     fetch portion 2
// [1.0 s] review 5
// [1.0 s]     fetch portion 3
// [1.5 s] review 7
// [1.5 s] review 9
// [1.5 s]     fetch portion 4
// [2.0 s]     fetch portion 1
// [2.5 s] only one: review 1
// [2.5 s] finished
