"""Exports the loss of a model with a LoRA-FA adapter as a program for ExecuTorch, for CPUs by XNNPACK.

    pip install torch==2.15.0 executorch==1.5.1      # 6 GB; only this script needs them
    python3 export.py                                # ../../finetune/default -> default.pte

What the adapter trains is an input, theta (P, D): P candidates of the matrices B (out, rank) of all linears, in the order
q, k, v, o, gate, up, down of each block. Its frozen half is another, a: s·A (rank, in) of the same linears, s = alpha/rank.

    losses  (tokens (N, T), labels (N, T), a, theta (P, D)) -> loss (P): the mean of −ln p(label) over labels above −1
    answers (the same, of one candidate and more sequences)  -> loss (1), best (N, T): the most probable tokens
    prge_Q  (tokens, labels, a, plus (Q, D), minus (Q, D), noise (Q, D), coefficients (Q)) -> plus, minus, loss (2Q):
            P-RGE with its update in the program, as zoft::engines::in_graph_prge runs it

Models: like Llama and Qwen2, in Hugging Face's files, or in one of llama2.c.
"""
import argparse
import json
import math
import pathlib
import struct

import torch
import torch.nn.functional as F
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import ExecutorchBackendConfig, to_edge_transform_and_lower
from executorch.exir.passes import MemoryPlanningPass


def read_safetensors(path):
    data = path.read_bytes()
    (size,) = struct.unpack_from("<Q", data)
    types = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
    tensors = {}
    for name, t in json.loads(data[8 : 8 + size]).items():
        if name != "__metadata__":
            first, last = (8 + size + at for at in t["data_offsets"])
            raw = torch.frombuffer(bytearray(data[first:last]), dtype=types[t["dtype"]])
            tensors[name] = raw.reshape(t["shape"]).float()
    return tensors


def read_llama2c(path):
    """The configuration and weights of a file of llama2.c, in its first format."""
    data = path.read_bytes()
    dim, hidden, layers, heads, kv_heads, vocabulary, _ = struct.unpack_from("<7i", data)
    config = {
        "hidden_size": dim, "num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": kv_heads,
        "vocab_size": vocabulary, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
    }  # fmt: skip
    if vocabulary <= 0:
        raise SystemExit(f"{path}: models with a head of their own are not supported")
    keys, at, tensors = dim // heads * kv_heads, 28, {}

    def take(*shape):
        nonlocal at
        first, at = at, at + 4 * math.prod(shape)
        return torch.frombuffer(bytearray(data[first:at]), dtype=torch.float32).reshape(shape)

    def take_all(name, *shape):
        for i, weight in enumerate(take(layers, *shape)):
            tensors[f"model.layers.{i}.{name}.weight"] = weight.clone()

    tensors["model.embed_tokens.weight"] = take(vocabulary, dim)
    take_all("input_layernorm", dim)
    take_all("self_attn.q_proj", dim, dim)
    take_all("self_attn.k_proj", keys, dim)
    take_all("self_attn.v_proj", keys, dim)
    take_all("self_attn.o_proj", dim, dim)
    take_all("post_attention_layernorm", dim)
    take_all("mlp.gate_proj", hidden, dim)
    take_all("mlp.down_proj", dim, hidden)
    take_all("mlp.up_proj", hidden, dim)
    tensors["model.norm.weight"] = take(dim)
    return config, tensors


