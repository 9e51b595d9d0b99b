#!/bin/sh
# Draws held-out loss against forwards of finetune's runs: sh bench/estimators/draw_runs.sh OUTPUT TITLE NAME=FOLDER...
# -> OUTPUT-curves.csv, OUTPUT-curves.png. One of the names should be mezo, which is drawn in grey; at most three others.
set -eu
output=$1
title=$2
shift 2
here=$(cd "$(dirname "$0")" && pwd)
echo problem,method,forwards,median,lowest,highest >"$output-curves.csv"
: >"$output-shown.csv"
for run; do
  name=${run%%=*}
  awk -F, -v p="$title" -v m="$name" 'NR > 1 && $7 != "" { print p "," m "," $2 "," $7 "," $7 "," $7 }' \
    "${run#*=}/log.csv" >>"$output-curves.csv"
  echo "$title,$name" >>"$output-shown.csv"
done
gnuplot -e "output='$output'" "$here/curves.gnuplot"
echo "results: $output-curves.png"
