"""Compares zoft's tokenizers with Hugging Face's, SentencePiece's and llama.cpp's: ids, decoded text, speed.

    python3 bench/tokenizers/compare.py PROGRAM [--data ../shared/data] [--models FOLDER] [--repeats 5] [--only NAME]

PROGRAM is encode.cpp beside this file, compiled. Needs the packages tokenizers, transformers and sentencepiece. With
llama-cpp-python, GGUF files are compared with llama.cpp too: those of the data's gguf-vocab, and those in --models.
Ends with 1 if an id or a character differs. One thread each; the speed is that of the median of the repeats, in MB of
text a second. --vectors prints the peers' ids as tests/io_tokenizer_vectors.cpp has them: their number, and a hash.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"

import numpy
import sentencepiece
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from made_text import made_text


class HuggingFace:
    def __init__(self, backend):
        self.backend = backend
        backend.no_padding()
        backend.no_truncation()

    def encode(self, text):
        return self.backend.encode(text).ids

    def decode(self, ids):
        return self.backend.decode(ids)


class LlamaCpp:
    def __init__(self, path):
        import llama_cpp

        self.model = llama_cpp.Llama(str(path), vocab_only=True, verbose=False)

    def encode(self, text):
        return self.model.tokenize(text.encode(), add_bos=False, special=False)

    def decode(self, ids):
        return None  # has its own rules for spaces


class SentencePiece:
    def __init__(self, path):
        self.model = sentencepiece.SentencePieceProcessor(model_file=str(path))

    def encode(self, text):
        return self.model.encode(text)

    def decode(self, ids):
        return None  # writes unknown pieces as " ⁇ "


def from_folder(folder):
    """A folder without tokenizer.json, by the class of transformers' that its files are for."""
    names = {"bert-base-uncased": "BertTokenizer", "roberta-base": "RobertaTokenizer", "gpt2": "GPT2Tokenizer"}
    import transformers

    kind = getattr(transformers, names[folder.name]) if folder.name in names else AutoTokenizer
    return HuggingFace(kind.from_pretrained(str(folder)).backend_tokenizer)


def trained_models(folder, text_file):
    """Small SentencePiece models of each kind that is read."""
    common = {"input": str(text_file), "minloglevel": 2, "input_sentence_size": 20000, "num_threads": 1}
    kinds = {
        "bpe": {"model_type": "bpe", "vocab_size": 3000, "byte_fallback": True},
        "bpe-plain": {"model_type": "bpe", "vocab_size": 2000, "user_defined_symbols": ["<sep>", "Darcy", "  "],
                      "normalization_rule_name": "identity", "remove_extra_whitespaces": False},
        "bpe-llama": {"model_type": "bpe", "vocab_size": 4000, "byte_fallback": True, "split_digits": True,
                      "normalization_rule_name": "identity", "remove_extra_whitespaces": False},
        "unigram": {"model_type": "unigram", "vocab_size": 3000},
        "unigram-bytes": {"model_type": "unigram", "vocab_size": 3000, "byte_fallback": True,
                          "user_defined_symbols": ["<sep>", "Darcy"], "add_dummy_prefix": False},
    }
    for name, settings in kinds.items():
        prefix = pathlib.Path(folder) / name
        sentencepiece.SentencePieceTrainer.train(model_prefix=str(prefix), **common, **settings)
        yield name, pathlib.Path(f"{prefix}.model")