class Model(torch.nn.Module):
    """Streams are (P, N·T, dim), and (1, N·T, dim) before the first adapter acts. Extents are all fixed."""

    def __init__(self, path, rank, sequences, length, stacked=False):
        super().__init__()
        if path.suffix == ".bin":
            c, weights = read_llama2c(path)
        else:
            c, weights = json.loads((path / "config.json").read_text()), read_safetensors(path / "model.safetensors")
        self.config, self.interleaved = c, path.suffix == ".bin"
        self.sequences, self.length, self.rank = sequences, length, rank
        self.heads, self.kv_heads = c["num_attention_heads"], c.get("num_key_value_heads", c["num_attention_heads"])
        self.dim = c["hidden_size"]
        self.head_dim = c.get("head_dim") or self.dim // self.heads
        self.layers = c["num_hidden_layers"]
        weights.setdefault("lm_head.weight", weights["model.embed_tokens.weight"])
        if stacked:
            self.stack(weights)
        self.names = set(weights)
        for name, weight in weights.items():
            self.register_buffer(name.replace(".", "_"), weight)
        self.linears = [
            f"model.layers.{i}.{name}_proj"
            for i in range(self.layers)
            for name in ["self_attn.q", "self_attn.k", "self_attn.v", "self_attn.o", "mlp.gate", "mlp.up", "mlp.down"]
        ]
        # Where A and B of each linear begin in a and theta.
        self.of_a, self.of_b, self.a_size, self.theta_size = {}, {}, 0, 0
        for name in self.linears:
            out, into = self.weight(name).shape
            self.of_a[name], self.of_b[name] = self.a_size, self.theta_size
            self.a_size += rank * into
            self.theta_size += out * rank
        self.positions(c)

    def stack(self, weights):
        """The fault to avoid: weights that are slices of one tensor. XNNPACK takes the first slice for all of them."""
        names = [f"model.layers.{i}.mlp.gate_proj.weight" for i in range(self.layers)]
        stacked = torch.stack([weights[name] for name in names])
        weights.update({name: stacked[i] for i, name in enumerate(names)})

    def weight(self, name, what=".weight"):
        full = name + what
        return getattr(self, full.replace(".", "_")) if full in self.names else None

    def positions(self, c):
        """(a, b) becomes (a·cos − b·sin, b·cos + a·sin), as x·cos + (xR)·sin: products, which XNNPACK takes. The two are
        half a head apart, and beside each other in files of llama2.c."""
        half = self.head_dim // 2
        base = c.get("rope_theta") or c["rope_parameters"]["rope_theta"]
        angles = torch.outer(
            torch.arange(self.length, dtype=torch.float64), base ** -(torch.arange(half, dtype=torch.float64) / half)
        )
        pairs = torch.arange(self.head_dim)
        first, second = (pairs[::2], pairs[1::2]) if self.interleaved else (pairs[:half], pairs[half:])
        turn = torch.zeros(self.head_dim, self.head_dim)
        turn[first, second], turn[second, first] = -1.0, 1.0
        spread = torch.zeros(self.length, 1, self.head_dim, dtype=torch.float64)
        spread[:, 0, first] = spread[:, 0, second] = angles
        self.register_buffer("cos", spread.cos().float())  # (T, 1, head_dim)
        self.register_buffer("sin", spread.sin().float())
        self.register_buffer("turn", turn)
        self.register_buffer("mask", torch.full((self.length, self.length), -1e9).triu(1))
        self.register_buffer("mean", torch.full((1, self.dim), 1 / self.dim))
        self.register_buffer("sum", torch.ones(1, self.dim))
        self.register_buffer("sum_of_words", torch.ones(1, c["vocab_size"]))

    def norm(self, x, name):
        """The mean square is a linear, as XNNPACK takes those."""
        mean = F.linear(x * x, self.mean)
        return x * torch.rsqrt(mean + self.config["rms_norm_eps"]) * self.weight(name)

    def linear(self, x, name, a, theta):
        """x (·, rows, in) -> xWᵀ + b + s·(xAᵀ)Bᵀ (P, rows, out)."""
        weight, r = self.weight(name), self.rank
        out, into = weight.shape
        own_a = a[self.of_a[name] : self.of_a[name] + r * into].reshape(1, r, into)
        own_b = theta[:, self.of_b[name] : self.of_b[name] + out * r].reshape(-1, out, r)
        low = torch.bmm(x, own_a.transpose(1, 2).expand(x.shape[0], into, r))
        low = low.expand(theta.shape[0], low.shape[1], r)
        return F.linear(x, weight, self.weight(name, ".bias")) + torch.bmm(low, own_b.transpose(1, 2))

    def rotate(self, x):
        return x * self.cos + F.linear(x, self.turn) * self.sin

    def attention(self, q, k, v):
        """Queries that share a head of keys are rows of one product."""
        each, t, d = q.shape[0] * self.sequences, self.length, self.head_dim
        groups = self.heads // self.kv_heads
        q = self.rotate(q.reshape(each, t, self.heads, d)).reshape(each, t, self.kv_heads, groups, d)
        k = self.rotate(k.reshape(each, t, self.kv_heads, d))
        v = v.reshape(each, t, self.kv_heads, d)
        q = q.permute(0, 2, 3, 1, 4).reshape(each * self.kv_heads, groups * t, d)
        k = k.permute(0, 2, 3, 1).reshape(each * self.kv_heads, d, t)
        v = v.permute(0, 2, 1, 3).reshape(each * self.kv_heads, t, d)
        scores = torch.bmm(q * (1 / math.sqrt(d)), k).reshape(each * self.kv_heads, groups, t, t) + self.mask
        mixed = torch.bmm(scores.softmax(-1).reshape(each * self.kv_heads, groups * t, t), v)
        mixed = mixed.reshape(each, self.kv_heads, groups, t, d).permute(0, 3, 1, 2, 4)
        return mixed.reshape(-1, self.sequences * t, self.heads * d)

    def losses(self, tokens, labels, a, theta, best=False):
        x = F.embedding(tokens, self.weight("model.embed_tokens")).reshape(1, -1, self.dim)
        for i in range(self.layers):
            block = f"model.layers.{i}."
            y = self.norm(x, block + "input_layernorm")
            qkv = [self.linear(y, f"{block}self_attn.{which}_proj", a, theta) for which in "qkv"]
            x = x + self.linear(self.attention(*qkv), block + "self_attn.o_proj", a, theta)
            y = self.norm(x, block + "post_attention_layernorm")
            gate = self.linear(y, block + "mlp.gate_proj", a, theta)
            inner = gate * gate.sigmoid() * self.linear(y, block + "mlp.up_proj", a, theta)
            x = x + self.linear(inner, block + "mlp.down_proj", a, theta)
        x = self.norm(x, "model.norm")

        head, flat = self.weight("lm_head"), labels.reshape(-1)
        logits = F.linear(x, head)
        most = logits.amax(-1, keepdim=True)
        of_all = torch.log(F.linear(torch.exp(logits - most), self.sum_of_words)) + most
        of_label = F.linear(x * F.embedding(flat.clamp(min=0), head), self.sum)
        counts = (flat >= 0).float()
        loss = ((of_all - of_label)[:, :, 0] * counts).sum(1) / counts.sum()
        return (loss, logits.argmax(-1).reshape(labels.shape)) if best else loss


