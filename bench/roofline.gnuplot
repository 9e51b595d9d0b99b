# Draws roofline.png from roofline.csv and roofs.gnuplot in the folder that it is run in (Williams, Waterman and
# Patterson 2009): what was measured of products, below what the machine allows at their FLOP a byte.
load 'roofs.gnuplot'
if (strstrt(GPVAL_TERMINALS, 'pngcairo') > 0) {
  set terminal pngcairo size 1200,900 fontscale 1.1
} else {
  set terminal png size 1200,900
}
set output 'roofline.png'
set datafile separator ','

max(a, b) = a > b ? a : b
stats 'roofline.csv' every ::1 using 4 nooutput
lowest = STATS_min
top = 1.8 * max(max(fma, dot), max(amx, STATS_max))
stats 'roofline.csv' every ::1 using 3 nooutput
left = 0.6 * STATS_min
right = 2 * max(STATS_max, max(max(fma, dot), amx) / read)
# The lower part of the picture is for the names of the shapes.
strip = 0.34
bottom = 0.75 * lowest / (top / (0.75 * lowest)) ** (strip / (1 - strip))

set logscale xy
set xrange [left:right]
set yrange [bottom:top]
set border 3 lc rgb '#606060'
set tics nomirror textcolor rgb '#303030'
set format '%g'
set xtics 10
set mxtics 10
set mytics 10
set grid xtics ytics lc rgb '#e4e4e4' lt 1 lw 1
set lmargin 9
set rmargin 19
set title 'Products x W^T on one thread, fp32 in and out' font ',15'
set xlabel 'FLOP a byte (x, W and y counted once each, W as it is stored)'
set ylabel 'GFLOP/s'
set key top left Left reverse samplen 1 spacing 1.05

# Roofs. Nothing but a cache lets a point lie above the slope.
highest = max(max(fma, dot), amx)
set arrow from left, read * left to highest / read, highest nohead lw 2 lc rgb '#505050' back
roof(rate, name) = sprintf('set arrow from %g, %g to %g, %g nohead lw 2 lc rgb "#505050" back; \
  set label "%s: %.0f" at %g, %g left offset 0.6, 0 tc rgb "#303030"', \
  rate / read, rate, right, rate, name, rate, right, rate)
eval roof(fma, 'fp32 FMA')
if (dot > 0) { eval roof(dot, 'bf16 AVX-512') }
if (amx > 0) { eval roof(amx, 'bf16 AMX') }

# Along the bottom: which FLOP a byte belong to a shape, as they depend on the type of W.
shape_name(s) = s[1 : strstrt(s, ':') - 1]
rest(s) = s[strstrt(s, ':') + 1 : strlen(s)]
low(s) = real(shape_name(rest(s)))
high(s) = real(rest(rest(s)))
do for [i = 1 : words(shapes)] {
  s = word(shapes, i)
  at = 0.03 + (strip - 0.06) * (words(shapes) - i) / (words(shapes) - 1)
  set arrow from low(s), graph at to high(s), graph at nohead lw 5 lc rgb '#c0c8d4' back
  if (low(s) > 3 * left) {
    set label shape_name(s) at low(s), graph at right offset -0.8, 0 tc rgb '#303030' noenhanced
  } else {
    set label shape_name(s) at high(s), graph at left offset 0.8, 0 tc rgb '#303030' noenhanced
  }
}
set label 'rows x in x out, and the span of its points' at graph 0.02, graph 0.02 tc rgb '#606060'

# zoft's are filled, the others' are open.
colours = '#08306b #2171b5 #41ab5d #c51b8a #fd8d3c'
filled = '5 7 9 11 13'
open = '4 6 8 10 12'
mine(k) = word(kinds, k)[1:4] eq 'zoft'
others = 0
do for [k = 1 : words(kinds)] { if (!mine(k)) { others = others + 1 } }
first = words(kinds) - others
colour(k) = mine(k) ? word(colours, k) : word('#d7301f #636363 #6a51a3 #1b9e77', k - first)
symbol(k) = mine(k) ? int(word(filled, k)) : int(word(open, k - first))
said(k) = word(kinds, k)[1 : strstrt(word(kinds, k), '_') - 1] . ' ' . word(kinds, k)[strstrt(word(kinds, k), '_') + 1 : *]
plot for [k = 1 : words(kinds)] 'roofline.csv' every ::1 \
  using (strcol(1) eq word(kinds, k) ? $3 : NaN):4 with points pt symbol(k) ps 1.5 lw 2 lc rgb colour(k) title said(k), \
  keyentry with lines lw 2 lc rgb '#505050' title sprintf('read %.1f GB/s', read)
