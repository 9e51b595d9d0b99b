"""SmolLM2 in zoft and in llama.cpp, from the same GGUF file and in one run: losses, greedy answers and speed.

    python3 bench/models/compare_llama.py PROGRAM [--only losses,answers,speed] [--models FOLDER] [--data FOLDER]

PROGRAM is smollm2.cpp beside this file, compiled. Needs llama-cpp-python, numpy and jinja2, and the model that fetch.sh
fetches. Ends with 1 if a loss of zoft's in f32 is more than 0.2 % from one of llama.cpp's, or an answer differs from
that of llama.cpp in f32 where the logits do not tie. Nothing else may run while speed is measured.
"""

import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

import jinja2
import numpy

import common
import peer


def percent(ours, theirs):
    return f"{100 * (ours / theirs - 1):+.3f} %"


def losses(given, gguf, scratch):
    text = common.data(given, "long/pride-and-prejudice.txt")
    ids_file = scratch / "ids"
    ours = common.lines_of(given.program, "loss", gguf, text, given.windows, given.length, "f32,bf16,i8,i4",
                           given.threads, ids_file)
    ids = numpy.fromfile(ids_file, dtype=numpy.int32)
    as_it_is = peer.Model(gguf)
    same = as_it_is.encode(text.read_bytes()) == ids.tolist()
    windows = ids[:given.windows * given.length].reshape(given.windows, given.length).tolist()
    quantised = peer.mean_loss(as_it_is, given.threads, windows, exact=False)
    widened = peer.mean_loss(peer.Model(peer.converted(gguf, "F32", scratch)), given.threads, windows, exact=True)
    print(f"mean loss on {given.windows} x {given.length} tokens of {text.name} "
          f"(ids {'equal' if same else 'DIFFERENT'})\n")
    print("| | loss | over llama.cpp's on the file | over llama.cpp's on the file widened to F32 |\n|---|---|---|---|")
    print(f"| llama.cpp, the file as it is | {quantised:.5f} | | {percent(quantised, widened)} |")
    print(f"| llama.cpp, widened to F32 | {widened:.5f} | {percent(widened, quantised)} | |")
    for line in ours:
        print(f"| zoft, {line['type']} | {line['loss']:.5f} | {percent(line['loss'], quantised)} "
              f"| {percent(line['loss'], widened)} |")
    print()
    worst = max(abs(ours[0]["loss"] / other - 1) for other in (quantised, widened))
    return same and worst < 0.002


def answers(given, gguf, scratch):
    peers = {"widened to F32": (peer.Model(peer.converted(gguf, "F32", scratch)), True),
             "the file as it is": (peer.Model(gguf), False)}
    plain = peers["the file as it is"][0]
    source = chat_template(plain)
    lines = common.lines_of(given.program, "answers", gguf, common.here / "questions.txt", "f32", given.threads,
                            given.most, scratch)
    results, error = {name: [] for name in peers}, {name: 0.0 for name in peers}
    same = True
    for number, line in enumerate(lines):
        wanted = source.render(messages=[{"role": "user", "content": line["question"]}], add_generation_prompt=True)
        same = same and line["prompt"] == wanted and line["ids"] == plain.encode(wanted.encode())
        ours = numpy.fromfile(scratch / f"{number}.logits", dtype=numpy.float32).reshape(-1, plain.vocabulary)
        mine = line["answer"] + ours.argmax(axis=1).tolist()[len(line["answer"]):]
        for name, (model, exact) in peers.items():
            answer, theirs = peer.greedy(model, given.threads, line["ids"], given.most, exact)
            at = next((i for i, (a, b) in enumerate(zip(mine, answer)) if a != b), min(len(mine), len(answer)))
            if at > 0:
                error[name] = max(error[name], float(numpy.abs(ours[:at] - theirs[:at]).max()))
            if mine == answer:
                results[name].append((len(mine), None, None))
            elif at == min(len(mine), len(answer)):
                results[name].append((at, numpy.inf, "of another length"))
            else:
                a, b = mine[at], answer[at]
                gaps = float(ours[at][a] - ours[at][b]), float(theirs[at][b] - theirs[at][a])
                results[name].append((at, max(gaps), f"{gaps[0]:.4f} and {gaps[1]:.4f}"))
    print(f"greedy answers of zoft in f32, of at most {given.most} tokens, beside llama.cpp's "
          f"(prompts and their ids {'equal' if same else 'DIFFERENT'})\n")
    print("| question | " + " | ".join(f"llama.cpp, {name}" for name in peers) + " |\n|" + "---|" * (1 + len(peers)))
    fine = same
    for number, line in enumerate(lines):
        cells = []
        for name, (_, exact) in peers.items():
            at, gap, text = results[name][number]
            tie = gap is None or gap <= 2 * error[name]
            fine = fine and (tie or not exact)
            other = f"the first {at}; then {text}{'' if tie else ', NO TIE'}"
            cells.append(f"all {at} tokens" if gap is None else other)
        print(f"| {line['question']} | " + " | ".join(cells) + " |")
    equal = [sum(gap is None for _, gap, _ in results[name]) for name in peers]
    print("| equal | " + " | ".join(f"{count} of {len(lines)}" for count in equal) + " |")
    print("| greatest difference of a logit before | " + " | ".join(f"{error[name]:.5f}" for name in peers) + " |")
    print("\nAt the first other token: by how much zoft prefers its own to llama.cpp's, and llama.cpp its own to "
          "zoft's.\nUp to twice the greatest difference is a tie.\n")
    return fine


