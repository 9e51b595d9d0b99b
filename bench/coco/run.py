"""Optimizers as they come on COCO's suites of functions (Hansen et al. 2021, arXiv:1603.08785).

  run.py LIBRARY OUTPUT --suite bbob --dimensions 2,3,5,10,20,40 --budget 1000 --optimizers minimize,spsa,sbplx,bobyqa,cma

LIBRARY is optimizers.cpp, compiled: libbench_coco.so. Each optimizer starts where the suite says, with no number of ours, and again from the
suite's next point whenever it has ended, until it has spent `budget` evaluations for each number of the function or has hit
the last target. Needs coco-experiment, and pycma for `cma`. -> OUTPUT/SUITE/OPTIMIZER, which cocopp reads and draws.
"""

import argparse
import ctypes
import os
import time

import cocoex
import numpy as np

EVALUATE = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.POINTER(ctypes.c_double))


def from_library(library, name):
    run = getattr(library, name)
    run.argtypes = [ctypes.c_void_p, ctypes.c_size_t, EVALUATE, ctypes.c_size_t, ctypes.c_uint64]

    def minimize(problem, x0, budget, seed):
        end = problem.evaluations + budget
        n = problem.dimension

        def value(x):
            if problem.evaluations >= end or problem.final_target_hit:
                return float("nan")
            return problem(np.ctypeslib.as_array(x, (n,)))

        x = np.array(x0, dtype=float)
        run(x.ctypes.data, n, EVALUATE(value), budget, seed)

    return minimize


def cma(problem, x0, budget, seed):
    import cma

    cma.fmin2(
        problem,
        x0,
        2,
        {
            "maxfevals": budget,
            "seed": seed + 1,
            "verbose": -9,
            "termination_callback": lambda _: problem.final_target_hit,
        },
    )


def main():
    ask = argparse.ArgumentParser()
    ask.add_argument("library")
    ask.add_argument("output")
    ask.add_argument("--suite", default="bbob")
    ask.add_argument("--dimensions", default="2,3,5,10,20,40")
    ask.add_argument("--instances", default="")
    ask.add_argument("--budget", type=int, default=1000)
    ask.add_argument("--optimizers", default="minimize,spsa,sbplx,bobyqa,cma")
    o = ask.parse_args()

    library = ctypes.CDLL(os.path.abspath(o.library))
    functions = {
        "minimize": "zoft_minimize",
        "spsa": "ensmallen_spsa",
        "sbplx": "nlopt_sbplx",
        "bobyqa": "nlopt_bobyqa",
    }
    known = {"cma": cma}
    for name in o.optimizers.split(","):
        if name in functions and hasattr(library, functions[name]):
            known[name] = from_library(library, functions[name])
        elif name not in known:
            ask.error(f"{name} is not in {o.library}, which may have {', '.join(functions)}; and there is cma")
    os.makedirs(os.path.join(o.output, o.suite), exist_ok=True)
    os.chdir(os.path.join(o.output, o.suite))
    for name in o.optimizers.split(","):
        started = time.process_time()
        suite = cocoex.Suite(o.suite, f"instances: {o.instances}" if o.instances else "", f"dimensions: {o.dimensions}")
        observer = cocoex.Observer(o.suite, f"outer_folder: . result_folder: {name} algorithm_name: {name}")
        hit = evaluations = 0
        for number, problem in enumerate(suite):
            problem.observe_with(observer)
            budget = o.budget * problem.dimension
            start = 0
            while problem.evaluations < budget and not problem.final_target_hit:
                x0 = problem.initial_solution_proposal(start)
                known[name](problem, x0, budget - problem.evaluations, 1000 * number + start)
                start += 1
            hit += problem.final_target_hit
            evaluations += problem.evaluations
            problem.free()
        print(
            f"{o.suite} {name}: {hit} of {number + 1} problems solved, {evaluations} evaluations, "
            f"{time.process_time() - started:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
