// The main function of the tests, where Catch2 2 is used; Catch2 3 brings one along.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
