# Draws OUTPUT-catalogue.png: how each method compares with mezo on each problem.
set terminal pngcairo size 1250,980 fontscale 1.0
set output output.'-catalogue.png'
set datafile separator ','
file = output.'-catalogue.csv'
set title 'Loss after equal forwards, each method at its best rate: blue is below mezo, red above' font ',14'
set palette defined (-3 '#08519c', -1 '#6baed6', 0 '#f7f7f7', 1 '#fc9272', 3 '#a50f15')
set cbrange [-3:3]
set cblabel 'log10 of the loss over mezo''s'
set xtics rotate by 25 right scale 0
set ytics scale 0 noenhanced
set xrange [-0.5:*]
set yrange [-0.5:*]
set autoscale xfix
set autoscale yfix
clamp(x) = x < -3 ? -3 : x > 3 ? 3 : x
plot file using 1:2:(clamp($3)):xtic(5):ytic(6) with image notitle, \
  file using 1:2:4 with labels font ',9' notitle
