// Synchronous and blocking: order, and stand at the counter until the burger is ready. One call asks
// for it and brings it, and has control all the while. The book stays shut.

#include "counter.hpp"

using counter::customer;
using example::claim;

int main(int argc, char** argv) {
    counter::open(argc, argv);
    counter::kitchen burgers;

    // [visit]
    customer("orders, and stands at the counter");
    burgers.order();
    burgers.wait_until_ready();  // control is gone, and comes back with the burger
    // [/visit]

    const counter::wait wait = counter::eat(burgers);
    claim("synchronous: he asks, once, and nobody calls him", burgers.asked() == 1 && burgers.rung() == 0);
    claim("blocking: a call has his thread while he waits", wait.in_calls > wait.length / 2 && counter::pages == 0);
    claim("no processor works for it", wait.cpu_time < wait.length / 2);
    return example::verdict();
}

// Output:
// [0.0 s] started
// [0.0 s] customer orders, and stands at the counter
// [0.0 s]                                         kitchen begins a burger
// [1.0 s]                                         kitchen has it ready
// [1.0 s] customer eats
//
// control    ...    c own code   . a call   ~ the event loop
// asked 1, rung 0, pages 0, in calls ... s, CPU time ... s
// true:  synchronous: he asks, once, and nobody calls him
// true:  blocking: a call has his thread while he waits
// true:  no processor works for it
