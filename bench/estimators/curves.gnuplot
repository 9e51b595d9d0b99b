# Draws OUTPUT-curves.png: loss against forwards of the methods named in OUTPUT-shown.csv; lines are medians over seeds,
# bands reach from the best to the worst seed.
set datafile separator ','
curves = output.'-curves.csv'
problems = system("cut -d, -f1 '".output."-shown.csv' | tr ' ' '_' | awk '!seen[$0]++' | tr '\n' ' '")
across = words(problems) < 3 ? words(problems) : words(problems) == 4 ? 2 : 3
down = (words(problems) + across - 1) / across
set terminal pngcairo size 500 * across, 350 * down fontscale 0.9
set output output.'-curves.png'
set multiplot layout down, across margins screen 0.18 / across, 1 - 0.07 / across, 0.18 / down, 1 - 0.15 / down \
  spacing screen 0.18 / across, 0.27 / down
set autoscale yfix
set format y '%g'
set border 3
set tics nomirror
set grid lc rgb '#e4e4e4' lt 1
set key top right samplen 1.5 spacing 0.95 noenhanced
colours = '#d95f02 #7570b3 #1b9e77 #e7298a'
do for [p in problems] {
  shown = system("awk -F, -v p='".p."' '{ gsub(\" \", \"_\", $1) } $1 == p { print $2 }' '".output."-shown.csv' | tr '\n' ' '")
  name = system("echo '".p."' | tr '_' ' '")
  others = ''
  exact = strstrt(shown, 'first-order') > 0 ? 'first-order' : 'gradient'
  do for [m in shown] { if (m ne 'mezo' && m ne exact) { others = others.m.' ' } }
  set title name font ',13'
  picked(m, column) = sprintf("< awk -F, -v p='%s' -v m='%s' '$1 == p && $2 == m' '%s'", name, m, curves)
  # Losses that stay within a factor of 30 are easier read as they are.
  low_and_high = "awk -F, -v p='%s' '$1 == p { if (!n++ || $4 < low) low = $4; if ($4 > high) high = $4 } "
  span = system(sprintf(low_and_high."END { print (low > 0 ? high / low : 1e9) }' '%s'", name, curves)) + 0
  if (span < 30) { unset logscale y } else { set logscale y }
  plot picked('mezo', 0) using 3:5:6 with filledcurves lc rgb '#40808080' notitle, \
    for [k = 1 : words(others)] picked(word(others, k), 0) using 3:5:6 with filledcurves \
      lc rgb '#c0'.word(colours, k)[2:7] notitle, \
    picked('mezo', 0) using 3:4 with lines lw 3 lc rgb '#404040' title 'mezo', \
    picked(exact, 0) using 3:4 with lines lw 2 dt 2 lc rgb '#000000' title (strstrt(shown, exact) > 0 ? exact : ''), \
    for [k = 1 : words(others)] picked(word(others, k), 0) using 3:4 with lines lw 3 lc rgb word(colours, k) \
      title word(others, k)
}
unset multiplot
