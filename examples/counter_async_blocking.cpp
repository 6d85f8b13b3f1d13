// Asynchronous and blocking: order, take a buzzer, and stare at it. The kitchen tells when the burger
// is ready; but the customer has given his thread away, to the call that waits for the buzzer.
//
// For one burger that is no better than to stand at the counter. It is for many at once: a call that
// waits until any of a hundred buzzers rings is called select, poll or epoll_wait, and there is one in
// the middle of every event loop.

#include "counter.hpp"

using counter::customer;
using example::claim;

int main(int argc, char** argv) {
    counter::open(argc, argv);
    counter::buzzer buzzer;
    counter::kitchen burgers;

    // [visit]
    customer("orders, and takes a buzzer");
    burgers.order([&] { buzzer.ring(); });
    customer("stares at it");
    buzzer.wait();  // control is gone, and comes back when it rings
    // [/visit]

    const counter::wait wait = counter::eat(burgers);
    claim("asynchronous: he does not ask, he is called", burgers.asked() == 0 && burgers.rung() == 1);
    claim("blocking: a call has his thread while he waits", wait.in_calls > wait.length / 2 && counter::pages == 0);
    claim("no processor works for it", wait.cpu_time < wait.length / 2);
    return example::verdict();
}

// Output:
// [0.0 s] started
// [0.0 s] customer orders, and takes a buzzer
// [0.0 s]                                         kitchen begins a burger
// [0.0 s] customer stares at it
// [1.0 s]                                         kitchen has it ready
// [1.0 s] customer eats
//
// control    ...    c own code   . a call   ~ the event loop
// asked 0, rung 1, pages 0, in calls ... s, CPU time ... s
// true:  asynchronous: he does not ask, he is called
// true:  blocking: a call has his thread while he waits
// true:  no processor works for it
