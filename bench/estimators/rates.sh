#!/bin/sh
# What learning rates do to finetune's runs: sh bench/estimators/rates.sh PROGRAM RATES SEEDS OPTION...
# -> for each rate, the held-out loss of the last step: the seeds' median (lowest to highest), and the median share of
# right answers, if the task has one. The rate "default" is the one that the program chooses.
set -eu
program=$1
rates=$2
seeds=$3
shift 3
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for rate in $rates; do
  : >"$folder/all"
  for seed in $seeds; do
    case $rate in
    default) "$program" "$@" --seed "$seed" --evaluate-every 0 --output "$folder/run" >"$folder/said" 2>&1 || true ;;
    *) "$program" "$@" --seed "$seed" --learning-rate "$rate" --evaluate-every 0 --output "$folder/run" \
      >"$folder/said" 2>&1 || true ;;
    esac
    if [ -e "$folder/run/log.csv" ]; then
      awk -F, 'NR > 1 && $7 != "" { loss = $7; share = $8 } END { print loss, (share == "" ? "-" : share) }' \
        "$folder/run/log.csv" >>"$folder/all"
    else
      echo "1e30 -" >>"$folder/all" # it has diverged, or refused
      grep -h '^finetune:' "$folder/said" >&2 || true
    fi
    rm -rf "$folder/run"
  done
  count=$(wc -l <"$folder/all")
  sort -g "$folder/all" | awk -v rate="$rate" -v n="$count" '
    { loss[NR] = $1; share[NR] = $2 }
    END { middle = int((n + 1) / 2)
          printf "rate %-8s loss %.4g (%.4g to %.4g)  share %s\n", rate, loss[middle], loss[1], loss[n], share[middle] }'
done
