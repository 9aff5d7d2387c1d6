#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Writes the series as mails for git am on the pristine base: a folder for each
# tree that patches go through, in the order in which they apply, each with a
# cover letter. patches/groups says where a group begins; covers/ has the letters,
# whose first line is the subject; cover-letter.txt is about all of them.
#
# usage: scripts/series.sh DEST
#	 scripts/series.sh --check	only proves that git am of the mails on the
#					base gives the tree of "make tree"

. "$(dirname "$0")/lib.sh"

dest=${1:-}
[ -n "$dest" ] || die "no destination" "usage: make series DEST=folder"
scratch

if [ "$dest" != --check ] && [ -d "$dest" ]; then
	for f in "$dest"/* "$dest"/.[!.]*; do
		case ${f##*/} in
		[0-9][0-9]-*|0000-cover-letter.txt|'*'|'.[!.]*') ;;
		*) die "$dest has other files than mails of an earlier run: ${f##*/}" "choose another folder" ;;
		esac
	done
fi
if [ "$dest" = --check ] && ! git config user.email >/dev/null; then
	export GIT_AUTHOR_NAME=fsdev GIT_AUTHOR_EMAIL=fsdev@localhost
	export GIT_COMMITTER_NAME=fsdev GIT_COMMITTER_EMAIL=fsdev@localhost
fi

repo=$SCRATCH/repo.git
"$TOP/scripts/tree.sh" --bare "$repo"
base=$(git -C "$repo" config fsdev.base)
count=$(git -C "$repo" rev-list --count "$base..fsdev")
[ "$count" -gt 0 ] || die "there are no patches in patches/"

mkdir "$SCRATCH/mails"

# ---- the groups: names, and the commit before the first of each

names=() starts=()
git -C "$repo" log --reverse --format='%P%x09%s' "$base..fsdev" >"$SCRATCH/titles"
while IFS=$'\t' read -r name title; do
	case $name in '#'*|'') continue ;; esac
	start=$(awk -F'\t' -v title="$title" '$2 == title { print $1; exit }' "$SCRATCH/titles")
	[ -n "$start" ] || die "patches/groups: no patch is called \"$title\"" "correct the title there"
	names+=("$name") starts+=("$start")
done <"$TOP/patches/groups"
[ "${starts[0]:-}" = "$base" ] || die "patches/groups: the first group does not begin with the first patch"
starts+=("$(git -C "$repo" rev-parse fsdev)")

# write_group NUMBER: format-patch takes the cover letter's text from the branch
# description, and names what the group needs: the base, and the patches before
write_group() {
	local i=$1 name=${names[$1]} out cover
	out=$SCRATCH/mails/$(printf '%02d' $((i + 1)))-$name
	cover=$TOP/patches/covers/$name.txt
	[ -f "$cover" ] || die "the group $name has no cover letter" "write patches/covers/$name.txt"
	git -C "$repo" merge-base --is-ancestor "${starts[i]}" "${starts[i + 1]}" ||
		die "patches/groups: $name is not in the order of the patches"
	git -C "$repo" update-ref "refs/heads/$name" "${starts[i + 1]}"
	git -C "$repo" config "branch.$name.description" "$(head -n 1 "$cover"; echo; tail -n +2 "$cover" | sed '/./,$!d')"
	git -C "$repo" -c format.signature= -c format.thread=false -c diff.noprefix=false -c diff.mnemonicPrefix=false \
		format-patch -q --no-renames --base="$base" --subject-prefix=PATCH --cover-letter \
		--cover-from-description=subject -o "$out" "${starts[i]}..$name"
	# git am would stop at a cover letter among the patches
	mv "$out/0000-cover-letter.patch" "$out/0000-cover-letter.txt"
}

for i in "${!names[@]}"; do write_group "$i"; done
if [ -f "$TOP/patches/cover-letter.txt" ]; then
	cp "$TOP/patches/cover-letter.txt" "$SCRATCH/mails/0000-cover-letter.txt"
fi

if [ "$dest" = --check ]; then
	# Only the files concerned are checked out: the rest cannot change.
	git init -q "$SCRATCH/am"
	cd "$SCRATCH/am"
	cp "$repo/objects/info/alternates" .git/objects/info/alternates
	git config core.sparseCheckout true
	git -C "$repo" diff-tree -r --name-only --no-renames "$base" fsdev | sed 's,^,/,' >.git/info/sparse-checkout
	echo /.gitattributes >>.git/info/sparse-checkout
	git update-ref HEAD "$base"
	git read-tree -mu HEAD
	git -c advice.updateSparsePath=false am -q "$SCRATCH"/mails/*/*.patch >"$SCRATCH/log" 2>&1 || {
		cat "$SCRATCH/log" >&2
		die "git am refused the series on the pristine base"
	}
	[ "$(git rev-parse 'HEAD^{tree}')" = "$(git -C "$repo" rev-parse 'fsdev^{tree}')" ] ||
		die "git am gave another tree than make tree"
	say "git am of $count mails on the base gives the tree of make tree"
	exit 0
fi

mkdir -p "$dest"
rm -rf "$dest"/[0-9][0-9]-* "$dest/0000-cover-letter.txt"
mv "$SCRATCH/mails"/* "$dest/"
say "$count mails in ${#names[@]} folders of $dest; on the pristine base: git am $dest/*/*.patch"
