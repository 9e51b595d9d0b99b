#!/bin/sh
# Every method of the fine-tuning program with every adapter: sh finetune_methods.sh PROGRAM
# Each must take its steps, and move what it trains: the held-out loss after three is another than before.
set -u
program=$1
case $program in */*) program=$(cd "$(dirname "$program")" && pwd)/$(basename "$program") ;; esac
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

# names OPTION: those that the program has
names() { "$program" "$1" none 2>&1 | sed 's/.*one of //; s/,//g'; }

runs=0
failures=0
for method in $(names --method); do
  for adapter in $(names --adapter); do
    case "$method $adapter" in  # refused: finetune_errors.sh
    "zo-act lora_fa") ;;
    "zo-act "* | "per-example full" | "observed prefix" | "observed bias_only" | "observed norm_only") continue ;;
    esac
    runs=$((runs + 1))
    timeout 120 "$program" --method "$method" --adapter "$adapter" --steps 3 --heldout-items 4 --threads 1 \
      --learning-rate 1e-3 --warmup 0 --evaluate-every 0 --output out >stdout 2>&1 </dev/null
    code=$?
    if [ $code != 0 ] && [ $code != 3 ]; then  # 3: three steps made it no better
      problem="ended with $code"
    elif [ "$(grep -c ',ok$' out/log.csv)" != 4 ]; then
      problem="has other than 4 good lines in its log"
    elif [ "$(cut -d, -f7 out/log.csv | grep '^[0-9]' | sort -u | wc -l)" != 2 ]; then
      problem="has moved nothing"
    else
      rm -rf out
      continue
    fi
    failures=$((failures + 1))
    echo "FAILED: --method $method --adapter $adapter: $problem" >&2
    sed 's/^/  /' stdout >&2
    rm -rf out
  done
done
echo "$runs methods with adapters, $failures failed"
[ "$runs" -gt 0 ] && [ "$failures" = 0 ]
