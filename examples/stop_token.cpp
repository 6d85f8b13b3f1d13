// A loop on a std::jthread, stopped the way such threads are stopped: with_stop_token cancels the task
// when somebody, on whatever thread, requests it. Its header is not part of rondo.hpp, as some
// standard libraries have no <stop_token>.

#include "stopwatch.hpp"

#include <version>

#ifdef __cpp_lib_jthread

#include <rondo/bridge/with_stop_token.hpp>
#include <rondo/rondo.hpp>

#include <stop_token>
#include <thread>

using example::say;

class connection {
public:
    connection() = default;
    ~connection() { say("    connection closed"); }
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;
};

// [serve]
rondo::task<> serve() {
    const connection line;
    for (int n = 1;; ++n) {
        co_await rondo::sleep(example::second);
        say("    served: ", n);
    }
}

rondo::task<> serve_until(std::stop_token stop) {
    try {
        co_await rondo::with_stop_token(stop, serve());
    } catch (const rondo::cancelled&) {
        say("    stopped");  // serve() is gone; there is time for a farewell
    }
}
// [/serve]

int main(int argc, char** argv) {
    example::begin(argc, argv);

    // [jthread]
    std::jthread server([](std::stop_token stop) { rondo::run(serve_until(stop)); });
    std::this_thread::sleep_for(example::second * 5 / 2);
    say("enough");
    server.request_stop();  // ~jthread would do it, too
    server.join();
    // [/jthread]
    say("finished");
}

#else

int main() { example::say("std::jthread is not to be had here"); }

#endif

// Output:
// [0.0 s] started
// [1.0 s]     served: 1
// [2.0 s]     served: 2
// [2.5 s] enough
// [2.5 s]     connection closed
// [2.5 s]     stopped
// [2.5 s] finished
