// error: too few arguments to function
#include <zoft/lozo.hpp>

int main() { auto tuner = zoft::lozo({.rank = 2}); }
