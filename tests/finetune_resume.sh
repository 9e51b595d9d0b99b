#!/bin/sh
# Runs of the fine-tuning program that are killed, stopped or left without room: sh finetune_resume.sh PROGRAM
# What a run leaves after it was killed again and again must be, byte for byte, what it leaves undisturbed.
# ZOFT_KILLS says how many kills each kind of run takes (2).
set -u
program=$1
case $program in */*) program=$(cd "$(dirname "$program")" && pwd)/$(basename "$program") ;; esac
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

failures=0
failed() {
  failures=$((failures + 1))
  echo "FAILED: $1" >&2
  if [ -f said ]; then sed 's/^/  /' said >&2; fi
}
tune() { timeout 120 "$program" "$@" >said 2>&1 </dev/null; }

# same OTHER: whether what was trained is what `whole` has.
same() {
  for file in adapter_model.safetensors model.safetensors; do
    if [ -e "whole/$file" ] && ! cmp -s "whole/$file" "$1/$file"; then return 1; fi
  done
}

# A random number of milliseconds below 1000, from a seed.
state=1
pause() {
  state=$(((state * 1103515245 + 12345) % 2147483648))
  sleep "0.$(printf %03d $((state / 65536 % 1000)))"
}

# killed NAME OPTIONS...
killed() {
  name=$1
  shift
  rm -rf whole run
  tune "$@" --output whole || [ $? = 3 ] || { failed "$name: the undisturbed run"; return; }
  kills=0
  while [ $kills -lt "${ZOFT_KILLS:-2}" ]; do
    if [ -s run/run.journal ]; then set -- --resume run; else set -- "$@" --output run; fi
    "$program" "$@" >said 2>&1 </dev/null &
    child=$!
    pause
    kill -9 $child 2>/dev/null
    wait $child 2>/dev/null
    case $? in
    137) kills=$((kills + 1)) ;;
    0 | 3) break ;;
    *) failed "$name: it went on with $?"; return ;;
    esac
  done
  if [ -s run/run.journal ]; then set -- --resume run; fi
  tune "$@" || [ $? = 3 ] || { failed "$name: the last program"; return; }
  same run || failed "$name: other weights after $kills kills"
  [ "$(tail -n 1 run/log.csv | cut -d, -f1)" = "$(tail -n 1 whole/log.csv | cut -d, -f1)" ] ||
    failed "$name: its log ends at another step"
}

short="--heldout-items 4 --threads 1 --warmup 0 --evaluate-every 0 --steps 25"
killed "prge, lora_fa" $short
killed "adam, lora" $short --method adam --adapter lora
killed "observed, lora_fa" $short --method observed --batch 4
killed "lozo, full" $short --method lozo --adapter full
killed "mezo, full, bf16" $short --method mezo --adapter full --weights bf16

# Steps are undone, and made again.
rm -rf whole run
tune $short --output whole
cp -r whole run
tune --resume run --undo 7 || [ $? = 3 ] || failed "--undo 7 ended badly"
grep -q "^resumed  *behind step 18 of 25" said || failed "--undo 7 does not say where it goes on"
same run && failed "--undo 7 undoes nothing"
[ "$(tail -n 1 run/log.csv | cut -d, -f1)" = 18 ] || failed "--undo 7 leaves the log of other steps"
tune --resume run || failed "a run does not go on from where it was undone"
same run || failed "--undo 7 leads elsewhere"
[ "$(wc -l <run/log.csv)" = 27 ] || failed "a run that was undone leaves a log of $(wc -l <run/log.csv) lines"

# Ctrl-C ends a run with what was trained, and says how to go on. A new run does not overwrite it.
: >said # so that no earlier program's steps are seen in it
"$program" $short --steps 2000 --output run2 >said 2>&1 </dev/null &
child=$!
while ! grep -q "^step" said 2>/dev/null && kill -0 $child 2>/dev/null; do sleep 0.05; done
kill -TERM $child  # Ctrl-C's signal is not passed on to what a script starts beside itself
wait $child
[ $? = 130 ] || failed "an interrupted run ends with another status than 130"
grep -q "to go on: finetune --resume run2" said || failed "an interrupted run does not say how to go on"
[ -s run2/adapter_model.safetensors ] || failed "an interrupted run saves nothing"
cp run2/run.journal kept
tune $short --output run2 && failed "an interrupted run is overwritten"
grep -q "run2/run.journal is of a run that was stopped: go on with it by --resume run2, or" said ||
  failed "it is not said why an interrupted run is not overwritten"
cmp -s kept run2/run.journal || failed "the journal of an interrupted run was changed"

# A program that is killed leaves a row of the log for each step of its journal, and so does one that is killed as it
# begins to go on.
rm -rf run3
: >said
"$program" $short --steps 2000 --output run3 >said 2>&1 </dev/null &
child=$!
while ! grep -q "^step" said && kill -0 $child 2>/dev/null; do sleep 0.05; done
kill -9 $child
wait $child
for program_of in first second; do
  logged=$(tail -n 1 run3/log.csv.tmp | cut -d, -f1)
  : >said
  "$program" --resume run3 >said 2>&1 </dev/null &
  child=$!
  while ! grep -q "^resumed" said && kill -0 $child 2>/dev/null; do sleep 0.01; done
  kill -9 $child
  wait $child
  steps=$(sed -n 's/^resumed *behind step \([0-9]*\) of.*/\1/p' said)
  [ "${logged:-0}" -ge "${steps:-1}" ] ||
    failed "the $program_of program that was killed has ${logged:-no} steps in its log, and ${steps:-none} in its journal"