class Losses(Model):
    def forward(self, tokens, labels, a, theta):
        return self.losses(tokens, labels, a, theta)


class Answers(Model):
    def forward(self, tokens, labels, a, theta):
        return self.losses(tokens, labels, a, theta, best=True)


class Prge(Model):
    epsilon = 1e-2

    def forward(self, tokens, labels, a, plus, minus, noise, coefficients):
        n = (plus - minus) * 0.5
        u = (coefficients[:, None] * n).sum(0) * (1 / self.epsilon)
        plus, minus = plus - n - u + self.epsilon * noise, minus + n - u - self.epsilon * noise
        return plus, minus, self.losses(tokens, labels, a, torch.cat([plus, minus]))


@torch.no_grad()
def main():
    here = pathlib.Path(__file__).parent
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("model", nargs="?", type=pathlib.Path, default=here / "../../finetune/default", help="a folder or .bin")
    p.add_argument("output", nargs="?", type=pathlib.Path, default=here / "default.pte")
    p.add_argument("--rank", type=int, default=8)
    p.add_argument("--candidates", type=int, default=8)
    p.add_argument("--sequences", type=int, default=4)
    p.add_argument("--length", type=int, default=66)
    p.add_argument("--methods", nargs="+", default=["losses", "answers", "prge_1", "prge_4"])
    p.add_argument("--stacked", action="store_true", help="make the fault that Model.stack() describes")
    o = p.parse_args()

    programs = {}
    for name in o.methods:
        what, _, queries = name.partition("_")
        sequences = 8 * o.sequences if what == "answers" else o.sequences
        kind = {"losses": Losses, "answers": Answers, "prge": Prge}[what]
        model = kind(o.model, o.rank, sequences, o.length, o.stacked)
        tokens = torch.zeros(sequences, o.length, dtype=torch.int64)
        inputs = [tokens, tokens.clone(), torch.zeros(model.a_size)]
        if what == "prge":
            inputs += [torch.zeros(int(queries), model.theta_size) for _ in range(3)] + [torch.zeros(int(queries))]
        else:
            inputs += [torch.zeros(1 if what == "answers" else o.candidates, model.theta_size)]
        programs[name] = torch.export.export(model, tuple(inputs), strict=False)

    edge = to_edge_transform_and_lower(programs, partitioner=[XnnpackPartitioner()])
    # Inputs are read where the caller has them, and are not copied.
    inputs_stay = MemoryPlanningPass(alloc_graph_input=False)
    program = edge.to_executorch(ExecutorchBackendConfig(memory_planning_pass=inputs_stay))
    o.output.write_bytes(program.buffer)
    print(o.output, len(program.buffer), "bytes")


if __name__ == "__main__":
    main()
