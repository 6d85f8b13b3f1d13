// expect: no match
#include <rondo/rondo.hpp>

#include <string>

void answer(const rondo::callback<int>& done) {
#ifdef RONDO_TEST_VALID
    done(1);
#else
    done(std::string("one"));
#endif
}
