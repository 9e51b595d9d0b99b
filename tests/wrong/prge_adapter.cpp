// error: the adapter must be copyable and have layout, a zoft::layout as data
#include <zoft/prge.hpp>

struct whole {};

int main() { auto tuner = zoft::prge({}, whole{}); }
