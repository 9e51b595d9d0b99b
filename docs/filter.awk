# What Doxygen reads in place of a header: awk -f docs/filter.awk FILE. Line numbers stay as they are.
#
# The inline namespace that names the instruction set is no part of a name. What needs no comment of its own gets one that
# says where it is explained: members that a concept asks for, which concepts.hpp explains on one page; the options of a
# function; comparisons of all members; deduction guides. Overloads for wrong calls are left out.

function described(before, line) { return before ~ /^ *\/\/\/([^<]|$)/ || line ~ /\/\/\/</ }

# The comment that a declaration goes without; empty if it needs one of its own.
function meaning(line) {
  if (line ~ /operator==\(.*\) *(const )?= default;/) return "Whether all members are equal."
  if (line ~ /^struct [a-z0-9_]+_options( |;)/) {
    split(line, words, " ")
    sub(/_options.*/, "", words[2])
    return "The options of " words[2] "()."
  }
  if (line ~ /^[a-z_]+\(.*\) -> [a-z_]+<.*>;/) return "Deduces what it is made of."
  if (policy && line ~ /^  [a-z]/ && line ~ members) return "As its concept asks: see concepts.hpp."
  return ""
}

FNR == 1 {
  policy = FILENAME ~ /\/(sampler|estimator|optimizer|adapter)\/[a-z_0-9]+\.hpp$/
  members = "(^| )(check|batch_size|evaluations|forwards|ready|at|rate|replays|adapt|resize|compose|core|core_axpy|basis|renewed" \
    "|applied|trains|attach|elements)\\(|^  using (attached|buffer|of_core) =|^  static constexpr bool elementwise"
}

{ lines[FNR] = $0 }

function show() {
  sub(/zoft::inline ZOFT_ISA/, "zoft")
  sub(/\/\/\/< > /, "///< \\> ")  # which would be a quotation
  # A comment after several names is for all of them, and Doxygen takes it for one.
  if (match($0, /^ *[a-z][a-zA-Z0-9_:<> ]* \*?[a-z_]+( = [^,;(]+)?, [^;(]*; +\/\/\/< /)) {
    comment = "/** " substr($0, RLENGTH + 1) " */ "
    sub(/; +\/\/\/< .*/, "")
    count = split($0, names, ", ")
    type = names[1]
    sub(/ = .*/, "", type)
    sub(/[a-z_]+$/, "", type)
    $0 = comment names[1] ";"
    for (i = 2; i <= count; ++i) $0 = $0 " " comment type names[i] ";"
  }
  # A template's head and its requirements belong to the declaration after them.
  if ($0 ~ /^ *(template <.*>|requires .*)$/ && $0 !~ /[;{]$/) {
    held[++holding] = $0
    return
  }
  comment = described(before, $0) ? "" : meaning($0)
  if (comment != "") {
    held[++holding] = $0
    held[1] = "/** " comment " */ " held[1]
    for (i = 1; i <= holding; ++i) print held[i]
  } else {
    for (i = 1; i <= holding; ++i) print held[i]
    print
  }
  holding = 0
  before = $0
}

# A declaration with ZOFT_REFUSED, from its template's head to the end of its body.
function leave_out(i,   first, last) {
  for (first = i; first > 1 && lines[first] !~ /^ *template </; --first) {}
  for (last = i; last < FNR && lines[last] !~ /\{.*\}$/ && lines[last] !~ /^ *\}$/; ++last) {}
  for (; first <= last; ++first) lines[first] = ""
}

END {
  for (n = 1; n <= FNR; ++n)
    if (lines[n] ~ /ZOFT_REFUSED\(/ && lines[n] !~ /^#/) leave_out(n)
  for (n = 1; n <= FNR; ++n) {
    $0 = lines[n]
    show()
  }
  for (i = 1; i <= holding; ++i) print held[i]
}
