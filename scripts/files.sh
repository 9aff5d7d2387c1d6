#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Writes the table of README.md that says where each file of the kernel stands:
# by itself, at its kernel path, or in which patches. Folders with many files have
# one line.
#
# usage: scripts/files.sh [--check]
#
#   --check	fails if the table is another one, and changes nothing

. "$(dirname "$0")/lib.sh"

scratch
cd "$TOP"
for p in patches/[0-9][0-9][0-9][0-9]-*.patch; do
	number=${p#patches/}
	sed -n -e 's,^New-file: ,new ,p' -e 's,^diff --git a/.* b/,changed ,p' "$p" |
		sed "s,^,${number%%-*} ,"
done | awk '
function place(file) {
	if (match(file, /^(Documentation|drivers\/dax\/tests|tools\/testing\/(dax|nvdimm))\//))
		return substr(file, 1, RLENGTH)
	return file
}
{ where = place($3); if (!(where in seen)) { seen[where]; order[++n] = where } }
$2 == "new" { whole[where] }
$2 == "changed" && last[where] != $1 {
	last[where] = $1
	patches[where] = patches[where] (patches[where] == "" ? "patches " : ", ") $1
}
END {
	for (i = 1; i <= n; i++) {
		w = order[i]
		line = w in whole ? "[`" w "`](" w ")" : ""
		if (patches[w] != "") line = line (line == "" ? "" : "; ") patches[w]
		print "| " w " | " line " |"
	}
}' | LC_ALL=C sort >"$SCRATCH/rows"
[ -s "$SCRATCH/rows" ] || die "there are no patches in patches/"
grep -q '^| file of the kernel ' README.md || die "README.md has no table \"| file of the kernel | where it stands |\""
awk -v rows="$SCRATCH/rows" '
/^\| file of the kernel / {
	print; print "| --- | --- |"
	while ((getline line <rows) > 0) print line
	inside = 1
	next
}
inside && /^\|/ { next }
{ inside = 0; print }' README.md >"$SCRATCH/README.md"
if [ "${1:-}" = --check ]; then
	diff README.md "$SCRATCH/README.md" >&2 ||
		die "the table of files in README.md is not that of patches/" "run scripts/files.sh"
else
	cat "$SCRATCH/README.md" >README.md
fi
