// An exception in a task that nobody joins does not get lost: without a handler run() throws it, with
// one the handler is given it and the program goes on.

#include "stopwatch.hpp"

#include <rondo/rondo.hpp>

#include <exception>
#include <stdexcept>
#include <string>

using example::say;

// [fails]
rondo::task<> fails(std::string name) {
    co_await rondo::sleep(example::second / 4);
    throw std::runtime_error(name + " failed");
}

rondo::task<> work() {
    rondo::spawn(fails("a background task"));  // the handle is dropped: nobody will ask how it went
    co_await rondo::sleep(example::second);
    say("work is done");
}
// [/fails]

int main(int argc, char** argv) {
    example::begin(argc, argv);

    // [without]
    try {
        rondo::run(work());  // work() is cancelled, for errors do not pass silently
    } catch (const std::runtime_error& error) {
        say("run threw: ", error.what());
    }
    // [/without]

    // [with]
    rondo::event_loop loop;
    loop.on_unhandled_exception([](std::exception_ptr unhandled) {
        try {
            std::rethrow_exception(unhandled);
        } catch (const std::exception& error) {
            say("the handler got: ", error.what());
        }
    });
    loop.run(work());
    // [/with]
}

// Output:
// [0.0 s] started
// [0.2 s] run threw: a background task failed
// [0.5 s] the handler got: a background task failed
// [1.2 s] work is done
