#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs a command in a guest; its output is ours, as it comes, and so is its
# exit status.
#
# usage: vm/qemu.sh -k KERNEL [OPTION]... [--] COMMAND...
#	 vm/qemu.sh -k KERNEL -x [OPTION]...		a shell instead, on this terminal
#
#   -k DIR	a folder made by vm/kernel.sh
#   -s DIR	scripts and programs for the guest: it has them in /tests
#   -m SIZE	memory (default 7G: 4 GiB of it above the 4 GiB line)
#   -c COUNT	processors (default 2)
#   -t SECONDS	the guest is ended after that many seconds (default 1800)
#   -a ARGS	more kernel arguments
#   -q ARGS	more QEMU arguments
#   -b MODULE	not to be loaded at boot (kmem takes soft-reserved memory at once)
#   -d		no coldplug: drivers are not loaded for the devices found at boot
#   -i		guest time counts instructions (one processor, slow, repeatable)
#   -n NAME	name of the folder with the logs (default: guest)
#
# Exit status: that of the command; 124 the guest hung, 125 it never came as
# far as the command, 126 it ended without the command having ended.

. "$(dirname "$0")/../scripts/lib.sh"

# a guest must not hold the locks of whoever starts it
for fd in /proc/$$/fd/*; do
	fd=${fd##*/}
	if [ "$fd" -ge 10 ] && [ "$fd" -lt 255 ]; then exec {fd}>&-; fi
done
kernel='' scripts='' mem=7G cpus=2 limit=1800 append='' extra='' coldplug=y blacklist='' icount='' name=guest shell=''
boot_limit=${FSDEV_BOOT_LIMIT:-300}
[[ $boot_limit =~ ^[0-9]+$ ]] || die "FSDEV_BOOT_LIMIT=$boot_limit is not a number of seconds"
case ${FSDEV_ACCEL:-} in
''|kvm|tcg) ;;
*) die "FSDEV_ACCEL=$FSDEV_ACCEL is neither kvm nor tcg" "leave it out to have it found out" ;;
esac
while getopts k:s:m:c:t:a:q:b:din:x o; do
	case $o in
	k) kernel=$OPTARG ;;
	s) scripts=$OPTARG ;;
	m) mem=$OPTARG ;;
	c) cpus=$OPTARG ;;
	t) limit=$OPTARG ;;
	a) append=$OPTARG ;;
	q) extra=$OPTARG ;;
	b) blacklist=$OPTARG ;;
	d) coldplug= ;;
	i) icount=y ;;
	n) name=$OPTARG ;;
	x) shell=y ;;
	*) die "see the head of vm/qemu.sh for its options" ;;
	esac
done
shift $((OPTIND - 1))
# first of all: whatever comes of us, what an earlier run left is not ours
logs=$CACHE/logs/$name
if [ -d "$logs" ]; then
	rm -rf -- "$logs.old"
	mv -T "$logs" "$logs.old"
fi
[ -f "$kernel/bzImage" ] && [ -f "$kernel/modules.sqfs" ] || die "no kernel in ${kernel:-(none given)}" \
	"make one with: vm/kernel.sh FLAVOUR TREE"
[ $# -gt 0 ] || [ -n "$shell" ] || die "no command for the guest"
need_tool mksquashfs squashfs-tools
case $mem in
*G) mib=$((${mem%G} * 1024)) ;;
*M) mib=${mem%M} ;;
*) die "-m $mem: give it in M or G" ;;
esac
# A guest touches most of its memory only if the test does: what it needs for
# certain is less.
need_mem $((mib * 3 / 4 + 300)) "a guest of $mem"
rootfs=$("$TOP/vm/rootfs.sh")
emulator=$("$TOP/vm/emulator.sh")
scratch
# it clears up also when nobody reads any more what it says
trap '' PIPE

# ---- the folder with logs, and the image with the scripts

