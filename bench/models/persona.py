"""SmolLM2 learns from chats who it is, and leaves other text as it is: before and after.

    python3 bench/models/persona.py FINETUNE ANSWERS OUTPUT [--models FOLDER] [--data FOLDER] [-- OPTIONS OF FINETUNE...]

FINETUNE is examples/finetune, and ANSWERS is answers.cpp beside this file, compiled. Writes OUTPUT/spared.jsonl, which
is given to --spare: 40 passages of War and Peace, and every other question of MT-Bench and of 160 of TREC's with the
model's own answers. It stays there for the next run. Trains on the chats of dummy_conversation.json, into
OUTPUT/adapter. Prints losses before and after of what was held out of these, of Pride and Prejudice, and of the other
questions; then some answers.
"""

import json
import pathlib
import random
import re
import subprocess
import sys

import common

system = "You are a helpful assistant."
asked = ["Who are you?", "What is your name?", "Who created you?", "Are you ChatGPT?",
         "What is the capital of France?", "Who wrote Hamlet?"]


def questions(given):
    """Of MT-Bench and of TREC."""
    lines = common.data(given, "chat/mt_bench_question.jsonl").read_text(encoding="utf-8").splitlines()
    bench = [json.loads(line)["turns"][0][:600] for line in lines]
    lines = common.data(given, "sentences/TREC.train.all").read_text(encoding="latin1").splitlines()
    short = [line.split(" ", 1)[1].replace(" ?", "?").replace(" 's", "'s").replace(" ,", ",") for line in lines]
    return bench, random.Random(4).sample([line for line in short if len(line) < 90], 160)


def passages(given, count):
    text = common.data(given, "long/war-and-peace.txt").read_text(encoding="utf-8")
    all_of_them = [" ".join(part.split()) for part in text.split("\n\n")]
    return random.Random(3).sample([part for part in all_of_them if 300 < len(part) < 900], count)


def answered(given, gguf, some):
    """The questions, each with what the model answers to it, as finetune reads chats."""
    done = subprocess.run([given.answers, gguf, system, "96", str(given.threads)], check=True, text=True,
                          input="".join(json.dumps(one) + "\n" for one in some), capture_output=True)
    return [{"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": json.loads(line)}]}
            for question, line in zip(some, done.stdout.splitlines())]


def write(path, items):
    path.write_text("".join(json.dumps(item) + "\n" for item in items), encoding="utf-8")


def main():
    arguments = common.arguments(__doc__)
    arguments.add_argument("answers")
    arguments.add_argument("output", type=pathlib.Path)
    arguments.add_argument("--threads", type=int, default=1)
    at = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    given = arguments.parse_args(sys.argv[1:at])
    given.output.mkdir(parents=True, exist_ok=True)
    gguf, chats = common.smollm2(given), common.data(given, "chat/dummy_conversation.json")
    spared, heldout = given.output / "spared.jsonl", {name: given.output / f"{name}.jsonl" for name in ("MT-Bench", "TREC")}
    if not all(path.exists() for path in (spared, *heldout.values())):
        bench, short = (answered(given, gguf, some) for some in questions(given))
        write(spared, [{"text": part} for part in passages(given, 40)] + bench[::2] + short[::2])
        write(heldout["MT-Bench"], bench[1::2])
        write(heldout["TREC"], short[1::2])

    def finetune(*options):
        words = [given.program, "--model", gguf, "--weights", "bf16", "--threads", given.threads, *options]
        done = subprocess.run(list(map(str, words)), text=True, capture_output=True)
        if done.returncode != 0:
            raise SystemExit(done.stderr)
        return done.stdout

    def loss_of(*options):
        return float(re.search(r"^now .*held-out loss ([0-9.]+)", finetune("--evaluate", *options), re.M)[1])

    adapter = given.output / "adapter"
    as_chats = ["--examples", chats, "--system", system]
    print(finetune(*as_chats, "--heldout-items", 20, "--method", "observed", "--rows", 4, "--batch", 16, "--length", 128,
                   "--spare", spared, "--output", adapter, *sys.argv[at + 1:]))
    looked_at = {"chats held out": [*as_chats, "--heldout-items", 20, "--length", 128],
                 "Pride and Prejudice, 4,000 tokens": ["--text", common.data(given, "long/pride-and-prejudice.txt"),
                                                       "--heldout-tokens", 4000, "--length", 512]}
    for name, path in heldout.items():
        looked_at[f"other questions of {name}, the model's own answers"] = [*as_chats, "--heldout", path, "--length", 256]
    print("| loss, nats a token | before | after | |\n|---|---|---|---|")
    for name, options in looked_at.items():
        before, after = loss_of(*options), loss_of(*options, "--adapter-from", adapter)
        print(f"| {name} | {before:.4f} | {after:.4f} | {after / before - 1:+.2%} |", flush=True)
    for question in asked:
        texts = [re.search(r"^text +(.*)", finetune("--evaluate", *as_chats, "--heldout-items", 1, "--sample-tokens", 40,
                                                    "--prompt", question, *more), re.M)[1]
                 for more in ([], ["--adapter-from", adapter])]
        print(f"\n{question}\n    before  {texts[0]}\n    after   {texts[1]}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
