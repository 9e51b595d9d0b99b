# What Doxygen reads in place of a header: awk -f docs/filter.awk FILE. Line numbers stay as they are.
#
# The inline namespace that names the instruction set is no part of a name. What needs no comment of its own gets one that
# says where it is explained: members that a concept asks for, which concepts.hpp explains on one page; the options of a
# function; comparisons of all members; deduction guides. Overloads for wrong calls are left out, and so are requires-clauses,
# as Doxygen 1.9 loses some functions that have one.

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
    "|applied|trains|attach|elements|each_state)\\(|^  using (attached|buffer|of_core) =|^  static constexpr bool elementwise"
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

# The position after the bracket that closes the one at `at` of `text`.
function closed(at,   open, shut, depth, c) {
  open = substr(text, at, 1)
  shut = open == "(" ? ")" : open == "{" ? "}" : ">"
  for (; at <= length(text); ++at) {
    c = substr(text, at, 1)
    if (open == "<" && c == "(") at = closed(at) - 1
    else if (c == open) ++depth
    else if (c == shut && --depth == 0) return at + 1
  }
  return at
}

function after_space(at) {
  while (substr(text, at, 1) ~ /[ \n]/) ++at
  return at
}

# The position after the constraint that begins at `at`.
function after_constraint(at) {
  for (;;) {
    at = after_space(at)
    if (substr(text, at, 8) == "requires") {
      at = after_space(at + 8)
      if (substr(text, at, 1) == "(") at = after_space(closed(at))
      at = closed(at)
    } else if (substr(text, at, 1) == "(") {
      at = closed(at)
    } else {
      while (substr(text, at, 1) ~ /[A-Za-z0-9_:<]/) at = substr(text, at, 1) == "<" ? closed(at) : at + 1
    }
    if (substr(text, after_space(at), 2) !~ /^(&&|\|\|)$/) return at
    at = after_space(at) + 2
  }
}

# Makes blanks of the requires-clauses of `text`: after a template's head, or after a function's parameters.
function without_clauses(   at, found, before_it, line_start, stop, part) {
  at = 1
  while ((found = index(substr(text, at), "requires")) > 0) {
    found += at - 1
    at = found + 8
    before_it = substr(text, found > 400 ? found - 400 : 1, found > 400 ? 400 : found - 1)
    line_start = before_it
    sub(/.*\n/, "", line_start)
    if (line_start ~ /\/\/|^#/ || substr(text, at, 1) ~ /[A-Za-z0-9_]/) continue
    sub(/[ \n]+$/, "", before_it)
    if (before_it !~ /(>|\)|\) const)$/) continue
    stop = after_constraint(at)
    part = substr(text, found, stop - found)
    gsub(/[^\n]/, " ", part)
    text = substr(text, 1, found - 1) part substr(text, stop)
    at = stop
  }
}

END {
  for (n = 1; n <= FNR; ++n)
    if (lines[n] ~ /ZOFT_REFUSED\(/ && lines[n] !~ /^#/) leave_out(n)
  text = ""
  for (n = 1; n <= FNR; ++n) text = text lines[n] "\n"
  without_clauses()
  split(text, lines, "\n")
  for (n = 1; n <= FNR; ++n) {
    $0 = lines[n]
    show()
  }
  for (i = 1; i <= holding; ++i) print held[i]
}
