// Cancelling a task destroys it where it waits: its destructors run, and nothing else of it ever does.
// The same happens to what is left when a loop ends.

#include "stopwatch.hpp"

#include <rondo/rondo.hpp>

#include <string>
#include <thread>
#include <utility>

using example::say;

// [connection]
class connection {
public:
    explicit connection(std::string name) : name_(std::move(name)) { say("    open:  ", name_); }
    ~connection() { say("    close: ", name_); }
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;

private:
    std::string name_;
};

rondo::task<> listen(std::string name) {
    const connection line(name);
    for (;;) {
        co_await rondo::sleep(example::second);  // a cancelled task ends here, as if the scope were left
    }
}
// [/connection]

// [cancel]
rondo::task<> cancel_one() {
    rondo::join_handle<void> listener = rondo::spawn(listen("A"), "listen A");
    co_await rondo::sleep(example::second / 2);

    say("cancel A");
    listener.cancel();
    say("cancel() has returned");  // and A is closed already

    const rondo::outcome<void> outcome = co_await listener.settled();
    say("A was cancelled: ", outcome.is_cancelled() ? "yes" : "no");
}
// [/cancel]

// [loop]
void end_of_a_loop() {
    rondo::event_loop loop;
    loop.spawn(listen("B"), "listen B");
    loop.spawn(listen("C"), "listen C");

    std::thread impatient([&loop] {
        std::this_thread::sleep_for(example::second / 2);
        loop.stop();  // may be called from any thread
    });
    loop.run();  // would go on for ever; stop() cancels what runs
    impatient.join();
    say("the loop was stopped");

    loop.spawn(listen("D"), "listen D");
    loop.poll();  // one round of the loop: D starts
    say("the loop ends");
}
// [/loop]

int main(int argc, char** argv) {
    example::begin(argc, argv);
    rondo::run(cancel_one());
    end_of_a_loop();
    say("finished");
}

// Output:
// [0.0 s] started
// [0.0 s]     open:  A
// [0.5 s] cancel A
// [0.5 s]     close: A
// [0.5 s] cancel() has returned
// [0.5 s] A was cancelled: yes
// [0.5 s]     open:  B
// [0.5 s]     open:  C
// [1.0 s]     close: B
// [1.0 s]     close: C
// [1.0 s] the loop was stopped
// [1.0 s]     open:  D
// [1.0 s] the loop ends
// [1.0 s]     close: D
// [1.0 s] finished
