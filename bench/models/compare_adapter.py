"""An adapter that zoft trained on SmolLM2's GGUF file, in llama.cpp and in peft: their logits beside zoft's.

    python3 bench/models/compare_adapter.py PROGRAM [--steps 8] [--adapter FOLDER] [--models FOLDER] [--data FOLDER]

PROGRAM is adapter.cpp beside this file, compiled. It trains an adapter for some steps; with --adapter, it takes the one
that finetune left in that folder. Needs llama-cpp-python, torch, transformers, peft, gguf and numpy,
and the model that fetch.sh fetches. Ends with 1 if the adapter makes the difference between zoft and another program
greater than twice what it is without an adapter.
"""

import os
import pathlib
import sys
import tempfile
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
os.environ["TQDM_DISABLE"] = "1"

import numpy
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

import common
import peer

warnings.simplefilter("ignore")


def in_llama(path, exact, ids, threads, adapter):
    """The logits of llama.cpp without the adapter and with it."""
    model, result = peer.Model(path), []
    for adapted in (False, True):
        context = peer.Context(model, threads, len(ids), exact=exact)
        if adapted:
            context.adapt(adapter)
        result.append(context.logits(ids).copy())
        context.close()
    return result


@torch.no_grad()
def in_peft(gguf, ids, threads, folder):
    """The same of peft, on the weights that transformers reads from the GGUF file, in float64."""
    torch.set_num_threads(threads)
    model = AutoModelForCausalLM.from_pretrained(str(gguf.parent), gguf_file=gguf.name, dtype=torch.float32)
    model = model.double().eval()
    base = model(torch.tensor([ids])).logits[0].numpy()
    adapted = PeftModel.from_pretrained(model, str(folder), torch_device="cpu").double().eval()
    return base, adapted(torch.tensor([ids])).logits[0].numpy()


def main():
    arguments = common.arguments(__doc__)
    arguments.add_argument("--steps", type=int, default=8)
    arguments.add_argument("--adapter", type=pathlib.Path)
    arguments.add_argument("--threads", type=int, default=2)
    given = arguments.parse_args()
    gguf, text = common.smollm2(given), common.data(given, "long/pride-and-prejudice.txt")
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        line, = common.lines_of(given.program, gguf, text, scratch, given.adapter or given.steps,
                                given.threads)
        ids = numpy.fromfile(scratch / "ids", numpy.int32).tolist()
        base, adapted = (numpy.fromfile(scratch / f"{name}.logits", numpy.float32).reshape(len(ids), -1)
                         for name in ("base", "adapted"))
        folder = given.adapter or scratch
        made, widened = folder / "adapter.gguf", peer.converted(gguf, "F32", scratch)
        others = {"llama.cpp, the file widened to F32": in_llama(widened, True, ids, given.threads, made),
                  "llama.cpp, the file as it is": in_llama(gguf, False, ids, given.threads, made),
                  "peft, float64": in_peft(gguf, ids, given.threads, folder)}
    what = given.adapter or f"an adapter after {line['steps']} steps"
    print(f"{what}: the loss of 512 tokens of the text goes from {line['before']:.3f} to {line['after']:.3f};\nit changes zoft's logits by up to {numpy.abs(adapted - base).max():.3f}\n")
    print(f"| greatest difference of a logit to zoft's in f32, {len(ids)} tokens | without the adapter | with it |\n"
          "|---|---|---|")
    fine = True
    for name, (without, with_it) in others.items():
        a, b = float(numpy.abs(without - base).max()), float(numpy.abs(with_it - adapted).max())
        fine = fine and b <= 2 * a
        print(f"| {name} | {a:.2e} | {b:.2e} |")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
