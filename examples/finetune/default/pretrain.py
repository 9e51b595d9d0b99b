"""Makes the default model from nothing: config.json, model.safetensors and tokenizer.bin, in the folder of this file.

A character-level Llama that writes out dates, times, sums of money and numbers (make_task.py). It is trained on documents
of several items each by one writer, four in five of them American and one in five British, so it knows both ways and, asked
out of the blue, writes American.

What a sequence is. Token 3 + b is the byte b; 0 is <unk>, 1 is <s>, 2 is </s>. An item is

    <s> ' ' prompt '\\n' answer </s>

(the encoder of llama2.c puts <s> and a space before any text), and a document is such items one after the other, their
positions counting on. So an item alone is exactly how a document begins. The loss is the mean over the answers' tokens, </s> included.

    python3 pretrain.py [--steps 1600] [--seed 1] [--folder .]     # torch 1.13 or later; about five minutes of a core
"""

import argparse
import json
import math
import os
import random
import struct
import time

import torch
import torch.nn.functional as F

import make_task

BOS, EOS, BYTE = 1, 2, 3
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 192,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "vocab_size": 259,
    "max_position_embeddings": 256,
    "rms_norm_eps": 1e-05,
    "rope_theta": 10000.0,
    "hidden_act": "silu",
    "tie_word_embeddings": True,
    "bos_token_id": BOS,
    "eos_token_id": EOS,
    "torch_dtype": "float32",
}


def encode(prompt, answer):
    """-> (tokens, how many of them come before the answer)"""
    text = [BYTE + b for b in (" " + prompt + "\n").encode()]
    return [BOS] + text + [BYTE + b for b in answer.encode()] + [EOS], 1 + len(text)


