#!/bin/sh
# What the fine-tuning program does with bad input, and when it is stopped: sh finetune_errors.sh PROGRAM [FOLDER OF THE DEFAULT TASK]
# Bad input must end with code 2 and one line on standard error, which names what is wrong, and must leave nothing behind.
set -u
program=$1
task=${2:-$(cd "$(dirname "$0")/../examples/finetune/default" && pwd)}
case $program in */*) program=$(cd "$(dirname "$program")" && pwd)/$(basename "$program") ;; esac
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
cases=0
failures=0

complain() {
  failures=$((failures + 1))
  echo "FAILED: finetune $1: $2" >&2
  sed 's/^/  stderr: /' stderr >&2
}

# ends CODE 'what the line holds' OPTION...
ends() {
  code=$1
  pattern=$2
  shift 2
  cases=$((cases + 1))
  rm -rf out
  timeout 120 "$program" --output out --steps 2 --threads 1 --heldout-items 4 "$@" >stdout 2>stderr </dev/null
  got=$?
  [ "$got" = "$code" ] || complain "$*" "ended with $got, and not with $code"
  [ "$(wc -l <stderr)" = 1 ] || complain "$*" "printed $(wc -l <stderr) lines on standard error, and not 1"
  grep -q '^finetune: ' stderr || complain "$*" "the line does not begin with 'finetune: '"
  grep -qe "$pattern" stderr || complain "$*" "the line does not say '$pattern'"
  [ -z "$(ls -A out 2>/dev/null)" ] || complain "$*" "left $(ls -A out | tr '\n' ' ')behind"
}
refused() { ends 2 "$@"; }

# bytes FILE OFFSET 'printf format': overwrites the bytes there
bytes() { printf "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null; }
size() { wc -c <"$1" | tr -d ' '; }

# Options by themselves.
for n in 0 -1 1.5 abc 99999999999999999999999 nan 1e3; do
  refused "queries is '$n'.*from 1 to" --queries="$n"
  refused "batch is '$n'.*from 1 to" --batch="$n"
  refused "rank is '$n'.*from 1 to" --rank="$n"
done
refused "steps is '0'.*from 1 to" --steps 0
refused "length is '1'.*at least 2" --length 1
refused "length is 100000.*at most 256, the context" --length 100000
for x in 0 -1 nan inf -inf 1e999 abc '1 2'; do
  refused "epsilon is '$x'.*above 0" --epsilon="$x"
  refused "learning-rate is '$x'.*above 0" --learning-rate="$x"
  refused "alpha is '$x'.*above 0" --alpha="$x"
done
refused "queries.*missing" --queries=
refused "decay is '-1'.*at least 0" --decay=-1
refused "decay is 'nan'.*at least 0" --decay nan
refused "rank is 65.*at most 64" --rank 65
refused "rank is 65.*at most 64" --rank 65 --adapter lora
refused "no linear is named 'z_proj'" --targets q_proj,z_proj
refused "targets is 'q_proj,'" --targets q_proj,
refused "method is 'sgd'.*prge, " --method sgd
refused "adapter is 'dora'.*lora_fa, " --adapter dora
refused "objective is 'f1'.*loss, choice, accuracy, exact_match" --objective f1
refused "objective choice goes with --task or --labelled" --objective choice
refused "prefix-length is '0'.*from 1 to" --prefix-length 0
refused "prefix-length is 255.*leave 2 tokens at least of the 256" --adapter prefix --prefix-length 255
refused "length is 252.*at most 251, the context of .* behind its prefix" --adapter prefix --length 252
refused "no norm is named 'q_proj'" --adapter norm_only --targets q_proj
refused "no linear is named 'norm'" --adapter bias_only --targets norm
refused "keep is '0'.*above 0" --keep 0
refused "keep is 1.5.*(0, 1\]" --keep 1.5
refused "keep-by is 'luck'.*seed, scores, predictor, thresholds" --keep-by luck
refused "keep goes with --adapter lora" --keep 0.5 --adapter full
refused "schedule is 'step'.*linear" --schedule step
refused "weights is 'f64'.*bf16" --weights f64
refused "adapter full goes with --weights f32 or bf16" --adapter full --weights nf4
refused "per-example goes with adapters" --adapter full --method per-example
refused "per-example-lozo goes with --weights f32" --adapter full --method per-example-lozo --weights bf16
refused "observed goes with --weights f32" --adapter full --method observed --weights bf16
refused "observed goes with --adapter lora_fa, lora or full" --adapter prefix --method observed
refused "zo-act goes with --adapter lora_fa" --adapter lora --method zo-act
refused "calibrated goes with --adapter lora" --adapter full --calibrated
refused "spare goes with --adapter lora" --adapter full --spare no.txt
refused "calibrated and --spare both" --calibrated --spare no.txt
refused "spare and --adapter-from both" --adapter-from no --spare no.txt
refused "no.txt: cannot be opened" --spare no.txt
: >empty.txt
refused "empty.txt" --spare empty.txt
refused "warmup is 3.*at most --steps, which is 2" --warmup 3
refused "threads is '100000'.*1024" --threads 100000
refused "seed is '-1'" --seed=-1
refused "nonsense" --nonsense
refused "nonsense" nonsense
refused "steps" --steps
refused "epsilon is 'a.x0ab'" --epsilon 'a
b'

# Options against each other.
printf 'a\tb\nc\td\n' >two.pairs
printf '0 a\n1 b\n0 c\n' >three.labelled
refused "one of them" --pairs two.pairs --text two.pairs
refused "model is given without data" --model "$task"
refused "heldout is given without data" --heldout two.pairs
refused "heldout goes with" --text two.pairs --heldout two.pairs
refused "words goes with --labelled" --pairs two.pairs --words a,b
refused "words is missing" --labelled three.labelled
refused "targets goes with" --targets q_proj --adapter full
refused "targets goes with" --targets q_proj --adapter prefix
refused "objective exact_match goes with" --text two.pairs --objective exact_match
refused "tokenizer is given without --model" --tokenizer "$task/tokenizer.bin"

# Where the results go.
echo in the way >file
refused "file" --output file
refused "file/below" --output file/below
refused "/dev/null" --output /dev/null/x
refused "output is empty" --output ''
mkdir -p taken/adapter_config.json
refused "taken/adapter_config.json: is a directory" --output taken
[ "$(ls -A taken)" = adapter_config.json ] || complain "--output taken" "left $(ls -A taken) behind"

# Files of data.
refused "nowhere.txt" --text nowhere.txt
refused "nowhere.pairs" --pairs nowhere.pairs
refused "nowhere.pairs" --pairs two.pairs --heldout nowhere.pairs
: >empty
printf '\n\r\n  \n' >blank
printf 'one\tline\n' >one.pairs
printf '0 one line\n' >one.labelled
printf 'short text' >short.txt
printf 'a\tb\nno tab here\n' >no_tab.pairs
printf 'a\tb\tc\na\tb\n' >tabs.pairs
printf 'a\tb\na\t\n' >no_answer.pairs
printf 'a\tb\n\ta\n' >no_prompt.pairs
printf '0 a\n1\n' >no_text.labelled
{ printf 'a\tb\nlong\t'; head -c 300 /dev/zero | tr '\0' x; echo; } >long.pairs
refused "empty: .*empty" --text empty
refused "empty" --pairs empty
refused "empty" --labelled empty --words a,b
refused "blank: has 0 lines" --pairs blank
refused "blank: has 0 lines" --labelled blank --words a,b
refused "blank: has no lines" --pairs two.pairs --heldout blank
refused "blank: .*length" --text blank
refused "one.pairs: has 1 line" --pairs one.pairs
refused "one.labelled: has 1 line" --labelled one.labelled --words a,b
refused "short.txt: .*length" --text short.txt
refused "$work: " --text "$work"
refused "no_tab.pairs:2: " --pairs no_tab.pairs
refused "tabs.pairs:1: " --pairs tabs.pairs
refused "no_answer.pairs:2: " --pairs no_answer.pairs
refused "no_prompt.pairs:2: " --pairs no_prompt.pairs
refused "no_text.labelled:2: " --labelled no_text.labelled --words a,b
refused "long.pairs:2: is 30[0-9] tokens.*at most the 256" --pairs long.pairs
refused "two.pairs:1: is [0-9]* tokens.*at most the 2 of --length" --pairs two.pairs --length 2

# Labels and their words.
refused "two.labelled:2: the label '1' has no word" --labelled "$(printf '0 a\n1 b\n7 c\n' >two.labelled; echo two.labelled)" --words 0=a,7=b
refused "words gives '2' the word 'c'" --labelled three.labelled --words a,b,c
refused "held:1: the label '9' has no word" --labelled three.labelled --words a,b --heldout "$(echo 9 x >held; echo held)"
refused "words gives the label '0' two words" --labelled three.labelled --words 0=a,0=b
refused "words gives the word 'a' to two labels" --labelled three.labelled --words a,a
refused "words is 'a'" --labelled three.labelled --words a
refused "words is 'a,,b'" --labelled three.labelled --words a,,b
refused "template is" --labelled three.labelled --words a,b --template '{text}'
refused "template is" --labelled three.labelled --words a,b --template '{word} {text}'
refused "length is 4.*words" --labelled three.labelled --words aaaaaaaa,bbbbbbbb --length 4

# Models and tokenizers.
model() {
  rm -rf model
  cp -r "$task" model
}
on_model() {
  pattern=$1
  shift
  refused "$pattern" --model model --pairs two.pairs "$@"
}
refused "nowhere" --model nowhere --tokenizer "$task/tokenizer.bin" --pairs two.pairs
refused "tokenizer is not given" --model "$work" --pairs two.pairs
model
head -c 1000 "$task/tokenizer.bin" >model/tokenizer.bin
on_model "tokenizer.bin: "
model
: >model/tokenizer.bin
on_model "tokenizer.bin: "
# 4 bytes, and tokens of 9 bytes each: 300 are more than 259.
{ printf '\1\0\0\0'; i=0; while [ $i -lt 300 ]; do printf '\0\0\0\0\1\0\0\0a'; i=$((i + 1)); done; } >many.bin
model
on_model "many.bin: has 300 tokens.*knows 259" --tokenizer many.bin
model
head -c 5000 "$task/model.safetensors" >model/model.safetensors
on_model "model.safetensors: "
model
head -c "$(($(size "$task/model.safetensors") - 4))" "$task/model.safetensors" >model/model.safetensors
on_model "model.safetensors: "
model
bytes model/model.safetensors "$(($(size model/model.safetensors) - 4))" '\0\0\300\177'
on_model "model: model.norm.weight is nan"
model
bytes model/model.safetensors 0 '\377\377\377\377'
on_model "model.safetensors: .*header"
model
sed 's/"hidden_size": *[0-9]*/"hidden_size": 32/' "$task/config.json" >model/config.json
on_model "model.safetensors: "
model
sed 's/"hidden_size": *[0-9]*/"hidden_size": -3/' "$task/config.json" >model/config.json
on_model "config.json: hidden_size is -3"
model
grep -v '"hidden_size"' "$task/config.json" >model/config.json
on_model "config.json: hidden_size"
model
head -c 30 "$task/config.json" >model/config.json
on_model "config.json: "
model
rm model/config.json
on_model "config.json"
model
rm model/model.safetensors
on_model "model.safetensors"
head -c 100 /dev/zero >zeros.bin
refused "zeros.bin: " --model zeros.bin --tokenizer "$task/tokenizer.bin" --pairs two.pairs

