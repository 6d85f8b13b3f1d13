// expect: with_stop_token(token, std::move(t))
#include <rondo/bridge/with_stop_token.hpp>
#include <rondo/rondo.hpp>

#include <utility>

rondo::task<> child() { co_return; }

rondo::task<> parent(std::stop_token token) {
    auto pending = child();
#ifdef RONDO_TEST_VALID
    co_await rondo::with_stop_token(token, std::move(pending));
#else
    co_await rondo::with_stop_token(token, pending);
#endif
}
