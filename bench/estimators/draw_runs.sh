#!/bin/sh
# Draws held-out loss against forwards of finetune's runs: sh bench/estimators/draw_runs.sh OUTPUT TITLE NAME=FOLDER...
# -> OUTPUT-curves.csv, OUTPUT-curves.png. What is named mezo is drawn in grey; at most three others. With
# AGAINST=seconds, against the seconds of the steps.
set -eu
case ${AGAINST:-forwards} in
forwards) column=2 ;;
seconds) column=6 ;;
*)
  echo "draw_runs.sh: AGAINST is $AGAINST, and must be forwards or seconds" >&2
  exit 1
  ;;
esac
output=$1
title=$2
shift 2
here=$(cd "$(dirname "$0")" && pwd)
echo problem,method,forwards,median,lowest,highest >"$output-curves.csv"
: >"$output-shown.csv"
for run; do
  name=${run%%=*}
  awk -F, -v p="$title" -v m="$name" -v c=$column 'NR > 1 && $7 != "" { print p "," m "," $c "," $7 "," $7 "," $7 }' \
    "${run#*=}/log.csv" >>"$output-curves.csv"
  echo "$title,$name" >>"$output-shown.csv"
done
gnuplot -e "output='$output'" "$here/curves.gnuplot"
echo "results: $output-curves.png"
