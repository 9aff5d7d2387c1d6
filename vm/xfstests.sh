#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs somebody's own build of xfstests in a guest with the base kernel and in
# one with the series, on xfs and ext4 with dax, and prints what came of it side
# by side, and the tests that differ. The last line is "N passed, N failed" for
# the series, where a test that fails on the base as well has not failed.
#
# usage: XFSTESTS=dir vm/xfstests.sh
#
# From the environment:
#
#   XFSTESTS		a folder where xfstests is built, with "check" in it. Its
#			programs must run with the C library of Debian forky.
#   XFSTESTS_ARGS	for "check" (default: -g quick)
#   XFSTESTS_FS		the filesystems (default: xfs ext4)
#   XFSTESTS_LIMIT	seconds for a guest (default: 14400); the tests it did not
#			come to are not counted, and it is said that it did not end

. "$(dirname "$0")/../scripts/lib.sh"

dir=${XFSTESTS:-}
[ -n "$dir" ] || die "XFSTESTS is not set" "usage: XFSTESTS=dir $0"
dir=$(realpath -e "$dir" 2>/dev/null) || die "XFSTESTS=$XFSTESTS: there is no such folder"
[ -x "$dir/check" ] || die "XFSTESTS=$dir: it has no program called check" \
	"name the folder in which xfstests was built"
args=${XFSTESTS_ARGS:--g quick}
read -ra filesystems <<<"${XFSTESTS_FS:-xfs ext4}"
limit=${XFSTESTS_LIMIT:-14400}
[[ $limit =~ ^[0-9]+$ ]] || die "XFSTESTS_LIMIT=$limit is not a number of seconds"
for fs in "${filesystems[@]}"; do
	case $fs in
	xfs|ext4) ;;
	*) die "XFSTESTS_FS: $fs is neither xfs nor ext4" ;;
	esac
done

# Packages that xfstests wants beside those of the guest; unpacked into it
packages=(bc gawk libmpfr6 libgmp10 libsigsegv2 libreadline8t64 libtinfo6
	acl libacl1 attr libattr1 quota uuid-runtime hostname psmisc)

"$TOP/scripts/deps.sh"
lock "$CACHE/xfstests.lock"
need_tool mksquashfs squashfs-tools
scratch
start_and_wait "$TOP/scripts/tree.sh" --internal "$WORK_TREE"
start_and_wait "$TOP/scripts/tree.sh" --internal "$BASE_TREE" 0
start_and_wait "$TOP/vm/rootfs.sh" >/dev/null
series=$("$TOP/vm/kernel.sh" lean "$WORK_TREE")
base=$(TEST_MODULES=$WORK_TREE/tools/testing/dax/modules TEST_HEADER=$TOP/vm/mainline-compat.h \
	"$TOP/vm/kernel.sh" lean "$BASE_TREE")

# ---- the disk: xfstests, and programs of Debian

need_disk "$SCRATCH" 1000 "the disk with xfstests"
mkdir -p "$SCRATCH/disk/root" "$SCRATCH/debs" "$SCRATCH/run"
(
	cd "$SCRATCH/debs"
	for p in "${packages[@]}"; do
		# names of libraries change with time: what is missing xfstests says
		"$TOP/scripts/apt.sh" get -qq download "$p" >/dev/null 2>&1 || warn "no package $p"
	done
	for deb in *.deb; do
		[ ! -f "$deb" ] || dpkg-deb -x "$deb" "$SCRATCH/disk/root"
	done
)
rm -rf "$SCRATCH/disk/root/usr/share/doc" "$SCRATCH/disk/root/usr/share/man"
mksquashfs "$dir" "$SCRATCH/disk/root" "$SCRATCH/xfstests.sqfs" -comp zstd -Xcompression-level 3 -all-root \
	-keep-as-directory -quiet -no-progress >/dev/null || die "cannot pack $dir"
disk=${dir##*/}

# ---- what the guest does: one section of the configuration for a filesystem

cat >"$SCRATCH/run/xfstests" <<'END'
#!/bin/bash
# usage: xfstests FOLDER "FILESYSTEMS" ARGUMENT...: of the disk /dev/vdd
folder=$1 filesystems=$2
shift 2
modprobe -a nd_e820 nd_pmem xfs ext4 loop dm-mod 2>/dev/null
udevadm settle
[ -b /dev/pmem0 ] && [ -b /dev/pmem1 ] || { echo "xfstests: no pmem"; exit 3; }
mkdir -p /mnt/disk /mnt/test /mnt/scratch /tmp/over/upper /tmp/over/work /xfstests
mount -t squashfs -o ro /dev/vdd /mnt/disk || exit 3
cp -an /mnt/disk/root/. / 2>/dev/null
ldconfig
mount -t overlay -o "lowerdir=/mnt/disk/$folder,upperdir=/tmp/over/upper,workdir=/tmp/over/work" \
	none /xfstests || exit 3
for user in fsgqa fsgqa2 123456-fsgqa; do
	id=$((1000 + $(wc -l </etc/passwd)))
	grep -q "^$user:" /etc/passwd || echo "$user:x:$id:$id::/tmp:/bin/bash" >>/etc/passwd
	grep -q "^$user:" /etc/group || echo "$user:x:$id:" >>/etc/group
done
cd /xfstests || exit 3
# shellcheck disable=SC2016
cat >local.config <<-CONFIG
	export TEST_DEV=/dev/pmem0
	export TEST_DIR=/mnt/test
	export SCRATCH_DEV=/dev/pmem1
	export SCRATCH_MNT=/mnt/scratch
	export MOUNT_OPTIONS="-o dax=always"
	export TEST_FS_MOUNT_OPTS="-o dax=always"
CONFIG
rc=0
for fs in $filesystems; do
	export FSTYP=$fs
	case $fs in
	xfs) export MKFS_OPTIONS="-f -m reflink=1,rmapbt=1" ;;
	ext4) export MKFS_OPTIONS="-F -b 4096" ;;
	esac
	# shellcheck disable=SC2086
	mkfs.$fs -q $MKFS_OPTIONS /dev/pmem0 >/dev/null || exit 3
	mount -t $fs -o dax=always /dev/pmem0 /mnt/test || exit 3
	echo "# xfstests on $fs"
	./check "$@" 2>&1 || rc=1
	echo "# xfstests on $fs ended"
	umount /mnt/test /mnt/scratch 2>/dev/null
