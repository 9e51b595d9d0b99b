"""Compares zoft's attention with torch's and llama.cpp's: causal, heads of 64, one sequence, one thread.

    python3 bench/models/compare_attention.py PROGRAM [--tokens 2048,8192] [--rounds 5]

PROGRAM is bench_attention. Each round measures all in turn: bench_attention's rows in bf16, which include writing keys and
values from f32, torch's scaled_dot_product_attention in bf16, and ggml_flash_attn_ext with f32 queries, and keys and
values in bf16 and f16. Prints medians of GFLOP/s, where work is counted once, 4·64 FLOP for each head, query and key that
it sees. First it checks that the peers compute the same. Needs torch, numpy and llama-cpp-python.
"""

import argparse
import ctypes
import json
import pathlib
import statistics
import subprocess
import time

import llama_cpp
import numpy
import torch

WIDTH = 64
F32, F16, BF16 = 0, 1, 30  # ggml's numbers of types


class Parameters(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("buffer", ctypes.c_void_p), ("no_alloc", ctypes.c_bool)]


def libraries():
    folder = pathlib.Path(llama_cpp.__file__).parent / "lib"
    base, cpu = (ctypes.CDLL(str(folder / f"lib{name}.so")) for name in ("ggml-base", "ggml-cpu"))
    for name in ("ggml_init", "ggml_new_tensor_4d", "ggml_get_data", "ggml_flash_attn_ext", "ggml_new_graph"):
        getattr(base, name).restype = ctypes.c_void_p
    base.ggml_init.argtypes = [Parameters]
    return base, cpu


class FlashAttention:
    """ggml_flash_attn_ext on q (heads, rows, 64), k and v (key heads, rows, 64)."""

    def __init__(self, q, k, v, kind):
        self.base, self.cpu = libraries()
        heads, rows, _ = q.shape
        # What is computed on the way is kept beside the tensors.
        size = 4 * (3 * q.numel() + k.numel() + v.numel()) + 2 * rows * (rows + 64) + (256 << 20)
        self.context = ctypes.c_void_p(self.base.ggml_init(Parameters(size, None, False)))
        numbers = {BF16: lambda t: t.bfloat16().view(torch.int16).numpy(), F16: lambda t: t.half().numpy(),
                   F32: lambda t: t.float().numpy()}

        def tensor(kind, values):
            extents = [ctypes.c_int64(n) for n in reversed(values.shape)]
            extents += [ctypes.c_int64(1)] * (4 - len(extents))
            result = ctypes.c_void_p(self.base.ggml_new_tensor_4d(self.context, kind, *extents))
            values = numpy.ascontiguousarray(values)
            ctypes.memmove(self.base.ggml_get_data(result), values.ctypes.data, values.nbytes)
            return result

        mask = numpy.triu(numpy.full((rows, rows), -numpy.inf, numpy.float16), 1)
        self.result = ctypes.c_void_p(self.base.ggml_flash_attn_ext(
            self.context, tensor(F32, numbers[F32](q)), tensor(kind, numbers[kind](k)), tensor(kind, numbers[kind](v)),
            tensor(F16, mask), ctypes.c_float(WIDTH ** -0.5), ctypes.c_float(0), ctypes.c_float(0)))
        self.graph = ctypes.c_void_p(self.base.ggml_new_graph(self.context))
        self.base.ggml_build_forward_expand(self.graph, self.result)
        self.shape = (rows, heads, WIDTH)

    def __call__(self):
        if self.cpu.ggml_graph_compute_with_ctx(self.context, self.graph, 1) != 0:
            raise SystemExit("ggml cannot compute the attention")

    def values(self):
        data = ctypes.cast(self.base.ggml_get_data(self.result), ctypes.POINTER(ctypes.c_float))
        return torch.from_numpy(numpy.ctypeslib.as_array(data, self.shape).copy()).transpose(0, 1)

    def close(self):
        self.base.ggml_free(self.context)


def seconds_of(f):
    f()
    times = []
    while sum(times) < 0.5 or len(times) < 2:
        start = time.perf_counter()
        f()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("program")
    arguments.add_argument("--tokens", default="2048,8192")
    arguments.add_argument("--rounds", type=int, default=5)
    given = arguments.parse_args()
    torch.set_num_threads(1)
    wrong = 0
    for heads, key_heads in ((9, 3), (4, 4)):
        for rows in map(int, given.tokens.split(",")):
            generator = torch.Generator().manual_seed(1)
            q, k, v = (torch.randn(n, rows, WIDTH, generator=generator) for n in (heads, key_heads, key_heads))
            flop = 4.0 * WIDTH * heads * rows * (rows + 1) / 2
            narrow = [t.bfloat16()[None] for t in (q, k, v)]

            def by_torch():
                return torch.nn.functional.scaled_dot_product_attention(*narrow, is_causal=True, enable_gqa=True)

            peers = {"llama.cpp, bf16 keys": FlashAttention(q, k, v, BF16), "llama.cpp, f16 keys": FlashAttention(q, k, v, F16)}
            exact = torch.nn.functional.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True,
                                                                     enable_gqa=True)[0]
            for name, peer in peers.items():
                peer()
                off = float((peer.values() - exact).abs().max())
                if not off < 0.05:
                    print(f"{name} is off by {off}")
                    wrong += 1
            rates = {name: [] for name in ("zoft", "torch", *peers)}
            row = f"attention/bf16/{heads}x{key_heads}/{rows}"
            for _ in range(given.rounds):
                done = subprocess.run([given.program, f"--benchmark_filter=^{row}$", "--benchmark_format=json",
                                       "--benchmark_min_time=0.5"], capture_output=True, text=True, check=True)
                rates["zoft"].append(json.loads(done.stdout)["benchmarks"][0]["GFLOP/s"])
                rates["torch"].append(1e-9 * flop / seconds_of(by_torch))
                for name, peer in peers.items():
                    rates[name].append(1e-9 * flop / seconds_of(peer))
            for peer in peers.values():
                peer.close()
            print(row + ": " + ", ".join(f"{name} {statistics.median(r):.0f}" for name, r in rates.items()), flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
