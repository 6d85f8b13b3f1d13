// expect: auto [a, b] = co_await ...
#include <rondo/rondo.hpp>

rondo::task<int> answer() { co_return 42; }

rondo::task<> parent() {
#ifdef RONDO_TEST_VALID
    auto [a, b] = co_await rondo::when_all(answer(), answer());
    static_cast<void>(a + b);
#else
    auto [a, b] = rondo::when_all(answer(), answer());
    co_return;
#endif
}
