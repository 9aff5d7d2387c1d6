#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs random programs of what user space can do to dax devices (daxfuzz, in
# tools/testing/dax) in one guest after the other, on a kernel that says which
# code they reach. Programs that reach more are kept in CACHE/fuzz/corpus, for
# the next guest and the next time. Ends at the first complaint of a kernel or
# hang, makes the program that did it shorter while it still does, and says where
# that is.
#
# usage: vm/fuzz.sh [-u] [-T TREE] [-g SECONDS] [MINUTES]	(default: 60)
#	 vm/fuzz.sh [-T TREE] -r PROGRAM	runs one, and shows what each call gave
#	 vm/fuzz.sh [-T TREE] -x PROGRAM	makes one that complains shorter
#
#   -u		unguided: all programs are new, and none is kept
#   -T TREE	a kernel with the series (default: the series as it is here)
#   -g SECONDS	how long a guest lasts (default: 300)

. "$(dirname "$0")/../scripts/lib.sh"

tree='' guest=300 unguided='' replay='' shrink=''
while getopts uT:g:r:x: o; do
	case $o in
	u) unguided=-u ;;
	T) tree=$OPTARG ;;
	g) guest=$OPTARG ;;
	r) replay=$(realpath "$OPTARG") ;;
	x) shrink=$(realpath "$OPTARG") ;;
	*) die "see the head of vm/fuzz.sh for its options" ;;
	esac
done
shift $((OPTIND - 1))
minutes=${1:-60}
[[ $minutes =~ ^[0-9]+$ && $guest =~ ^[0-9]+$ ]] || die "usage: $0 [-u] [-T TREE] [-g SECONDS] [MINUTES]"

"$TOP/scripts/deps.sh" build guest
lock "$CACHE/fuzz.lock"
scratch
dir=$CACHE/fuzz
mkdir -p "$dir/corpus" "$dir/found"
if [ -z "$tree" ]; then
	tree=$WORK_TREE
	start_and_wait "$TOP/scripts/tree.sh" --internal "$tree"
fi
kernel=$("$TOP/vm/kernel.sh" kcov "$tree")
tests=$SCRATCH/tests
cp -R "$("$TOP/vm/tests.sh" "$tree")" "$tests"
stream=$SCRATCH/stream

# in_a_guest SECONDS ARGUMENT...: daxfuzz there; fails if something was found
in_a_guest() {
	local limit=$1 rc=0
	shift
	: >"$stream"
	"$TOP/vm/qemu.sh" -k "$kernel" -s "$tests" -m 3200M -c 2 -b kmem -n fuzz -t "$limit" \
		-a "memmap=1G%4G-1+4026531839 sysctl.kernel.hung_task_timeout_secs=60" \
		-q "-chardev file,id=fuzz,path=$stream -device virtserialport,chardev=fuzz,name=fsdev.fuzz" \
		-- "/tests/fuzz $*" >"$SCRATCH/out" 2>&1 || rc=$?
	case $rc in
	0) "$TOP/vm/splat.sh" "$CACHE/logs/fuzz/console.log" >"$SCRATCH/splat" ;;
	2|125) cat "$SCRATCH/out" >&2; die "the guest cannot run daxfuzz" "see above" ;;
	*) return 1 ;;
	esac
}

# programs FROM TO: the last ones that ran, counted from the end, one after the
# other, and the device made what it was in between
programs() {
	awk -v from="$1" -v to="$2" '
	/^run [0-9]+$/ { n++; inside = 1; next }
	$1 == "end" { inside = 0 }
	inside { text[n] = text[n] $0 "\n" }
	END {
		for (i = n - from + 1; i <= n - to + 1; i++) {
			if (i < 1) continue
			printf "%s%s", shown++ ? "reset\n" : "", text[i]
		}
	}' "$dir/found/stream"
}

