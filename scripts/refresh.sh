#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The reverse of tree.sh: writes the commits that follow the base commit in a
# kernel tree back into patches/ and the new files, and removes from this
# repository what no commit brings any more.
#
# usage: scripts/refresh.sh TREE [BASE]
#
#   BASE	the base commit, where TREE was not made by tree.sh

. "$(dirname "$0")/lib.sh"

tree=${1:-}
[ -n "$tree" ] && [ -e "$tree/.git" ] ||
	die "no git tree of the kernel given" "usage: make refresh TREE=folder"
need_tool git git
git() { command git -C "$tree" "$@"; }

base=${2:-$(git config fsdev.base || true)}
if [ -z "$base" ]; then
	base=$(git rev-list --max-parents=0 HEAD | sed -n 1p)
fi
base=$(git rev-parse --verify -q "$base^{commit}") ||
	die "$tree has no commit ${2:-for the base}" "usage: $0 TREE BASE"
git merge-base --is-ancestor "$base" HEAD ||
	die "the base commit $base is not below HEAD in $tree" "check out the branch with the series"
[ -z "$(git rev-list --merges "$base..HEAD")" ] || die "there are merges in $tree" "rebase it to a line of commits"
[ -z "$(git status --porcelain --untracked-files=no)" ] ||
	die "$tree has uncommitted changes" "commit or stash them first"
for d in rebase-merge rebase-apply; do
	[ ! -e "$(git rev-parse --path-format=absolute --git-path "$d")" ] ||
		die "a rebase or am is going on in $tree" "finish it first"
done

scratch
# Debian's .gitignore ends with a section that names every file, so that
# "git add" passes by new ones.
sed '/^# Debian packaging/,$d' "$tree/.gitignore" >"$SCRATCH/gitignore"
forgotten=$(git ls-files --others --exclude-from="$SCRATCH/gitignore" | sed -n 1,5p)
[ -z "$forgotten" ] ||
	warn "files in $tree that are in no commit (add them with git add -f if they belong to one):" "$forgotten"
mkdir "$SCRATCH/patches" "$SCRATCH/files"
: >"$SCRATCH/new-files"

# The name of a patch: that of git format-patch.
file_name() {
	printf '%04d-%s' "$2" "$(git log -1 --format=%f "$1")" | cut -c1-57 | sed 's/[-.]*$/.patch/'
}

# The message without the sign-off that tree.sh adds, whoever rebased it since.
message() {
	git log -1 --format=%B "$1" | awk -v author="$(git log -1 --format='Signed-off-by: %an <%ae>' "$1")" \
		-v committer="$(git log -1 --format='Signed-off-by: %cn <%ce>' "$1")" '
	$0 == author || $0 == committer || $0 == "Signed-off-by: fsdev <fsdev@localhost>" { next }
	/^$/ { blank = n > 0; next }
	{ if (blank) print ""; blank = 0; n++; print }'
}

# is_new PATH: a commit before has brought it
is_new() {
	grep -qxF -- "$1" < <(cut -d' ' -f2- "$SCRATCH/new-files")
}

# is_rewritten COMMIT PATH: hardly a line is as it was
is_rewritten() {
	grep -q '^M[0-9]' < <(git diff-tree -r -B70%/70% --no-renames --no-commit-id --name-status "$1" -- "$2")
}

# new_file COMMIT MODE PATH: of the patch $out
new_file() {
	case $2 in
	100644|100755) ;;
	*) die "\"$title\" adds $3, which is not a regular file (mode $2)" "only regular files can be new" ;;
	esac
	case $3 in
	*[[:space:]]*|.git*|.ci/*|vm/*|patches/*|scripts/*) bad=y ;;
	*/*) bad= ;;
	*) bad=y ;;
	esac
	[ -z "$bad" ] || die "\"$title\" adds $3, which would mix with this repository's own files" \
		"leave it out, or give it another name"
	printf 'New-file: %s\n' "$3" >>"$out"
	printf '%s %s\n' "$2" "$3" >>"$SCRATCH/new-files"
}

# version_before COMMIT PATH: the ed script that makes the file of the commit
# before from the one of this commit
version_before() {
	local rc=0
	git cat-file blob "$1:$2" >"$SCRATCH/after"
	git cat-file blob "$1^:$2" >"$SCRATCH/before"
	printf 'Version-before: %s\n' "$2"
	diff --ed "$SCRATCH/after" "$SCRATCH/before" || rc=$?
	[ $rc -le 1 ] || die "\"$title\" leaves $2 without a newline at its end" "add one"
}

