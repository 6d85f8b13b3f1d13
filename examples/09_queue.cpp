// 09: a bounded queue between a producer and two consumers. The consumers take what they can bear, two
// downloads at a time; the producer waits while the queue is full; close() tells everybody the end.

#include "stopwatch.hpp"

#include <rondo/rondo.hpp>

#include <optional>
#include <string>

using example::say;

using url_queue = rondo::bounded_queue<std::string>;

// [producer]
rondo::task<> produce(url_queue& urls) {
    for (int n = 1; n <= 6; ++n) {
        std::string url = "url_" + std::to_string(n);
        co_await urls.push(url);  // waits while the queue is full
        say("    queued: url_", n);
    }
    urls.close();  // nothing more will come
}
// [/producer]

// [consumer]
rondo::task<> consume(std::string name, url_queue& urls) {
    while (const std::optional<std::string> url = co_await urls.pop()) {  // empty once closed and drained
        co_await rondo::sleep(example::second);
        say(name, " complete download: ", *url);
    }
    say(name, " has nothing left to do");
}
// [/consumer]

// [pipeline]
rondo::task<> pipeline() {
    url_queue urls(2);  // holds two, the rest has to wait
    co_await rondo::when_all(produce(urls), consume("A", urls), consume("B", urls));
}
// [/pipeline]

int main(int argc, char** argv) {
    example::begin(argc, argv);
    rondo::run(pipeline());
    say("finished");
    return 0;
}

// Output:
// [0.0 s] started
// [0.0 s]     queued: url_1
// [0.0 s]     queued: url_2
// [0.0 s]     queued: url_3
// [0.0 s]     queued: url_4
// [1.0 s] A complete download: url_1
// [1.0 s] B complete download: url_2
// [1.0 s]     queued: url_5
// [1.0 s]     queued: url_6
// [2.0 s] A complete download: url_3
// [2.0 s] B complete download: url_4
// [3.0 s] A complete download: url_5
// [3.0 s] A has nothing left to do
// [3.0 s] B complete download: url_6
// [3.0 s] B has nothing left to do
// [3.0 s] finished