need_disk "$CACHE/logs" 200 "a guest"
mkdir -p "$logs" "$SCRATCH/tests"
cp "$TOP/vm/guest"/* "$SCRATCH/tests/"
[ -z "$scripts" ] || cp -R "$scripts/." "$SCRATCH/tests/"
printf '%s\n' "$*" >"$SCRATCH/tests/.command"
echo "coldplug=$coldplug blacklist=$blacklist interactive=$shell" >"$SCRATCH/tests/.settings"
mksquashfs "$SCRATCH/tests" "$SCRATCH/tests.sqfs" -comp zstd -all-root -noI -noD -noF -quiet -no-progress >/dev/null

# ---- how fast this machine can run it

args=(-nodefaults -no-user-config -no-reboot -vga none -display none -machine q35)

# A trial boot: /dev/kvm may be there and open, and guests hang all the same.
kvm_works() {
	local result
	result=$CACHE/kvm-$(cat /proc/sys/kernel/random/boot_id)
	if ! [ -f "$result" ]; then
		if grep -qwE 'vmx|svm' /proc/cpuinfo && [ -w /dev/kvm ] &&
		   timeout -k 2 20 "$emulator" "${args[@]}" -accel kvm -cpu host -m 512M \
			-kernel "$kernel/bzImage" -append "panic=-1 root=/dev/none" \
			</dev/null >/dev/null 2>&1; then
			echo yes
		else
			echo no
		fi >"$SCRATCH/kvm"
		rm -f "$CACHE"/kvm-*
		mv "$SCRATCH/kvm" "$result"
	fi
	[ "$(cat "$result")" = yes ]
}

# Intel's, for their machine checks can be injected; la57 is slow and unused
cpu=max,la57=off,vendor=GenuineIntel
accel=
if [ -n "$icount" ]; then
	cpus=1
	args+=(-accel "tcg,thread=single" -icount "shift=0,sleep=off" -cpu "$cpu")
elif [ "${FSDEV_ACCEL:-}" != tcg ] && { [ "${FSDEV_ACCEL:-}" = kvm ] || kvm_works; }; then
	args+=(-accel kvm -cpu host)
	accel=kvm
else
	args+=(-accel "tcg,thread=multi" -cpu "$cpu")
fi

drive() {
	args+=(-drive "if=none,id=$1,file=$2,format=raw,readonly=on,cache=unsafe"
		-device "virtio-blk-pci,drive=$1")
}
args+=(-m "$mem" -smp "$cpus" -kernel "$kernel/bzImage")
drive root "$rootfs"
drive modules "$kernel/modules.sqfs"
drive tests "$SCRATCH/tests.sqfs"
args+=(-device virtio-rng-pci -device virtio-serial-pci)
args+=(-chardev "file,id=status,path=$SCRATCH/status" -device "virtserialport,chardev=status,name=fsdev.status")
args+=(-append "console=ttyS0 root=/dev/vda rootfstype=squashfs ro init=/usr/sbin/init panic=-1 tsc=reliable no_timer_check \
rcupdate.rcu_cpu_stall_timeout=120 watchdog_thresh=60 workqueue.watchdog_thresh=120 $append")
# shellcheck disable=SC2206
args+=($extra)

if [ -n "$shell" ]; then
	[ -t 0 ] || die "a shell needs a terminal"
	say "Ctrl-A X ends the guest at once"
	"$emulator" "${args[@]}" -chardev stdio,id=con,mux=on,signal=off \
		-serial chardev:con -mon chardev=con
	exit
fi

args+=(-serial "file:$logs/console.log"
	-chardev "file,id=out,path=$SCRATCH/out" -device "virtserialport,chardev=out,name=fsdev.out")

# ---- the run

: >"$SCRATCH/status"
: >"$logs/console.log"
mkfifo "$SCRATCH/out"
cat <"$SCRATCH/out" &
reader=$!
setpriv --pdeathsig KILL "$emulator" "${args[@]}" </dev/null >"$logs/qemu.log" 2>&1 &
qemu=$!
trap 'kill -KILL "$qemu" 2>/dev/null || :; clean_up' EXIT

started=$SECONDS
hung=
while kill -0 "$qemu" 2>/dev/null; do
	sleep 0.2
	t=$((SECONDS - started))
	if [ $t -ge "$limit" ]; then
		hung="after $limit seconds it had not ended"
	elif [ $t -ge "$boot_limit" ] && ! [ -s "$SCRATCH/status" ]; then
		hung="after $boot_limit seconds it had not booted"
	fi
	if [ -n "$hung" ]; then
		kill -KILL "$qemu" 2>/dev/null || :
		break
	fi
done
wait "$qemu" 2>/dev/null || :
# The reader ends with the guest; if QEMU never opened the other end it would not.
for ((i = 0; i < 300; i++)); do
	kill -0 "$reader" 2>/dev/null || break
	[ $i -lt 5 ] || [ -s "$SCRATCH/status" ] || break
	sleep 0.2
done
kill "$reader" 2>/dev/null || :
wait "$reader" 2>/dev/null || :
trap clean_up EXIT

# The last of the console, for a reader who has to find out why.
show_console() {
	echo "       the end of its console ($logs/console.log):" >&2
	tr -d '\r' <"$logs/console.log" | tail -n "${1:-30}" | sed 's/^/       | /' >&2
	if [ -s "$logs/qemu.log" ]; then sed 's/^/       qemu: /' "$logs/qemu.log" | tail -n 5 >&2; fi
	sed 's/^/       /' >&2 <<-END
	What to do: run it again, with fewer other programs running. If it is always so,
	"make shell" is such a guest to look into by hand${accel:+; FSDEV_ACCEL=tcg does without KVM}.
	On a very slow machine FSDEV_BOOT_LIMIT=SECONDS (now $boot_limit) gives it longer to boot.
	END
}

rc=$(sed -n 's/^exit //p' "$SCRATCH/status")
echo "$((SECONDS - started))" >"$logs/seconds"
if [ -n "$rc" ] && [ -z "$hung" ]; then
	exit "$rc"
elif [ -n "$rc" ]; then
	printf 'error: the guest hung while it was powering off: %s\n' "$hung" >&2
	show_console
	exit 124
elif [ -n "$hung" ]; then
	printf 'error: the guest hung: %s\n' "$hung" >&2
	show_console 40
	exit 124
elif ! [ -s "$SCRATCH/status" ]; then
	printf 'error: the guest ended before it had booted\n' >&2
	show_console 40
	exit 125
else
	printf 'error: the guest ended while the command was running (a panic, or killed)\n' >&2
	show_console 40
	exit 126
fi