# A rate that makes every loss NaN is given up, and a former result stays as it is.
mkdir former
echo kept >former/adapter_config.json
ends 1 "diverged.*learning-rate" --learning-rate 1e29 --steps 100 --output former
ends 1 "diverged.*learning-rate" --learning-rate 1e29 --steps 1 --output former
[ "$(cat former/*)" = kept ] || complain "--output former" "overwrote what was there"

# Adapters that have no files, and objectives that have no gradient.
works() {
  cases=$((cases + 1))
  rm -rf out
  timeout 120 "$program" --output out --steps 2 --threads 1 --heldout-items 4 --seed 1 "$@" >stdout 2>stderr </dev/null
  case $? in
  0) ;;
  3) grep -q "^note .*the loss did not fall" stdout || complain "$*" "ended with 3, and does not say that it is no better" ;;
  *) complain "$*" "ended with another status" ;;
  esac
  [ "$(wc -l <out/log.csv)" = 4 ] || complain "$*" "wrote a log.csv of $(wc -l <out/log.csv) lines, and not 4"
}
for adapter in prefix bias_only; do
  works --adapter $adapter
  grep -q "what was trained is not saved" stdout || complain "$adapter" "does not say that nothing is saved"
  [ ! -e out/adapter_config.json ] || complain "$adapter" "wrote an adapter_config.json"
