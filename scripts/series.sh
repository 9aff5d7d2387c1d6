#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Writes the series as mails: one per patch, for git am on the pristine base,
# and the cover letter (patches/cover-letter.txt: its first line is the subject).
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
		[0-9][0-9][0-9][0-9]-*.patch|0000-cover-letter.txt|'*'|'.[!.]*') ;;
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

# format-patch takes the cover letter's text from the branch description
args=(--no-cover-letter)
cover=$TOP/patches/cover-letter.txt
if [ -f "$cover" ]; then
	{ head -n 1 "$cover"; echo; tail -n +2 "$cover" | sed '/./,$!d'; } >"$SCRATCH/cover"
	git -C "$repo" config branch.fsdev.description "$(cat "$SCRATCH/cover")"
	args=(--cover-letter --cover-from-description=subject)
fi
mkdir "$SCRATCH/mails"
git -C "$repo" -c format.signature= -c format.thread=false -c diff.noprefix=false -c diff.mnemonicPrefix=false \
	format-patch -q --no-renames --no-base --subject-prefix=PATCH "${args[@]}" \
	-o "$SCRATCH/mails" "$base..fsdev"
# git am would stop at a cover letter among the patches
if [ -f "$SCRATCH/mails/0000-cover-letter.patch" ]; then
	mv "$SCRATCH/mails/0000-cover-letter.patch" "$SCRATCH/mails/0000-cover-letter.txt"
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
	git -c advice.updateSparsePath=false am -q "$SCRATCH"/mails/*.patch >"$SCRATCH/log" 2>&1 || {
		cat "$SCRATCH/log" >&2
		die "git am refused the series on the pristine base"
	}
	[ "$(git rev-parse 'HEAD^{tree}')" = "$(git -C "$repo" rev-parse 'fsdev^{tree}')" ] ||
		die "git am gave another tree than make tree"
	say "git am of $count mails on the base gives the tree of make tree"
	exit 0
fi

mkdir -p "$dest"
rm -f "$dest"/[0-9][0-9][0-9][0-9]-*.patch "$dest/0000-cover-letter.txt"
mv "$SCRATCH/mails"/* "$dest/"
say "$count mails in $dest; on the pristine base: git am $dest/*.patch"
