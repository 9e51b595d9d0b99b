#!/bin/bash
# What a step of observed takes over one of per_example_lozo, at equal q: bash bench/estimators/step_cost.sh PROGRAM
# OPTION... -> q, adapter, seconds a step of each, and their ratio. Seconds are the processor's, of 35 steps less those
# of 5, so that what a run does besides its steps is left out.
set -eu
program=$1
shift
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
TIMEFORMAT=%U
seconds() { # of the processor, for a run with these options
  rm -rf "$folder/run"
  { time "$program" --threads 1 --evaluate-every 0 --heldout-tokens 64 --sample-tokens 1 --learning-rate 1e-3 "$@" \
    --output "$folder/run" >/dev/null 2>&1; } 2>&1 || true
}
for queries in 1 3; do
  for adapter in full lora_fa; do
    for method in per-example-lozo observed; do
      for steps in 5 35; do
        seconds "$@" --adapter $adapter --queries $queries --method $method --steps $steps
      done
    done | awk -v q=$queries -v a=$adapter '
      { s[NR] = $1 }
      END { lozo = (s[2] - s[1]) / 30; own = (s[4] - s[3]) / 30
            printf "q = %d, %-8s %.4f s, %.4f s, %.2f\n", q, a, lozo, own, own / lozo }'
  done
done
