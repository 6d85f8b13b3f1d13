// Synchronous and non-blocking: order, and ask again and again. Each call answers at once, and between
// two of them the customer reads a page. It is still for him to find out.

#include "counter.hpp"

using counter::customer;
using example::claim;

// [visit]
bool asks(counter::kitchen& burgers) {
    const bool ready = burgers.is_ready();  // control is back at once
    customer(ready ? "asks: \"yes\"" : "asks: \"no\"");
    return ready;
}

void visit(counter::kitchen& burgers) {
    customer("orders");
    burgers.order();
    while (!asks(burgers)) {
        counter::read_a_page();  // a long one: he learns it late; a short one: he asks more often
    }
}
// [/visit]

int main(int argc, char** argv) {
    counter::open(argc, argv);
    counter::kitchen burgers;
    visit(burgers);

    const counter::wait wait = counter::eat(burgers);
    claim("synchronous: he asks, many times, and nobody calls him", burgers.asked() >= 2 && burgers.rung() == 0);
    claim("non-blocking: he keeps his thread, and reads", wait.in_calls < wait.length / 2 && counter::pages >= 1);
    return example::verdict();
}

// Output:
// [0.0 s] started
// [0.0 s] customer orders
// [0.0 s]                                         kitchen begins a burger
// [0.0 s] customer asks: "no"
// [0.0 s] customer reads a page
// ...
// [1.2 s] customer asks: "yes"
// [1.2 s] customer eats
//
// control    ccc...    c own code   . a call   ~ the event loop
// asked ..., rung 0, pages ..., in calls 0.0 s, CPU time ... s
// true:  synchronous: he asks, many times, and nobody calls him
// true:  non-blocking: he keeps his thread, and reads
