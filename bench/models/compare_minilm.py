"""MiniLM's sentence vectors in zoft and in transformers, and TREC by a head of zoft's and by logistic regression.

    python3 bench/models/compare_minilm.py PROGRAM [--seed 42] [--models FOLDER] [--data FOLDER]

PROGRAM is trec.cpp beside this file, compiled. Needs torch, transformers and numpy, and the model that fetch.sh
fetches. Ends with 1 if a number of a vector differs by more than 1e-5.
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
from transformers import AutoModel, AutoTokenizer

import common

warnings.simplefilter("ignore")


def sentences(path):
    lines = [line for line in path.read_bytes().split(b"\n") if line]
    return [line[2:].decode(errors="replace") for line in lines], torch.tensor([int(line[:1]) for line in lines])


@torch.no_grad()
def vectors(folder, texts):
    """The mean of the states of all tokens, of unit length, one sentence at a time: nothing is padded or cut."""
    words = AutoTokenizer.from_pretrained(str(folder))
    model = AutoModel.from_pretrained(str(folder), dtype=torch.float32).eval()
    result = []
    for text in texts:
        ids = words(text, return_tensors="pt", truncation=False)
        result.append(torch.nn.functional.normalize(model(**ids).last_hidden_state[0].mean(0), dim=0))
    return torch.stack(result).numpy()


def logistic_regression(x, labels, decay):
    """The minimum of the mean loss plus decay times the sum of squared weights, by L-BFGS -> W, b as one matrix."""
    w = torch.zeros(6, x.shape[1] + 1, dtype=x.dtype, requires_grad=True)
    solver = torch.optim.LBFGS([w], max_iter=150, history_size=20, line_search_fn="strong_wolfe")

    def closure():
        solver.zero_grad()
        loss = torch.nn.functional.cross_entropy(logits(w, x), labels) + decay * (w[:, :-1] ** 2).sum()
        loss.backward()
        return loss

    solver.step(closure)
    return w.detach()


def logits(w, x):
    return x @ w[:, :-1].T + w[:, -1]


def accuracy(w, x, labels):
    return (logits(w, x).argmax(1) == labels).double().mean().item()


def main():
    arguments = common.arguments(__doc__)
    arguments.add_argument("--seed", type=int, default=42)
    arguments.add_argument("--threads", type=int, default=1, help="of torch")
    given = arguments.parse_args()
    torch.set_num_threads(given.threads)
    folder = common.minilm(given)
    train_file, test_file = (common.data(given, f"sentences/TREC.{name}.all") for name in ("train", "test"))
    with tempfile.TemporaryDirectory() as scratch:
        lines = common.lines_of(given.program, folder, train_file, test_file, given.seed, scratch)
        x, x_test = (numpy.fromfile(pathlib.Path(scratch) / f"{name}.vectors", numpy.float32).reshape(-1, 384)
                     for name in ("train", "test"))
    texts, labels = sentences(train_file)
    test_texts, test_labels = sentences(test_file)
    worst = max(float(numpy.abs(vectors(folder, test_texts) - x_test).max()),
                float(numpy.abs(vectors(folder, texts[:500]) - x[:500]).max()))
    print(f"sentence vectors of the {len(test_texts)} test questions and 500 of train: greatest difference to those of "
          f"transformers {worst:.2e}\n")

    x, x_test = torch.tensor(x), torch.tensor(x_test)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    held, rest = order[:len(order) // 10], order[len(order) // 10:]
    decay = max((1e-5, 3e-5, 1e-4, 3e-4, 1e-3),
                key=lambda d: accuracy(logistic_regression(x[rest], labels[rest], d), x[held], labels[held]))
    chosen = logistic_regression(x, labels, decay)
    print("| head on the vectors | train | test | |\n|---|---|---|---|")
    last = lines[-1]
    print(f"| zoft, P-RGE, forward passes only | {last['train accuracy']:.3f} | {last['test accuracy']:.3f} "
          f"| {last['evaluations']:,} evaluations, {last['seconds']:.0f} s |")
    print(f"| logistic regression, L-BFGS | {accuracy(chosen, x, labels):.3f} "
          f"| {accuracy(chosen, x_test, test_labels):.3f} | decay {decay:g}, chosen on a held-out tenth of train |")
    most = torch.mode(labels).values
    shares = [(those == most).double().mean().item() for those in (labels, test_labels)]
    print(f"| the most frequent kind | {shares[0]:.3f} | {shares[1]:.3f} | |")
    print(f"\nvectors: {lines[0]['train'] + lines[0]['test']:,} sentences in {lines[0]['seconds for vectors']:.0f} s")
    return 0 if worst <= 1e-5 else 1


if __name__ == "__main__":
    sys.exit(main())
