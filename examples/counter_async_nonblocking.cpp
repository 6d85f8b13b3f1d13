// Asynchronous and non-blocking: order, take a buzzer, sit down and read. Two coroutines share the
// customer's thread: one waits for the buzzer, one reads. Whoever waits gives control to the event
// loop, and the loop gives it to the one who can go on.

#include "counter.hpp"

#include <rondo/rondo.hpp>

using counter::customer;
using example::claim;

// [visit]
rondo::task<> order_and_wait(counter::kitchen& burgers) {
    customer("orders, and takes a buzzer");
    co_await rondo::from_callback([&](rondo::callback<> buzzer) { burgers.order(buzzer); });
    customer("hears the buzzer");
}

rondo::task<> read() {
    for (;;) {
        counter::read_a_page();
        customer("looks out of the window");
        co_await rondo::sleep(example::second * 3 / 10);  // the thread is not needed here
    }
}

rondo::task<> visit(counter::kitchen& burgers) {
    co_await rondo::when_any(order_and_wait(burgers), read());  // until the burger is there: the book has no end
}
// [/visit]

int main(int argc, char** argv) {
    counter::open(argc, argv);
    counter::kitchen burgers;
    {
        const example::hand_over loop(example::control::event_loop);
        rondo::run(visit(burgers));
    }

    const counter::wait wait = counter::eat(burgers);
    claim("asynchronous: he does not ask, he is called", burgers.asked() == 0 && burgers.rung() == 1);
    claim("non-blocking: no call has his thread, and he reads", wait.in_calls < wait.length / 2 && counter::pages >= 1);
    claim("a processor works while he reads, and rests while the loop waits",
          wait.cpu_time < counter::pages * counter::seconds_per_page + wait.length / 4);
    return example::verdict();
}

// Output:
// [0.0 s] started
// [0.0 s] customer orders, and takes a buzzer
// [0.0 s]                                         kitchen begins a burger
// [0.0 s] customer reads a page
// ...
// [1.0 s] customer hears the buzzer
// [1.0 s] customer eats
//
// control    ccc...    c own code   . a call   ~ the event loop
// asked 0, rung 1, pages ..., in calls 0.0 s, CPU time ... s
// true:  asynchronous: he does not ask, he is called
// true:  non-blocking: no call has his thread, and he reads
// true:  a processor works while he reads, and rests while the loop waits
