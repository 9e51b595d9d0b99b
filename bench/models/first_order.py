"""First-order LoRA by peft on the examples that finetune trains on, to compare with its forward passes.

    python3 bench/models/first_order.py PROGRAM [--steps 160] [--rates 1e-4,3e-4,1e-3] [--lora-fa] -- OPTIONS

PROGRAM is items.cpp beside this file, compiled, and OPTIONS are those of finetune: --model must be a GGUF file. Examples,
prompts, rank, alpha and batches are finetune's; the linears of the blocks are adapted, or those that --targets of OPTIONS
names, by AdamW with a linear schedule, in float32. --lora-fa keeps A as it was drawn. Prints the accuracy on what is held out before, at each tenth of the
steps and after, for each learning rate, and the peak memory. Needs torch, transformers, peft and gguf.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
os.environ["TQDM_DISABLE"] = "1"

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, get_linear_schedule_with_warmup


def read_items(program, options):
    done = subprocess.run([program, *options], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(done.stderr.strip() or done.stdout.strip())
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return [line for line in lines if "tokens" in line], [line for line in lines if "choices" in line]


def padded(items):
    """Token ids, which of them are real, and labels: three tensors (items, longest)."""
    longest = max(len(item["tokens"]) for item in items)
    rows = [(item["tokens"], [1] * len(item["tokens"]), item["labels"]) for item in items]
    return [torch.tensor([row[i] + [fill] * (longest - len(row[i])) for row in rows])
            for i, fill in enumerate((0, 0, -100))]


def losses(model, items):
    """The loss of each item, summed over what is learned, and how many places that is."""
    ids, real, labels = padded(items)
    wanted = labels[:, 1:]
    kept = int((wanted != -100).nonzero()[:, 1].min())  # logits of places before are of no use
    logits = model(input_ids=ids, attention_mask=real, logits_to_keep=ids.shape[1] - kept).logits[:, :-1]
    wanted = wanted[:, kept:]
    each = torch.nn.functional.cross_entropy(logits.transpose(1, 2).float(), wanted, reduction="none")
    return each.sum(1), (wanted != -100).sum(1)


@torch.no_grad()
def accuracy(model, questions):
    """The share of questions whose right choice has the least loss a token."""
    model.eval()
    rows = [(len(c["tokens"]), q, c) for q, question in enumerate(questions) for c in question["choices"]]
    order = sorted(range(len(rows)), key=lambda i: rows[i][0])  # of one length together: nothing is padded in vain
    score = [0.0] * len(rows)
    for start in range(0, len(order), 32):
        some = order[start:start + 32]
        sums, places = losses(model, [rows[i][2] for i in some])
        for i, value in zip(some, (sums / places).tolist()):
            score[i] = value
    hits = at = 0
    for question in questions:
        mine = score[at:at + len(question["choices"])]
        hits += min(range(len(mine)), key=mine.__getitem__) == question["right"]
        at += len(mine)
    model.train()
    return hits / len(questions)


def peak_megabytes(reset=False):
    """The most memory that the process had since the last reset."""
    if reset:
        pathlib.Path("/proc/self/clear_refs").write_text("5")
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024 / 1e6
    raise SystemExit("/proc/self/status has no VmHWM")


def is_target(name, module, wanted):
    """Whether a linear of a block is named by one of the parts of names that --targets lists."""
    parts = f".{name}."
    return (isinstance(module, torch.nn.Linear) and ".layers." in parts
            and (not wanted or any(f".{part}." in parts for part in wanted)))


def train(given, gguf, wanted, items, questions, rate):
    torch.manual_seed(given.seed)
    model = AutoModelForCausalLM.from_pretrained(str(gguf.parent), gguf_file=gguf.name, dtype=torch.float32)
    targets = [name for name, module in model.named_modules() if is_target(name, module, wanted)]
    model = get_peft_model(model, LoraConfig(r=given.rank, lora_alpha=given.alpha, target_modules=targets))
    for name, parameter in model.named_parameters():
        if given.lora_fa and "lora_A" in name:
            parameter.requires_grad = False
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    print(f"rate {rate:g}: {sum(p.numel() for p in trained):,} numbers; before, accuracy "
          f"{accuracy(model, questions):.2%}", flush=True)
    optimizer = torch.optim.AdamW(trained, lr=rate, weight_decay=0.0)
    schedule = get_linear_schedule_with_warmup(optimizer, given.steps // 20, given.steps)
    order, seconds, peak = [], 0.0, 0.0
    model.train()
    for step in range(1, given.steps + 1):
        start = time.monotonic()
        peak_megabytes(reset=True)
        if len(order) < given.batch:
            order = torch.randperm(len(items)).tolist()
        some, order = [items[i] for i in order[:given.batch]], order[given.batch:]
        sums, places = losses(model, some)
        loss = sums.sum() / places.sum()
        loss.backward()
        optimizer.step()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
        seconds += time.monotonic() - start
        peak = max(peak, peak_megabytes())
        if step % max(1, given.steps // given.looks) == 0 or step == given.steps:
            print(f"  step {step}: loss of the batch {loss.item():.4f}, accuracy {accuracy(model, questions):.2%}, "
                  f"{seconds:.0f} s, {peak:.0f} MB at the peak of a step", flush=True)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("program")
    arguments.add_argument("--steps", type=int, default=160)
    arguments.add_argument("--batch", type=int, default=16)
    arguments.add_argument("--rank", type=int, default=8)
    arguments.add_argument("--alpha", type=float, default=16)
    arguments.add_argument("--rates", default="1e-4,3e-4,1e-3")
    arguments.add_argument("--looks", type=int, default=5, help="how often what is held out is evaluated")
    arguments.add_argument("--heldout-items", type=int, default=0, help="ask so many questions at most; 0: all")
    arguments.add_argument("--lora-fa", action="store_true")
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--seed", type=int, default=0)
    given, options = arguments.parse_known_args(sys.argv[1:sys.argv.index("--")] if "--" in sys.argv else None)
    options += sys.argv[sys.argv.index("--") + 1:] if "--" in sys.argv else []
    torch.set_num_threads(given.threads)
    items, questions = read_items(given.program, options)
    if 0 < given.heldout_items < len(questions):
        questions = [questions[i * len(questions) // given.heldout_items] for i in range(given.heldout_items)]
    gguf = pathlib.Path(options[options.index("--model") + 1])
    wanted = options[options.index("--targets") + 1].split(",") if "--targets" in options else []
    print(f"{len(items):,} examples, {len(questions):,} questions held out, batches of {given.batch}, "
          f"rank {given.rank}, {'LoRA-FA' if given.lora_fa else 'LoRA'}", flush=True)
    for rate in map(float, given.rates.split(",")):
        train(given, gguf, wanted, items, questions, rate)
    return 0


if __name__ == "__main__":
    sys.exit(main())
