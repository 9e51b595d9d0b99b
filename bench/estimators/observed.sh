#!/bin/sh
# Draws what observed directions do beside others on LoRA-FA: sh bench/estimators/observed.sh PROGRAM DATA FORWARDS OUTPUT
# PROGRAM is bench_estimators; DATA has stories260K/ and tinyshakespeare/. Each line below is one method on one problem:
# its rate is chosen from a grid by one seed, and its curve is of five others. -> OUTPUT-curves.csv, OUTPUT-summary.csv,
# OUTPUT-curves.png. Lines that OUTPUT-summary.csv already has are left out, so that a stopped run goes on.
set -eu
program=$1
data=$2
forwards=$3
output=$4
here=$(cd "$(dirname "$0")" && pwd)
stories=$data/stories260K
[ -e "$output-curves.csv" ] || echo problem,method,forwards,median,lowest,highest >"$output-curves.csv"
[ -e "$output-summary.csv" ] || echo problem,method,rate,forwards,median,lowest,highest,mezo_reached >"$output-summary.csv"

# of PROBLEM METHOD LOWEST HIGHEST [OPTIONS OF FINETUNE]
of() {
  if grep -q "^$1,$2," "$output-summary.csv"; then return; fi
  "$program" --problems "$1" --methods "$2" --lowest "$3" --highest "$4" --per-decade 4 --tuning-seeds 1 \
    --forwards "$forwards" --model "$stories/stories260K.bin" --text "$data/tinyshakespeare/input.txt" \
    --finetune="--batch,16${5:-}" --output "$output.one"
  tail -n +2 "$output.one-curves.csv" >>"$output-curves.csv"
  tail -n +2 "$output.one-summary.csv" >>"$output-summary.csv"
  rm "$output.one-curves.csv" "$output.one-summary.csv"
}
text=,--tokenizer,$stories/tok512.bin

of stories zo_act 1e-3 1e-2 "$text,--method,zo-act"
of stories observed 5.6e-1 5.6e-1 "$text"
of stories per_example+adam 1e-2 1.8e-2 "$text,--epsilon,3e-3"
of stories mezo 1.8e-3 3e-3 "$text,--epsilon,3e-3"
of dates zo_act 1e-3 1e-2 ,--method,zo-act
of dates observed 1 1
of dates per_example+adam 1e-2 1.8e-2
of dates mezo 5.6e-3 1.8e-2

awk -F, 'NR > 1 { print $1 "," $2 }' "$output-curves.csv" | awk '!seen[$0]++' >"$output-shown.csv"
gnuplot -e "output='$output'" "$here/curves.gnuplot"
echo "results: $output-summary.csv, $output-curves.png"