# first_that_complains: of $SCRATCH/try/*, in one guest; its name in FOUND
first_that_complains() {
	local files
	rm -rf -- "$tests/try"
	mv -T "$SCRATCH/try" "$tests/try"
	files=("$tests"/try/*)
	FOUND=
	in_a_guest $((300 + 60 * ${#files[@]})) -r -n 3 "${files[@]/#*\//try/}" && return 1
	FOUND=$tests/$(sed -n 's/^replay: //p' "$stream" | tail -n 1)
	[ -f "$FOUND" ]
}

# cuts FILE SIZE: $SCRATCH/try/NUMBER.SIZE for each way to leave out so many of its
# calls, and then fewer
cuts() {
	local n size=$2 at nr=0 name
	n=$(wc -l <"$1")
	while [ "$size" -ge 1 ]; do
		for ((at = 1; at <= n && n > size; at += size)); do
			printf -v name '%s/try/%04d.%d' "$SCRATCH" $nr "$size"
			sed "${at},$((at + size - 1))d" "$1" >"$name"
			nr=$((nr + 1))
		done
		size=$((size / 2))
	done
}

# shorten FILE: as long as it complains
shorten() {
	local size=$(($(wc -l <"$1") / 2))
	while [ "$size" -ge 1 ]; do
		mkdir -p "$SCRATCH/try"
		cuts "$1" "$size"
		first_that_complains || break
		cp "$FOUND" "$1"
		size=${FOUND##*.}
		say "a program of $(wc -l <"$1") calls does it"
	done
	mkdir -p "$SCRATCH/try"
	cp "$1" "$SCRATCH/try/0"
	first_that_complains || warn "in the end it did not do it again in three runs: $1"
}

# finding: what the guest has left, and a program that makes it happen
finding() {
	local name n
	name=$(date +%Y%m%d-%H%M%S)
	cp "$stream" "$dir/found/stream"
	cp -R "$CACHE/logs/fuzz" "$dir/found/$name.log"
	programs 20 1 >"$dir/found/$name.last20"
	"$TOP/vm/splat.sh" "$dir/found/$name.log/console.log" >&2 || :
	sed -n '/^found: \|^unusable: \|^stack: /,$p' "$stream" | sed -n 1,60p >&2
	say "looking for the program that does it"
	mkdir -p "$SCRATCH/try"
	for n in 1 2 4 8; do
		programs "$n" 1 >"$SCRATCH/try/$n"
	done
	if ! first_that_complains; then
		die "found something, which did not happen again" \
			"the last programs: $dir/found/$name.last20" "the log: $dir/found/$name.log"
	fi
	cp "$FOUND" "$dir/found/$name"
	shorten "$dir/found/$name"
	sed 's/^/       /' "$dir/found/$name" >&2
	die "found something, and how to make it happen: $dir/found/$name" \
		"run it: vm/fuzz.sh -r $dir/found/$name" "the log: $dir/found/$name.log"
}

if [ -n "$replay" ]; then
	cp "$replay" "$tests/corpus/program"
	rc=0
	in_a_guest 400 -r corpus/program || rc=$?
	cat "$SCRATCH/out"
	[ $rc = 0 ] || "$TOP/vm/splat.sh" "$CACHE/logs/fuzz/console.log" || :
	exit $rc
fi
if [ -n "$shrink" ]; then
	cp "$shrink" "$SCRATCH/program"
	shorten "$SCRATCH/program"
	cat "$SCRATCH/program"
	exit
fi

end=$((SECONDS + 60 * minutes))
while [ $SECONDS -lt $end ]; do
	t=$((end - SECONDS))
	[ $t -lt "$guest" ] || t=$guest
	# one that is to be without guidance begins with nothing
	[ -n "$unguided" ] || find "$dir/corpus" -type f -exec cp -t "$tests/corpus" {} +
	rm -f "$SCRATCH/out"
	start in_a_guest $((2 * t + 600)) -t "$t" -s "$RANDOM$RANDOM" ${unguided:-'corpus/*'}
	guest_pid=$!
	tail -n +1 -F --pid="$guest_pid" "$SCRATCH/out" 2>/dev/null | grep --line-buffered '^daxfuzz: ' || :
	rc=0
	wait "$guest_pid" || rc=$?
	awk -v dir="$SCRATCH/kept" '
	/^keep [0-9]+$/ { file = dir "." ++n; next }
	$1 == "end" { if (file != "") close(file); file = "" }
	file != "" { print >file }' "$stream"
	for f in "$SCRATCH"/kept.*; do
		[ ! -f "$f" ] || mv "$f" "$dir/corpus/$(sha1sum <"$f" | cut -c1-12)"
	done
	[ $rc = 0 ] || finding
done
say "$(find "$dir/corpus" -type f | wc -l) programs in $dir/corpus, nothing found"
