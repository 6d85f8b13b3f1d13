// Two things to do about a cancellation beside destructors, which cannot wait: finally says goodbye,
// and takes its time; uncancellable is not torn in two.

#include "stopwatch.hpp"

#include <rondo/rondo.hpp>

#include <chrono>
#include <utility>

using example::say;

// [finally]
rondo::task<> talk() {
    for (int n = 1;; ++n) {
        co_await rondo::sleep(example::second);
        say("talk ", n);
    }
}

rondo::task<> say_goodbye() {
    say("    goodbye, ...");
    co_await rondo::sleep(example::second / 2);
    say("    ... they said goodbye, too");
}

// say_goodbye() runs to its end, whether talk() ends, fails or is cancelled.
rondo::task<> conversation() { co_await rondo::finally(talk(), say_goodbye); }
// [/finally]

// [uncancellable]
rondo::task<> transfer() {
    say("    taken from one account");
    co_await rondo::sleep(example::second);
    say("    given to the other");
}

rondo::task<> pay() {
    co_await rondo::uncancellable(transfer());
    say("a receipt");  // not if it was cancelled meanwhile
}
// [/uncancellable]

// [cancel]
rondo::task<> cancel_after(rondo::task<> t, std::chrono::microseconds length) {
    auto handle = rondo::spawn(std::move(t));
    co_await rondo::sleep(length);
    say("cancel");
    handle.cancel();  // asks; does not wait
    const rondo::outcome<void> outcome = co_await handle.settled();
    say(outcome.is_cancelled() ? "cancelled" : "not cancelled");
}
// [/cancel]

int main(int argc, char** argv) {
    example::begin(argc, argv);
    rondo::run(cancel_after(conversation(), example::second * 3 / 2));
    rondo::run(cancel_after(pay(), example::second / 2));
    say("finished");
}

// Output:
// [0.0 s] started
// [1.0 s] talk 1
// [1.5 s] cancel
// [1.5 s]     goodbye, ...
// [2.0 s]     ... they said goodbye, too
// [2.0 s] cancelled
// [2.0 s]     taken from one account
// [2.5 s] cancel
// [3.0 s]     given to the other
// [3.0 s] cancelled
// [3.0 s] finished
