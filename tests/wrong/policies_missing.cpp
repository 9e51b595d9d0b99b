// error: four policies are needed, in this order: a sampler, an estimator, an adapter, an optimizer
#include <span>
#include <vector>
#include <zoft/zoft.hpp>

int main() { zoft::engine tuner{zoft::gaussian{}, zoft::two_point{}, zoft::full{}}; }
