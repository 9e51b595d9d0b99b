#!/bin/sh
# Runs the benchmarks, writes what they measured as CSV, prints it as a table and draws the roofline:
#   sh bench/run.sh PROGRAMS RESULTS
# PROGRAMS is the folder that they were built in. Nothing else should run on the machine meanwhile.
set -eu
programs=$1
results=$2
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$results"
: >"$results/left_out.txt"

# measure NAME [OPTION...]: quiet, but for how long it took and for what it leaves out.
measure() {
  name=$1
  shift
  printf 'measuring: %-8s' "$name"
  began=$(date +%s)
  if ! "$programs/bench_$name" --benchmark_out="$results/$name.part" --benchmark_out_format=csv \
    --benchmark_report_aggregates_only=true "$@" >"$results/$name.log" 2>&1; then
    printf '\n'
    tail -n 5 "$results/$name.log"
    exit 1
  fi
  # Above the rows stands what machine it was, which is no CSV.
  sed -n '/^name,/,$p' "$results/$name.part" >"$results/$name.csv"
  rm "$results/$name.part"
  grep '^left out' "$results/$name.log" >>"$results/left_out.txt" || :
  printf ' %4d s\n' $(($(date +%s) - began))
}

# Repetitions of all rows in turn, so that what comes and goes on the machine meets all of them.
measure kernels --benchmark_min_time=0.05 --benchmark_repetitions=3 --benchmark_enable_random_interleaving=true
measure forward --benchmark_min_time=0.05 --benchmark_repetitions=3 '--benchmark_filter=-products/1.1B'
measure step
measure in_place
measure memory
measure noise --benchmark_min_time=0.05 --benchmark_repetitions=3

awk -v points="$results/roofline.csv" -v roofs="$results/roofs.gnuplot" -f "$here/table.awk" \
  "$results/kernels.csv" "$results/forward.csv" "$results/step.csv" "$results/in_place.csv" "$results/memory.csv" "$results/noise.csv" |
  tee "$results/table.txt"
sort -u "$results/left_out.txt"
rm "$results/left_out.txt"

if command -v gnuplot >/dev/null 2>&1; then
  (cd "$results" && gnuplot "$here/roofline.gnuplot")
  echo "results: $results/*.csv, table.txt, roofline.png"
else
  echo "left out: roofline.png, as gnuplot is not installed (on Debian: gnuplot-nox)"
  echo "results: $results/*.csv, table.txt"
fi
