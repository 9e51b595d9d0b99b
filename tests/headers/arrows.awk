# Which folder includes which: awk -f arrows.awk FILE..., with paths from include/zoft. Ends with 1 and names the files
# if folders include each other in a circle. A header that stands in no folder is a folder of its own, as users include
# it by itself.

function room(file) { return file ~ /\// ? substr(file, 1, match(file, /\/[^\/]*$/) - 1) : file }

function resolved(file,   parts, n, i, kept, depth, result) {
  n = split(file, parts, "/"); depth = 0
  for (i = 1; i <= n; ++i) {
    if (parts[i] == "..") --depth
    else if (parts[i] != ".") kept[++depth] = parts[i]
  }
  for (i = 1; i <= depth; ++i) result = result (i > 1 ? "/" : "") kept[i]
  return result
}

/^#include "/ {
  split($0, quoted, "\"")
  file = FILENAME; sub(/^\.\//, "", file)
  target = resolved((file ~ /\// ? substr(file, 1, match(file, /[^\/]*$/) - 1) : "") quoted[2])
  from = room(file); to = room(target)
  if (from != to && !((from, to) in arrow)) {
    arrow[from, to] = file " includes " target
    next_rooms[from] = next_rooms[from] SUBSEP to
  }
}

# Depth first from `at`, along the path so far: prints the circle and returns 1 where the path meets itself.
function visit(at, depth,   rooms, n, i, j) {
  state[at] = "open"; path[depth] = at
  n = split(substr(next_rooms[at], 2), rooms, SUBSEP)
  for (i = 1; i <= n; ++i) {
    if (state[rooms[i]] == "open") {
      print "folders include each other in a circle:"
      for (j = depth; path[j] != rooms[i]; --j) {}
      for (; j < depth; ++j) print "  " arrow[path[j], path[j + 1]]
      print "  " arrow[at, rooms[i]]
      return 1
    }
    if (state[rooms[i]] == "" && visit(rooms[i], depth + 1)) return 1
  }
  state[at] = "done"
  return 0
}

END {
  for (from in next_rooms) if (state[from] == "" && visit(from, 1)) exit 1
  print length(next_rooms) " folders and headers, no circle"
}