done

# The whole model, with what was trained added to it, computes what the adapter did.
whole() {
  works --method mezo --warmup 0 "$@"
  [ ! -e out/adapter_config.json ] || complain "$*" "wrote an adapter_config.json"
  after=$(sed -n 's/^after *held-out loss \([0-9.]*\).*/\1/p' stdout)
  before=$(sed -n 's/^before *held-out loss \([0-9.]*\).*/\1/p' stdout)
  "$program" --model out --pairs "$task/train.pairs" --heldout "$task/heldout.pairs" --heldout-items 4 --threads 1 \
    --evaluate >stdout 2>stderr </dev/null || complain "$*" "its model cannot be evaluated: $(cat stderr)"
  grep -q "^now *held-out loss $after " stdout || complain "$*" "left $(grep ^now stdout), and not $after"
  [ "$after" != "$before" ] || complain "$*" "moved nothing"
}
whole --adapter norm_only --learning-rate 1
whole --adapter lora --merge --learning-rate 0.03
whole --adapter lora_fa --merge --learning-rate 0.1
cp out/config.json former/config.json
refused "former: holds an adapter" --adapter norm_only --output former
rm former/adapter_config.json
refused "former: holds a whole model" --output former
rm -r former
refused "--merge goes with" --adapter norm_only --merge
works --keep 0.5 --keep-by scores
works --calibrated
printf 'The colour of the harbour, on 3 May 2024, was grey.\n' >other.txt
works --spare other.txt
printf '{"prompt": "a", "completion": "b"}\n{"text": "on 3 May 2024"}\n' >other.jsonl
works --spare other.jsonl --method observed --adapter lora --targets q_proj,down_proj
works --method observed --rows 4
works --keep 0.5 --keep-by seed --dropped seen --keep-from 1
works --keep 0.5 --keep-by thresholds
works --keep 0.5 --keep-by predictor
grep -q "^keep *a predictor of scores finds [0-9.]* % of the blocks" stdout || complain "predictor" "does not tell its recall"
for objective in accuracy exact_match; do
  words="1 - $(echo $objective | tr _ ' ')"
  works --objective $objective
  grep -q "^method .* on $words:" stdout || complain "$objective" "does not say what is minimised"
  grep -q "probe $words [01]" stdout || complain "$objective" "does not tell the probes' $words"
  grep -q "^after .*held-out loss .* nats a token, exact match" stdout || complain "$objective" "does not tell the loss"
  [ -s out/adapter_model.safetensors ] || complain "$objective" "did not write the adapter"
  grep -q "probe $words" out/curve.gnuplot || complain "$objective" "draws something else"
done

# Told to stop, it saves what there is after the step.
cases=$((cases + 1))
rm -f stdout  # or its last steps are seen before the program has begun
"$program" --output stopped --steps 100000 --evaluate-every 1 --threads 1 --heldout-items 4 >stdout 2>stderr </dev/null &
until grep -q '^step 2/' stdout 2>/dev/null || ! kill -0 $! 2>/dev/null; do sleep 0.1; done
kill -TERM $! 2>/dev/null
wait $!
[ $? = 130 ] || complain "stopped" "did not end with 130"
for f in adapter_config.json adapter_model.safetensors log.csv; do
  [ -s stopped/$f ] || complain "stopped" "did not write $f"
done
[ ! -e stopped/log.csv.tmp ] || complain "stopped" "left log.csv.tmp behind"

echo "$cases cases, $failures failures"
[ "$failures" = 0 ]
