# Prints what run.sh measured, and writes what the roofline is drawn from. Of a row that was repeated it takes the median.
BEGIN { FS = "," }

function file_name(path) { sub(/.*\//, "", path); sub(/\.csv$/, "", path); return path }
function field(name) { return (name in column) ? $column[name] : "" }
function rounded(value) { return value > 0 ? sprintf("%.2f", value) : "-" }
function percent(value) { return value > 0 ? sprintf("%.0f%%", 100 * value) : "-" }
function heading(text) { printf "\n%s\n", text }
function once(list, value) { if (!((list, value) in seen)) { seen[list, value] = 1; item[list, ++count[list]] = value } }

# A comma in a name is one before a space, and parts no fields.
{ gsub(/, /, " "); gsub(/"/, "") }
FNR == 1 {
  file = file_name(FILENAME)
  delete column
  for (i = 1; i <= NF; ++i) column[$i] = i
  next
}
field("error_occurred") == "true" { failed[++failures] = $1 ": " field("error_message"); next }
{
  name = $1
  if (name ~ /_(mean|stddev|cv)$/) { if (name !~ /_cv$/) next; spread = 1 } else spread = 0
  sub(/_(median|cv)$/, "", name)
  sub(/\/iterations:.*/, "", name)
  sub(/\/repeats:.*/, "", name)
  sub(/\/real_time$/, "", name)
  if (spread) { key = file "," name "," field("label"); cv[key] = field("ratio"); next }
  split(name, part, "/")
}

file == "kernels" && part[1] == "machine" {
  machine[part[2]] = field("GFLOP/s") + field("GB/s")
  next
}
file == "kernels" {
  once("kind", part[1])
  once("shape", part[2])
  rate[part[2], part[1]] = field("GFLOP/s")
  share[part[2], part[1]] = field("of_peak")
  of_read[part[2], part[1]] = field("of_read")
  intensity[part[2], part[1]] = field("FLOP/byte")
}
file == "forward" {
  once("model", part[2])
  forward[++forwards] = sprintf("%-9s %-5s %-13s %7d %11.0f %9.0f %8.0f%%", part[1], part[2], part[3], part[4],
                                field("tokens/s"), field("GFLOP/s"), 100 * field("of_peak"))
}
file == "step" || file == "in_place" || file == "memory" {
  least = field("at_least") + 0
  most = field("at_most") + 0
  ratio = field("ratio") + 0
  bar = least > 0 ? sprintf(">= %.2f", least) : most > 0 ? sprintf("<= %.2f", most) : "-"
  met = bar == "-" ? "-" : (least > 0 ? ratio >= least : ratio <= most) ? "yes" : "no"
  what = file == "memory" ? sprintf("peak memory %.0f MB / %.0f MB", field("MB"), field("MB_of_inference")) : field("label")
  step[++steps] = sprintf("%-34s %-36s %7.2f  %-8s %-4s", name, what, ratio, bar, met)
  step_key[steps] = file "," name "," field("label")
}
file == "noise" {
  gsub(/zoft::/, "", name)
  size = name
  sub(/.*\//, "", size)
  sub(/\/[0-9]*$/, "", name)
  once("noise", name)
  noise[name, (size + 0 > 1000000 ? "memory" : "cache")] = field("items_per_second") * 1e-9
}

function print_products(    s, k, shape, kind) {
  heading("Products of x (rows, in) and W (out, in), fp32 in and out, one thread: GFLOP/s, and % of the peak for W's type")
  printf "%-15s", "rows x in x out"
  for (k = 1; k <= count["kind"]; ++k) { kind = item["kind", k]; sub(/_/, " ", kind); printf " %13s", kind }
  printf "\n"
  for (s = 1; s <= count["shape"]; ++s) {
    shape = item["shape", s]
    printf "%-15s", shape
    for (k = 1; k <= count["kind"]; ++k) {
      kind = item["kind", k]
      if ((shape, kind) in rate) printf " %8.0f %3.0f%%", rate[shape, kind], 100 * share[shape, kind]
      else printf " %13s", "-"
    }
    printf "\n"
    if (shape ~ /^1x/) {
      printf "%-15s", "  of reading"
      for (k = 1; k <= count["kind"]; ++k) printf " %12.0f%%", 100 * of_read[shape, item["kind", k]]
      printf "\n"
    }
  }
}

# Rows come in a random order, as they are measured: kinds as they are named here, shapes from small to large.
function put_in_order(    k, s, t, n, known, kept) {
  n = split("zoft_f32 zoft_bf16 zoft_i8 zoft_i4 zoft_nf4 Eigen_f32 OpenBLAS_f32 oneDNN_f32 oneDNN_bf16", known, " ")
  count["kind"] = 0
  for (k = 1; k <= n; ++k) if (("kind", known[k]) in seen) item["kind", ++count["kind"]] = known[k]
  for (s = 2; s <= count["shape"]; ++s) {
    kept = item["shape", s]
    for (t = s; t > 1 && work(item["shape", t - 1]) > work(kept); --t) item["shape", t] = item["shape", t - 1]
    item["shape", t] = kept
  }
}
# A row of one or of few is bound by memory, the others are told apart by their size.
function work(shape,    n) { split(shape, n, "x"); return (n[1] < 16 ? 0 : 1e9) + n[1] * (n[1] < 16 ? 1 : n[2] * n[3]) }

END {
  put_in_order()
  heading("One core at most, measured in this run")
  split("fp32 multiply-add,bf16 dot by AVX-512,bf16 tiles by AMX,read", order, ",")
  for (i = 1; i <= 4; ++i) {
    m = order[i]
    if (machine[m] > 0) printf "  %-22s %8.1f %s\n", m, machine[m], m == "read" ? "GB/s" : "GFLOP/s"
    else printf "  %-22s %8s\n", m, "none"
  }
  print_products()
  heading("Forwards that end in losses, batch 8 x 64, and nothing but their matrix products (W in cache where it can be)")
  printf "%-9s %-5s %-13s %7s %11s %9s %9s\n", "", "shape", "by", "threads", "tokens/s", "GFLOP/s", "of peak"
  for (i = 1; i <= forwards; ++i) print forward[i]
  heading("Steps and memory, weights in bf16: medians of ratios, each of times taken in turn")
  printf "%-34s %-36s %7s  %-8s %-4s %7s\n", "", "ratio of", "ratio", "wanted", "met", "spread"
  for (i = 1; i <= steps; ++i)
    printf "%s %7s\n", step[i], percent(cv[step_key[i]])
  heading("Noise, x += a z: 10^9 elements/s")
  printf "%-44s %10s %10s\n", "", "in cache", "in memory"
  for (i = 1; i <= count["noise"]; ++i) {
    name = item["noise", i]
    printf "%-44s %10s %10s\n", name, rounded(noise[name, "cache"]), rounded(noise[name, "memory"])
  }
  if (failures) heading("Not measured")
  for (i = 1; i <= failures; ++i) print failed[i]

  print "kind,shape,FLOP/byte,GFLOP/s" >points
  for (k = 1; k <= count["kind"]; ++k)
    for (s = 1; s <= count["shape"]; ++s)
      if ((item["shape", s], item["kind", k]) in rate)
        printf "%s,%s,%s,%s\n", item["kind", k], item["shape", s], intensity[item["shape", s], item["kind", k]],
               rate[item["shape", s], item["kind", k]] >points
  printf "fma = %s\ndot = %s\namx = %s\nread = %s\n", machine[order[1]] + 0, machine[order[2]] + 0,
         machine[order[3]] + 0, machine[order[4]] + 0 >roofs
  printf "kinds = '" >roofs
  for (k = 1; k <= count["kind"]; ++k) printf "%s%s", (k > 1 ? " " : ""), item["kind", k] >roofs
  printf "'\n" >roofs
  for (s = 1; s <= count["shape"]; ++s) {
    low = 1e30; high = 0
    for (k = 1; k <= count["kind"]; ++k) {
      x = intensity[item["shape", s], item["kind", k]] + 0
      if (x > 0 && x < low) low = x
      if (x > high) high = x
    }
    list = list sprintf("%s%s:%s:%s", (s > 1 ? " " : ""), item["shape", s], low, high)
  }
  printf "shapes = '%s'\n", list >roofs
}