class Llama(torch.nn.Module):
    """Parameters are named as in Hugging Face's checkpoints; all weights are (out, in)."""

    def __init__(self, config):
        super().__init__()
        d, m = config["hidden_size"], config["intermediate_size"]
        kv = d // config["num_attention_heads"] * config["num_key_value_heads"]
        self.config, self.w = config, {}
        shapes = {"model.embed_tokens.weight": (config["vocab_size"], d)}
        for i in range(config["num_hidden_layers"]):
            at = "model.layers.%d." % i
            shapes.update({at + "input_layernorm.weight": (d,), at + "post_attention_layernorm.weight": (d,),
                           at + "self_attn.q_proj.weight": (d, d), at + "self_attn.k_proj.weight": (kv, d),
                           at + "self_attn.v_proj.weight": (kv, d), at + "self_attn.o_proj.weight": (d, d),
                           at + "mlp.gate_proj.weight": (m, d), at + "mlp.up_proj.weight": (m, d),
                           at + "mlp.down_proj.weight": (d, m)})
        shapes["model.norm.weight"] = (d,)
        for name, shape in shapes.items():
            p = torch.ones(shape) if len(shape) == 1 else torch.randn(shape) * (0.02 if "embed" in name else shape[1] ** -0.5)
            if "o_proj" in name or "down_proj" in name:  # what is added to the residual stream, once in each half layer
                p /= (2 * config["num_hidden_layers"]) ** 0.5
            self.w[name] = torch.nn.Parameter(p)
            self.register_parameter(name.replace(".", "_"), self.w[name])

    def norm(self, x, weight):
        return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + self.config["rms_norm_eps"]) * weight

    def forward(self, tokens):
        """(batch, length) -> the last layer's output (batch, length, hidden), normed"""
        c, w = self.config, self.w
        heads, groups = c["num_attention_heads"], c["num_key_value_heads"]
        b, t = tokens.shape
        size = c["hidden_size"] // heads
        angle = torch.arange(t)[:, None] * c["rope_theta"] ** (-torch.arange(0, size, 2).float() / size)[None]
        cos, sin = torch.cat([angle.cos()] * 2, 1), torch.cat([angle.sin()] * 2, 1)
        masked = torch.full((t, t), float("-inf")).triu(1)

        def split(x, n):  # (b, t, n * size) -> (b, n, t, size)
            return x.view(b, t, n, size).transpose(1, 2)

        def rotate(x):
            return x * cos + torch.cat([-x[..., size // 2:], x[..., :size // 2]], -1) * sin

        x = w["model.embed_tokens.weight"][tokens]
        for i in range(c["num_hidden_layers"]):
            at = "model.layers.%d." % i
            y = self.norm(x, w[at + "input_layernorm.weight"])
            q = rotate(split(y @ w[at + "self_attn.q_proj.weight"].T, heads))
            k = rotate(split(y @ w[at + "self_attn.k_proj.weight"].T, groups)).repeat_interleave(heads // groups, 1)
            v = split(y @ w[at + "self_attn.v_proj.weight"].T, groups).repeat_interleave(heads // groups, 1)
            p = torch.softmax(q / math.sqrt(size) @ k.transpose(2, 3) + masked, -1)
            x = x + (p @ v).transpose(1, 2).reshape(b, t, -1) @ w[at + "self_attn.o_proj.weight"].T
            y = self.norm(x, w[at + "post_attention_layernorm.weight"])
            y = F.silu(y @ w[at + "mlp.gate_proj.weight"].T) * (y @ w[at + "mlp.up_proj.weight"].T)
            x = x + y @ w[at + "mlp.down_proj.weight"].T
        return self.norm(x, w["model.norm.weight"])

    def logits(self, hidden):
        return hidden @ self.w["model.embed_tokens.weight"].T


def documents(rng, length):
    """Without end: (tokens, is the token part of an answer), `length` of each, of as many items by one writer as fit."""
    items = make_task.items(rng, "pretraining")
    while True:
        style = make_task.BRITISH if rng.random() < 0.2 else make_task.AMERICAN
        tokens, answer = [], []
        while len(tokens) < length:
            prompt, words = next(items)
            item, given = encode(prompt, words(style))
            tokens += item
            answer += [False] * given + [True] * (len(item) - given)
        yield tokens[:length], answer[:length]


def exact_match(model, pairs):
    """The share of pairs whose whole answer greedy decoding gives: where every token of it is the likeliest after those before."""
    right = 0
    with torch.no_grad():
        for first in range(0, len(pairs), 100):
            items = [encode(*pair) for pair in pairs[first:first + 100]]
            width = max(len(tokens) for tokens, _ in items)
            guess = model.logits(model(torch.tensor([t + [EOS] * (width - len(t)) for t, _ in items]))).argmax(-1).tolist()
            right += sum(guess[i][given - 1:len(t) - 1] == t[given:] for i, (t, given) in enumerate(items))
    return right / len(pairs)


def held_out():
    """-> the held-out pairs, as Americans and as Britons write them"""
    words = make_task.train_and_heldout()[1]
    return [[(prompt, words[prompt](style)) for prompt in words] for style in (make_task.AMERICAN, make_task.BRITISH)]


def pretrain(model, steps, seed, rows=48, length=128, rate=4e-3, noise=0.1):
    """Each step sees the matrices with fresh Gaussian noise, growing to `noise` of each one's own root mean square, so that
    what is learnt lies in a flat place of the loss, where perturbing weights costs little."""
    rng = random.Random(seed)
    source = documents(rng, length)
    matrices = [p for p in model.parameters() if p.dim() == 2]
    optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.1},
                                   {"params": [p for p in model.parameters() if p.dim() == 1], "weight_decay": 0.0}],
                                  lr=rate, betas=(0.9, 0.98))
    pairs, start = held_out(), time.time()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1, (step + 1) / 100) * (1 - step / steps)
        batch = [next(source) for _ in range(rows)]
        tokens, answer = torch.tensor([t for t, _ in batch]), torch.tensor([a for _, a in batch])
        with torch.no_grad():
            added = [torch.randn_like(p) * (noise * step / steps * p.pow(2).mean().sqrt()) for p in matrices]
            for p, z in zip(matrices, added):
                p += z
        hidden = model(tokens)[:, :-1][answer[:, 1:]]
        loss = F.cross_entropy(model.logits(hidden), tokens[:, 1:][answer[:, 1:]])
        optimizer.zero_grad()
        loss.backward()
        with torch.no_grad():
            for p, z in zip(matrices, added):
                p -= z
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 400 == 399 or step + 1 == steps:
            print("step %d  loss %.4f  held out: American %.3f  British %.3f  %.0f s"
                  % (step + 1, loss.item(), exact_match(model, pairs[0]), exact_match(model, pairs[1]), time.time() - start), flush=True)


def write_safetensors(path, tensors):
    header, at = {}, 0
    for name, tensor in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [at, at + 4 * tensor.numel()]}
        at += 4 * tensor.numel()
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors.values():
            out.write(struct.pack("<%df" % tensor.numel(), *tensor.detach().flatten().tolist()))


def write_tokenizer(path):
    """llama2.c's: uint32 length of the longest token, then for each token float32 score, int32 length, bytes."""
    tokens = [b"<unk>", b"<s>", b"</s>"]
    tokens += [bytes([b]) if 32 <= b < 127 or b == 10 else b"<0x%02X>" % b for b in range(256)]
    with open(path, "wb") as out:
        out.write(struct.pack("<I", max(map(len, tokens))))
        for token in tokens:
            out.write(struct.pack("<fi", 0.0, len(token)) + token)


def main():
    options = argparse.ArgumentParser(description="makes config.json, model.safetensors and tokenizer.bin")
    options.add_argument("--steps", type=int, default=1600)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--folder", default=os.path.dirname(os.path.abspath(__file__)))
    options = options.parse_args()
    torch.manual_seed(options.seed)
    torch.set_float32_matmul_precision("medium")  # bf16 products where the processor has them: half as long again without
    model = Llama(CONFIG)
    pretrain(model, options.steps, options.seed)
    with open(os.path.join(options.folder, "config.json"), "w") as out:
        json.dump(CONFIG, out, indent=2)
        out.write("\n")
    write_safetensors(os.path.join(options.folder, "model.safetensors"), model.w)
    write_tokenizer(os.path.join(options.folder, "tokenizer.bin"))


if __name__ == "__main__":
    main()
