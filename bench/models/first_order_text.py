"""First-order Adam on all weights of a model that learns a text, to compare with methods that take forwards only.

    python3 bench/models/first_order_text.py PROGRAM --model FILE --tokenizer FILE --text FILE [--output NAME]

PROGRAM is save.cpp beside this file, compiled: it makes the folder that transformers reads. Sequences, their number a
step, and what is held out are those of bench_estimators: 16 of 64 tokens from anywhere in the first 95 % of the text,
and the first 4,000 tokens of the rest. A step counts as three forwards, and the rate falls linearly. Each rate of
--rates is tried once; the best is run by --seeds others, whose median and range are printed, and written to
NAME-curves.csv as bench_estimators writes its own. Needs torch, transformers and numpy.
"""

import argparse
import os
import pathlib
import statistics
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
os.environ["TQDM_DISABLE"] = "1"

import torch
from transformers import AutoModelForCausalLM

import common


def tokens_of(given, folder, text, scratch):
    path = scratch / "text"
    path.write_bytes(text)
    line, = common.lines_of(given.program, given.model, folder, "1", "--tokenizer", given.tokenizer, "--text", path)
    return torch.tensor(line["source_tokens"][1:])  # the first is the beginning of a text


@torch.no_grad()
def heldout_loss(model, tokens, length, batch):
    """The mean over all tokens but the first, in windows that begin with the last token of the one before."""
    total, at = 0.0, 0
    while at + 1 < len(tokens):
        window = tokens[at:at + length].unsqueeze(0)
        total += model(window, labels=window).loss.item() * (window.shape[1] - 1)
        at += length - 1
    return total / (len(tokens) - 1)


def run(given, folder, train, heldout, rate, seed):
    """Held-out losses at --looks equally spaced steps, with the forwards until there."""
    drawn = torch.Generator().manual_seed(seed)
    model = AutoModelForCausalLM.from_pretrained(str(folder), dtype=torch.float32)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    steps = given.forwards // 3
    curve = [(0, heldout_loss(model, heldout, given.length, given.batch))]
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * (1 - step / steps)
        starts = torch.randint(len(train) - given.length + 1, (given.batch,), generator=drawn)
        tokens = torch.stack([train[i:i + given.length] for i in starts.tolist()])
        model(tokens, labels=tokens).loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if (step + 1) % max(1, steps // given.looks) == 0 or step + 1 == steps:
            curve.append((3 * (step + 1), heldout_loss(model, heldout, given.length, given.batch)))
    return curve


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("program")
    arguments.add_argument("--model", type=pathlib.Path, required=True)
    arguments.add_argument("--tokenizer", type=pathlib.Path, required=True)
    arguments.add_argument("--text", type=pathlib.Path, required=True)
    arguments.add_argument("--output")
    arguments.add_argument("--forwards", type=int, default=4000)
    arguments.add_argument("--batch", type=int, default=16)
    arguments.add_argument("--length", type=int, default=64)
    arguments.add_argument("--heldout-tokens", type=int, default=4000)
    arguments.add_argument("--rates", default="1e-3,3e-3,1e-2")
    arguments.add_argument("--seeds", type=int, default=5)
    arguments.add_argument("--looks", type=int, default=40)
    arguments.add_argument("--threads", type=int, default=1)
    given = arguments.parse_args()
    torch.set_num_threads(given.threads)
    text = given.text.read_bytes()
    split = len(text) * 95 // 100
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        folder = scratch / "model"
        train = tokens_of(given, folder, text[:split], scratch)
        heldout = tokens_of(given, folder, text[split:], scratch)[:given.heldout_tokens]
        tried = []
        for rate in map(float, given.rates.split(",")):
            tried.append((run(given, folder, train, heldout, rate, 100)[-1][1], rate))
            print(f"rate {rate:g}: {tried[-1][0]:.4f} after {given.forwards} forwards", flush=True)
        rate = min(tried)[1]
        curves = [run(given, folder, train, heldout, rate, seed) for seed in range(given.seeds)]
    lines = []
    for points in zip(*curves):
        losses = sorted(loss for _, loss in points)
        lines.append((points[0][0], statistics.median(losses), losses[0], losses[-1]))
    print("rate {:g}: {:.3f} ({:.3f} to {:.3f}) after {} forwards".format(rate, *lines[-1][1:], lines[-1][0]))
    if given.output:
        with open(given.output + "-curves.csv", "w", encoding="utf-8") as file:
            file.write("problem,method,forwards,median,lowest,highest\n")
            for line in lines:
                file.write("stories weights,first-order,{},{:.6g},{:.6g},{:.6g}\n".format(*line))
    return 0


if __name__ == "__main__":
    sys.exit(main())
