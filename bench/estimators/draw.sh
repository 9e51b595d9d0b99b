#!/bin/sh
# Draws what bench_estimators wrote: sh bench/estimators/draw.sh OUTPUT, with OUTPUT-curves.csv and OUTPUT-summary.csv
# -> OUTPUT-curves.png, OUTPUT-catalogue.png
set -eu
output=$1
here=$(cd "$(dirname "$0")" && pwd)
if ! command -v gnuplot >/dev/null 2>&1; then
  echo "left out: the pictures, as gnuplot is not installed (on Debian: gnuplot-nox)"
  exit 0
fi

# The catalogue's picture: of each method and problem log10 of its loss over mezo's.
awk -F, 'NR > 1 { loss[$1, $2] = $5; if (!($1 in p)) { p[$1] = np++; problem[np - 1] = $1 }
                  if (!($2 in m)) { m[$2] = nm++; method[nm - 1] = $2 } }
  END {
    for (j = nm - 1; j >= 0; j--)
      for (i = 0; i < np; i++) {
        if (!((problem[i], method[j]) in loss)) continue
        mine = loss[problem[i], method[j]]; base = loss[problem[i], "mezo"]
        ratio = mine > 0 && base > 0 ? log(mine / base) / log(10) : 0
        printf "%d,%d,%.4f,%.3g,%s,%s\n", i, nm - 1 - j, ratio, mine, problem[i], method[j]
      }
  }' "$output-summary.csv" >"$output-catalogue.csv"
gnuplot -e "output='$output'" "$here/catalogue.gnuplot"

# The curves' picture: of each problem mezo, the first-order method where there is one, and the three best others.
awk -F, 'NR > 1 { print $1 "," $5 "," $2 }' "$output-summary.csv" | sort -t, -k1,1 -k2,2g |
  awk -F, '$3 == "mezo" || $3 == "gradient" { print $1 "," $3; next } taken[$1]++ < 3 { print $1 "," $3 }' >"$output-shown.csv"
gnuplot -e "output='$output'" "$here/curves.gnuplot"
echo "results: $output-curves.png, $output-catalogue.png"