def hash_of(ids):
    """FNV-1a of the ids as int32."""
    result = 0xCBF29CE484222325
    for byte in numpy.asarray(ids, "<i4").tobytes():
        result = (result ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return result


def first_difference(a, b):
    return next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("program")
    arguments.add_argument("--data", type=pathlib.Path, default=os.environ.get("ZOFT_DATA", "../shared/data"))
    arguments.add_argument("--repeats", type=int, default=5)
    arguments.add_argument("--only", default="")
    arguments.add_argument("--models", type=pathlib.Path, default=os.environ.get("ZOFT_MODELS"))
    arguments.add_argument("--vectors", action="store_true")
    given = arguments.parse_args()
    data = pathlib.Path(given.data)
    differences = 0

    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        (scratch / "made.txt").write_bytes(made_text().encode())
        files = [*sorted((data / "long").glob("*.txt"), key=lambda f: f.stat().st_size),
                 data / "tinyshakespeare" / "input.txt", scratch / "made.txt"]
        files = [f for f in files if f.name not in ("SOURCES.txt",) and f.exists()]

        subjects = []
        for folder in sorted((data / "tokenizers").iterdir()):
            if folder.suffix == ".json":
                subjects.append((folder.name, folder, lambda f=folder: HuggingFace(Tokenizer.from_file(str(f))), 1))
            elif (folder / "tokenizer.json").exists():
                subjects.append((folder.name, folder,
                                 lambda f=folder: HuggingFace(Tokenizer.from_file(str(f / "tokenizer.json"))), 1))
            elif folder.is_dir():
                subjects.append((folder.name, folder, lambda f=folder: from_folder(f), 1))
            if (folder / "tokenizer.json").exists() and (folder / "merges.txt").exists():
                plain = scratch / "plain" / folder.name
                plain.mkdir(parents=True)
                for name in ("vocab.json", "merges.txt", "tokenizer_config.json"):
                    if (folder / name).exists():
                        (plain / name).write_bytes((folder / name).read_bytes())
                subjects.append((folder.name + " (merges.txt)", plain, lambda f=plain: from_folder(f), 1))
        for name, path in trained_models(scratch, data / "long" / "pride-and-prejudice.txt"):
            subjects.append((name + ".model", path, lambda p=path: SentencePiece(p), 0))
        try:
            import llama_cpp

            ggufs = [*(data / "gguf-vocab").glob("*.gguf")]
            if given.models:
                ggufs += pathlib.Path(given.models).rglob("*.gguf")
            for path in sorted(ggufs):
                subjects.append((path.name[:25], path, lambda p=path: LlamaCpp(p), 0))
        except ImportError:
            print("SKIPPED: GGUF files, as llama_cpp is not installed")

        print(f"{'tokenizer':<26} {'text':<24} {'ids':>9}  {'equal':<6} {'decoded':<8} {'zoft':>7} {'peer':>7}  MB/s")
        for name, path, peer, special in subjects:
            if given.only not in name:
                continue
            reference = peer()
            out = subprocess.run([given.program, str(path), str(scratch), str(given.repeats), str(special),
                                  *map(str, files)], capture_output=True, text=True)
            if out.returncode != 0:
                print(f"{name:<26} {out.stderr.strip()}")
                differences += 1
                continue
            for number, (file, line) in enumerate(zip(files, out.stdout.splitlines()[1:])):
                if file.name == "made.txt" and isinstance(reference, LlamaCpp):
                    continue  # llama.cpp classifies characters by an older Unicode
                text = file.read_bytes().decode()
                times = []
                for _ in range(max(1, given.repeats // 2)):
                    before = time.perf_counter()
                    expected = reference.encode(text)
                    times.append(time.perf_counter() - before)
                if given.vectors:
                    print(f'    {{"{name}", "{file.name}", {len(expected)}, 0x{hash_of(expected):016x}}},', flush=True)
                    continue
                ours = numpy.fromfile(scratch / f"{number}.ids", dtype=numpy.int32)
                equal = len(ours) == len(expected) and bool((ours == numpy.asarray(expected, numpy.int32)).all())
                wanted = reference.decode(expected) if equal else None
                decoded = (scratch / f"{number}.text").read_bytes().decode()
                same = "-" if wanted is None else "yes" if wanted == decoded else "NO"
                size = len(text.encode()) / 1e6
                print(f"{name:<26} {file.name:<24} {len(ours):>9}  {'yes' if equal else 'NO':<6} {same:<8} "
                      f"{size / float(line.split()[0]):>7.1f} {size / statistics.median(times):>7.2f}", flush=True)
                if not equal:
                    differences += 1
                    at = first_difference(ours, expected)
                    print(f"    {len(ours)} ids and {len(expected)}; the first that differs is {at}: "
                          f"{ours[max(0, at - 3):at + 6].tolist()} and {expected[max(0, at - 3):at + 6]}")
                if same == "NO":
                    differences += 1
                    at = first_difference(decoded, wanted)
                    print(f"    decoded: {decoded[max(0, at - 20):at + 20]!r} and {wanted[max(0, at - 20):at + 20]!r}")
    print(f"{differences} differences")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
