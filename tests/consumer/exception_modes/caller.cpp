#include <rondo/rondo.hpp>

int finish(rondo::task<int> pending);

rondo::task<int> answer() { co_return 42; }

int main() { return finish(answer()) == 42 ? 0 : 1; }