def chat_template(model):
    found = peer.llama_cpp.llama_model_chat_template(model.model, None)
    return jinja2.Environment(trim_blocks=True, lstrip_blocks=True).from_string(found.decode())


class Times:
    """smollm2 times, which waits for what to measure."""

    def __init__(self, program, gguf):
        self.process = subprocess.Popen([program, "times", str(gguf)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)

    def seconds(self, kind, threads, sequences, length, what):
        self.process.stdin.write(f"{kind} {threads} {sequences} {length} {what}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("smollm2 times has ended")
        return json.loads(line)["seconds"]


def speed(given, gguf, scratch):
    """Each length by every program in turn, after a warm-up, in the first round. Later rounds repeat zoft's bf16,
    llama.cpp on the file as it is, and the kind of file that was llama.cpp's best."""
    what = "all" if given.every else "last"
    ours = [f"zoft {kind}" for kind in ("bf16", "i8", "i4")]
    models = {"Q4_1": peer.Model(gguf)}
    models |= {kind: peer.Model(peer.converted(gguf, kind, scratch)) for kind in ("F16", "BF16")}
    theirs = [f"llama.cpp {kind}" for kind in models]
    times = Times(given.program, gguf)
    shapes = [(threads, sequences, length) for threads, more in ((1, False), (2, False), (2, True))
              for length in given.lengths for sequences in [max(2, 1024 // length) if more else 1]]
    taken = {(shape, name): [] for shape in shapes for name in ours + theirs}
    for name in ours:
        for threads in (1, 2):
            times.seconds(name.split()[1], threads, threads, 64, what)
    best = {}
    for round_number in range(given.rounds):
        for shape in shapes:
            threads, sequences, length = shape
            repeats = 3 if sequences * length <= 128 else 1
            names = ours + theirs if round_number == 0 else list(dict.fromkeys([ours[0], theirs[0], best[shape]]))
            contexts = {}
            for name in names:
                if name in theirs:
                    kind = name.split()[1]
                    contexts[name] = peer.Context(models[kind], threads, length, sequences)
                    warm = peer.Context(models[kind], threads, 32)
                    warm.seconds(False)
                    warm.close()
            for _ in range(repeats):
                for name in names:
                    if name in theirs:
                        taken[shape, name].append(contexts[name].seconds(given.every))
                    else:
                        taken[shape, name].append(times.seconds(name.split()[1], threads, sequences, length, what))
            for context in contexts.values():
                context.close()
            best.setdefault(shape, min(theirs, key=lambda name: statistics.median(taken[shape, name])))
    print(f"forward, tokens/s; logits of {'every token' if given.every else 'the last token of each sequence'}. zoft "
          f"runs one sequence on one thread.\nMedians of {given.rounds} rounds for zoft's bf16, for llama.cpp on the "
          "file as it is, and for its best; one round for others.\n")
    print("| threads | sequences x tokens | " + " | ".join(ours + theirs) +
          " | zoft bf16 over llama.cpp's best | over the file as it is |\n|" + "---|" * (4 + len(ours + theirs)))
    for shape in shapes:
        threads, sequences, length = shape
        rate = {name: sequences * length / statistics.median(taken[shape, name]) for name in ours + theirs}
        top = max(theirs, key=rate.get)
        print(f"| {threads} | {sequences} x {length} | " + " | ".join(f"{rate[name]:,.0f}" for name in ours + theirs) +
              f" | {rate[ours[0]] / rate[top]:.2f} ({top.split()[1]}) | {rate[ours[0]] / rate[theirs[0]]:.2f} |")
    print()
    return True


def main():
    arguments = common.arguments(__doc__)
    arguments.add_argument("--only", default="losses,answers,speed")
    arguments.add_argument("--threads", type=int, default=2, help="for losses and answers")
    arguments.add_argument("--windows", type=int, default=40)
    arguments.add_argument("--length", type=int, default=512, help="tokens of a window")
    arguments.add_argument("--most", type=int, default=64, help="tokens of an answer")
    arguments.add_argument("--lengths", type=lambda text: [int(n) for n in text.split(",")], default=[64, 512, 2048])
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--every", action="store_true", help="measure the speed with the logits of every token")
    given = arguments.parse_args()
    gguf = common.smollm2(given)
    fine = True
    with tempfile.TemporaryDirectory() as scratch:
        for name, part in (("losses", losses), ("answers", answers), ("speed", speed)):
            if name in given.only.split(","):
                fine = part(given, gguf, pathlib.Path(scratch)) and fine
                sys.stdout.flush()
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
