// A program that is compiled for more than the processor it is started on may have.
#include <cstdio>
#include <zoft/nn/transformer.hpp>

float made_before_main();

int main() { std::printf("%g\n", static_cast<double>(made_before_main())); }