n=0
while read -r commit; do
	title=$(git log -1 --format=%s "$commit")
	n=$((n + 1))
	out=$SCRATCH/patches/$(file_name "$commit" "$n")
	edited=() grown=()
	message "$commit" >"$SCRATCH/message"
	if grep -qx -e --- "$SCRATCH/message"; then
		die "\"$title\": the message has a line of three dashes, where mail tools cut it off" "reword it"
	fi
	printf 'Subject: %s\n' "$title" >"$out"
	git diff-tree -r -z --no-renames --no-commit-id "$commit" >"$SCRATCH/raw"
	while IFS= read -r -d '' info; do
		IFS= read -r -d '' path
		read -r old mode _ _ status <<<"$info"
		case $status in
		A)
			new_file "$commit" "$mode" "$path"
			;;
		D)
			! is_new "$path" || die "\"$title\" removes $path, which an earlier commit adds" \
				"leave it out of both (git rebase -i)"
			printf 'Removed-file: %s\n' "$path" >>"$out"
			;;
		*)
			if is_new "$path"; then
				[ "$old" = ":$mode" ] || die "\"$title\" changes the mode of $path, which an earlier commit adds" \
					"give it that mode there (git rebase -i)"
				grown+=("$path")
			elif is_rewritten "$commit" "$path"; then
				printf 'Removed-file: %s\n' "$path" >>"$out"
				new_file "$commit" "$mode" "$path"
			else
				edited+=("$path")
			fi
			;;
		esac
	done <"$SCRATCH/raw"
	{
		echo
		sed 1,2d "$SCRATCH/message"
		echo ---
		if [ ${#edited[@]} -gt 0 ]; then
			# without blob ids, which tell nothing and differ between trees
			git --literal-pathspecs diff-tree -p --no-renames --no-commit-id \
				--unified=3 --diff-algorithm=myers --src-prefix=a/ --dst-prefix=b/ \
				"$commit" -- "${edited[@]}" | sed '/^index [0-9a-f]*\.\.[0-9a-f]*/d'
		fi
		for path in "${grown[@]}"; do version_before "$commit" "$path"; done
	} >>"$out"
done < <(git rev-list --reverse "$base..HEAD")

while read -r mode path; do
	mkdir -p "$SCRATCH/files/$(dirname "$path")"
	git cat-file blob "HEAD:$path" >"$SCRATCH/files/$path"
	if [ "$mode" = 100755 ]; then chmod 755 "$SCRATCH/files/$path"; fi
done <"$SCRATCH/new-files"

# ---- all of it is representable: now into the repository

cd "$TOP"
mkdir -p patches
old=$(for p in patches/[0-9]*.patch; do [ -f "$p" ] && sed -n '/^$/q; s/^New-file: //p' "$p"; done || true)

# put FROM TO: replaces TO if it differs
put() {
	local x=644 y=644
	if [ -x "$1" ]; then x=755; fi
	if [ -x "$2" ]; then y=755; fi
	if [ $x = $y ] && cmp -s "$1" "$2"; then
		return
	fi
	mkdir -p "$(dirname "$2")"
	cp -p "$1" "$2.new.$$"
	touch "$2.new.$$"
	mv -fT "$2.new.$$" "$2"
	echo "  $2" >&2
}

while read -r _ path; do
	put "$SCRATCH/files/$path" "$path"
done <"$SCRATCH/new-files"
for p in "$SCRATCH"/patches/*.patch; do
	[ -f "$p" ] || continue
	put "$p" "patches/${p##*/}"
done
for p in patches/[0-9]*.patch; do
	[ -f "$p" ] || continue
	if ! [ -f "$SCRATCH/$p" ]; then
		rm -f "$p"
		echo "  $p removed" >&2
	fi
done
for path in $old; do
	if ! [ -f "$SCRATCH/files/$path" ] && [ -e "$path" ]; then
		rm -f "$path"
		rmdir -p --ignore-fail-on-non-empty "$(dirname "$path")" 2>/dev/null || true
		echo "  $path removed" >&2
	fi
done
"$TOP/scripts/files.sh"
say "patches/ holds the $n commits of $tree"