done
exit $rc
END

# run NAME KERNEL
run() {
	local rc=0
	say "xfstests on the $1 kernel: ${filesystems[*]}, check $args"
	"$TOP/vm/qemu.sh" -k "$2" -s "$SCRATCH/run" -n "xfstests-$1" -m 7G -t "$limit" \
		-a "memmap=1G!6G memmap=1G!8G" \
		-q "-drive if=none,id=xfstests,file=$SCRATCH/xfstests.sqfs,format=raw,readonly=on -device virtio-blk-pci,drive=xfstests" \
		-- "bash /tests/xfstests '$disk' '${filesystems[*]}' $args" </dev/null 2>&1 |
		tr -d '\r' | tee "$CACHE/logs/xfstests-$1.out" | sed -u "s/^/[$1] /" || rc=$?
	case ${PIPESTATUS[0]}.$rc in
	*.0|*.1) ;;
	*) warn "the guest of the $1 kernel did not end as it should: $CACHE/logs/xfstests-$1" ;;
	esac
	results <"$CACHE/logs/xfstests-$1.out" >"$SCRATCH/$1"
}

# results: of the output of check: FILESYSTEM, TEST, pass|fail|notrun. What it
# counts as failed at the end may have looked good before.
results() {
	awk '
	function end_of_one() { if (test != "") result[fs "\t" test] = state; test = "" }
	/^# xfstests on [a-z0-9]+ ended/ { end_of_one(); next }
	/^# xfstests on / { end_of_one(); fs = $4; next }
	/^[a-z0-9]+\/[0-9]+([ \t]|$)/ {
		end_of_one()
		test = $1
		state = "pass"
		if (/\[not run\]/) state = "notrun"
		else if (/\[expunged\]/) state = "notrun"
		else if (/\[failed|output mismatch|[a-z_]+: .*(inconsistent|dmesg)/) state = "fail"
		else if (!/[0-9]s[ \t]*$/) state = "fail"	# it never came back
		next
	}
	test != "" && /\[not run\]/ { state = "notrun" }
	test != "" && /\[failed|output mismatch|inconsistent|_check_dmesg/ { state = "fail" }
	/^Failures: / { end_of_one(); for (i = 2; i <= NF; i++) result[fs "\t" $i] = "fail" }
	/^(Ran|Not run|Failed|Passed)[: ]/ { end_of_one() }
	END { end_of_one(); for (r in result) print r "\t" result[r] }' | sort
}

mkdir -p "$CACHE/logs"
run base "$base"
run series "$series"

# ---- side by side

echo '| filesystem | kernel | passed | failed | not run |'
echo '| --- | --- | --- | --- | --- |'
for fs in "${filesystems[@]}"; do
	for which in base series; do
		awk -F '\t' -v fs="$fs" -v kernel="$which" '
		$1 == fs { n[$3]++ }
		END { printf "| %s | %s | %d | %d | %d |\n", fs, kernel, n["pass"], n["fail"], n["notrun"] }' \
			"$SCRATCH/$which"
	done
done
awk -F '\t' '
FILENAME ~ /base$/ { base[$1 "\t" $2] = $3; next }
{ series[$1 "\t" $2] = $3 }
function put(t,    a) {
	split(t, a, "\t")
	printf "differs: %s on %s: base %s, series %s\n", a[2], a[1],
		t in base ? base[t] : "-", t in series ? series[t] : "-"
}
END {
	for (t in base) if (base[t] != (t in series ? series[t] : "")) put(t)
	for (t in series) if (!(t in base)) put(t)
}' "$SCRATCH/base" "$SCRATCH/series" | sort
read -r passed failed < <(awk -F '\t' '
FILENAME ~ /base$/ { base[$1 "\t" $2] = $3; next }
$3 == "pass" { passed++ }
$3 == "fail" && base[$1 "\t" $2] != "fail" { failed++ }
{ delete base[$1 "\t" $2] }
END {
	# what the base came to, and the series did not
	for (t in base) if (base[t] == "pass") failed++
	print passed + 0, failed + 0
}' "$SCRATCH/base" "$SCRATCH/series")
[ -s "$SCRATCH/series" ] || die "check ran no test" "see $CACHE/logs/xfstests-series.out"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
