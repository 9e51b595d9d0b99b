#!/bin/sh
# The same run on ranks that are each in a network namespace of their own, with a bridge between them, so that all they
# exchange goes over TCP: sh machines.sh PROGRAM MPIEXEC [OPTION...]. A rank is killed in the middle of a step, then a
# whole machine: a rank, and what started it there. The run that goes on must end with the bits of one without MPI.
set -eu
program=$1
shift

skip() {
  echo "SKIPPED: ranks on machines of their own, which needs $*"
  exit 77
}
fail() {
  echo "machines.sh: $*"
  exit 1
}

"$1" --version 2>&1 | grep -q -e "Open MPI" -e OpenRTE || skip "Open MPI, and not another"
[ "$(id -u)" = 0 ] || skip "root"
command -v ip >/dev/null || skip "ip, of iproute2"
space=zoft-$$
machines="1 2 3"
ip netns add $space 2>/dev/null || skip "network namespaces"

folder=$(mktemp -d)
cleanup() {
  for i in $machines ""; do
    ip netns pids "$space${i:+-$i}" 2>/dev/null | xargs -r kill -9
    ip netns del "$space${i:+-$i}" 2>/dev/null || true
  done
  rm -rf "$folder"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

# The bridge is in the namespace $space, machine I in $space-I, with the address 10.77.0.I.
ip -n $space link add bridge type bridge 2>/dev/null || skip "network bridges"
ip -n $space link set bridge up
for i in $machines; do
  ip netns add $space-$i
  ip -n $space link add port$i type veth peer name eth0 netns $space-$i 2>/dev/null || skip "virtual Ethernet devices"
  ip -n $space link set port$i master bridge up
  ip -n $space-$i addr add 10.77.0.$i/24 dev eth0
  ip -n $space-$i link set eth0 up
  ip -n $space-$i link set lo up
done

# In place of ssh: HOST COMMAND... A machine has a name of its own, by which Open MPI tells machines apart.
cat >"$folder/enter" <<END
#!/bin/sh
i=\${1##*.}
shift
exec ip netns exec $space-\$i unshare --uts sh -c "hostname $space-\$i; \$*"
END
chmod +x "$folder/enter"

# on N ARGUMENT...: the program on N ranks, one on each machine
on() {
  n=$1
  shift
  "$folder/enter" 10.77.0.1 "$mpirun -n $n $program $*" >"$folder/printed" 2>"$folder/said"
}
mpirun="$* --host 10.77.0.1,10.77.0.2,10.77.0.3 --mca plm_rsh_agent $folder/enter
  --mca btl tcp,self --mca btl_tcp_if_include 10.77.0.0/24 --mca oob_tcp_if_include 10.77.0.0/24"
mpirun=$(echo $mpirun)
# died WHICH MESSAGE: all ranks have ended, and the last run said why
died() {
  grep "$2" "$folder/said" || fail "$1 died, and nothing of it was said: $(cat "$folder/said")"
  for i in $machines; do [ -z "$(ip netns pids $space-$i)" ] || sleep 2; done
  for i in $machines; do [ -z "$(ip netns pids $space-$i)" ] || fail "$1 died, and machine $i goes on"; done
}

whole=$("$program" -)
on 3 "$folder/undisturbed" || fail "the run failed: $(cat "$folder/said")"
[ "$(cat "$folder/printed")" = "$whole" ] || fail "a run without MPI has $whole, and this has $(cat "$folder/printed")"
for i in $machines; do
  sent=$(ip netns exec $space-$i cat /proc/net/dev | awk '/eth0/ { print $10 }')
  [ "$sent" -gt 10000 ] || fail "machine $i has sent $sent bytes, so ranks speak elsewhere"
done

if on 3 "$folder/run" 1 17; then fail "the run ended well, although rank 1 was killed"; fi
died "rank 1" "process rank 1 .* on node 10.77.0.2 exited on signal 9"
if on 3 "$folder/run" 0 29; then fail "the run ended well, although rank 0 was killed"; fi
died "rank 0" "process rank 0 .* on node $space-1 exited on signal 9"
if on 3 "$folder/run" 2 41 machine; then fail "the run ended well, although machine 3 died"; fi
died "machine 3" "lost communication with a remote daemon"
on 2 "$folder/run" || fail "the run did not go on: $(cat "$folder/said")"
cat "$folder/printed"
[ "$(cat "$folder/printed")" = "${whole% from*} from step 41" ] || fail "a run without MPI has $whole"