done

# refused MESSAGE ARGUMENTS...
refused() {
  message=$1
  shift
  tune "$@" && failed "not refused: $*"
  grep -qF "finetune: $message" said || failed "$* does not say: $message"
  [ "$(wc -l <said)" = 1 ] || failed "$* says more than a line"
}
refused "--resume is nowhere, and there is no run.journal in it" --resume nowhere
refused "--steps does not go with --resume: the run in run has its options" --resume run --steps 3
refused "--undo goes with --resume, which names the run" --undo 3
refused "zoft: run/run.journal: 26 steps are to be undone, and it holds 25" --resume run --undo 26
printf 'x' | dd of=run/run.journal bs=1 seek="$(($(wc -c <run/run.journal) - 200))" conv=notrunc 2>/dev/null
refused "zoft: run/run.journal: its record of step " --resume run

# There is no room for the journal: files may have 4 blocks of 512 bytes. The run goes on, and waits at its end, until it
# is told to give up. Then it has no room for the adapter either, and what the journal has is gone on from.
rm -rf run
(
  ulimit -f 4
  trap '' XFSZ
  : >said
  "$program" $short --steps 60 --output run >said 2>&1 </dev/null &
  child=$!
  while ! grep -q "^waiting" said && kill -0 $child 2>/dev/null; do sleep 0.05; done
  kill -TERM $child
  wait $child
  [ $? = 2 ] && : >ended
)
[ -e ended ] || failed "without room for its files, a run ends with another status than 2"
grep -q "^note .*run/run.journal: cannot be written: .*; [0-9]* steps wait to be written" said ||
  failed "a full disk is not said while a run goes on"
[ "$(grep -c 'cannot be written: .*steps wait' said)" = 2 ] || failed "a full disk is said again and again"
grep -q "^step 60/60" said || failed "a full disk stops a run"
grep -q "run/adapter_model.safetensors: cannot be written: .*; all steps are in run/run.journal: make room, and finetune --resume run" said ||
  failed "it is not said how to go on where there was no room"
rm -rf whole
tune $short --steps 60 --output whole
tune --resume run || failed "what was written before the disk was full is of no use"
same run || failed "after a full disk, a run ends elsewhere"

echo "$failures failures"
[ "$failures" = 0 ]
