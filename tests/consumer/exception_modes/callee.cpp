#include <rondo/rondo.hpp>

#include <utility>

int finish(rondo::task<int> pending) { return rondo::run(std::move(pending)); }
