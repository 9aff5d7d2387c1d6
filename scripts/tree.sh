#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Makes a git repository of the kernel with the series on it: one commit of the
# pristine base, then one per file in patches/. README.md has the format of
# these files.
#
# A file that the series brings stands in this repository as the last patch
# leaves it. Its earlier versions are made from that one, by the ed(1) scripts
# of the patches that change it, the last one first.
#
# usage: scripts/tree.sh [--internal|--bare] DEST [COUNT]
#
#   DEST	is made, or brought up to date if an earlier run made it and nothing
#		was changed in it since. Files that do not change keep their time stamp.
#   COUNT	that many patches only; 0 is the base alone
#   --bare	DEST is a bare repository, for scripts/series.sh
#   --internal	a tree for our own builds: objects stay in the cache, changes in the
#		tree are thrown away, and the author is a neutral one
#
# The same base, patches and author give the same commit ids.

. "$(dirname "$0")/lib.sh"

internal='' bare=''
case ${1:-} in
--internal) internal=y; shift ;;
--bare) bare=y; shift ;;
-*) die "no option is called $1" "usage: make tree DEST=folder" ;;
esac
dest=${1:-}
[ -n "$dest" ] || die "no destination" "usage: make tree DEST=folder"
count=${2:-all}
[[ $count =~ ^(all|[0-9]+)$ ]] || die "$count is not a number of patches"

[ -n "$internal" ] || "$TOP/scripts/deps.sh" build
need_tool git git
need_tool ed ed

if [ -n "$internal" ]; then
	name=fsdev email=fsdev@localhost
else
	name=${GIT_AUTHOR_NAME:-$(git config user.name || true)}
	email=${GIT_AUTHOR_EMAIL:-$(git config user.email || true)}
	[ -n "$name" ] && [ -n "$email" ] ||
		die "git does not know who you are; the commits need an author and a sign-off" \
			'run: git config --global user.name "Your Name"' \
			"     git config --global user.email you@example.org"
fi

src=$("$TOP/scripts/fetch.sh")
version=$(kernel_version "$src")

series=()
for p in "$TOP"/patches/[0-9][0-9][0-9][0-9]-*.patch; do
	[ ! -f "$p" ] || series+=("$p")
done
if [ "$count" = all ]; then count=${#series[@]}; fi
patches=("${series[@]:0:count}")

scratch

# ---- the base commit, in a bare repository in the cache

base_git=$CACHE/base.git

# add_base DIR INDEX: adds the files of a folder to the base repository, by way
# of an index that makes the next time quick; prints the tree's id
add_base() {
	local force=-f
	# a tree that was built in place: leave out what its .gitignore names
	if [ -e "$1/.config" ] || [ -e "$1/include/config" ]; then
		force=
		! grep -qsx '/\*' "$1/.gitignore" ||
			die "a kernel was built in $1, and its .gitignore names all files" \
				"run: make -C $1 mrproper"
	fi
	# The low threshold makes git write one pack instead of 100,000 files.
	GIT_DIR=$base_git GIT_WORK_TREE=$1 GIT_INDEX_FILE=$2 \
		git -C "$1" -c core.bigFileThreshold=1 -c core.compression=1 -c core.autocrlf=false \
		-c core.fsmonitor=false -c advice.addEmbeddedRepo=false add -A $force . &&
	GIT_DIR=$base_git GIT_INDEX_FILE=$2 git write-tree
}

no_base() {
	die "cannot make the base commit of $src" "see git's message above; a full disk is the usual reason"
}

make_base() {
	local tree date id origin

	lock "$CACHE/base.lock"
	if ! [ -d "$base_git" ]; then
		git init -q --bare "$SCRATCH/base.git"
		mkdir -p "$SCRATCH/base.git/indexes"
		git -C "$SCRATCH/base.git" config gc.auto 0
		mv -T "$SCRATCH/base.git" "$base_git"
	fi
	# what a run that was killed left
	rm -f "$base_git"/*.lock "$base_git"/indexes/*.lock "$base_git"/refs/heads/*.lock \
		"$base_git"/objects/pack/tmp_*
	date=$(stat -c %Y "$src/Makefile")
	if [ -z "${KERNEL_SRC:-}" ]; then
		id=$(cat "$base_git/indexes/${src##*/}.id" 2>/dev/null || true)
		if [ -n "$id" ] && git -C "$base_git" cat-file -e "$id" 2>/dev/null; then
			base=$id
			return
		fi
		need_disk "$CACHE" 3000 "the base tree"
		say "making the base commit of Linux $version (a minute, once)"
		tree=$(add_base "$src" "$SCRATCH/index") || no_base
	elif [ "$(git -c safe.directory='*' -C "$src" rev-parse --show-toplevel 2>/dev/null)" = "$src" ]; then
		tree=$(git -c safe.directory='*' -C "$src" rev-parse --verify -q 'HEAD^{tree}') ||
			die "KERNEL_SRC=$src has no commit checked out" "check out the version to build on"
		date=$(git -c safe.directory='*' -C "$src" log -1 --format=%ct)
		git -c safe.directory='*' -C "$src" diff-index --quiet HEAD 2>/dev/null ||
			warn "KERNEL_SRC has uncommitted changes, which are left out"
		if ! git -C "$base_git" cat-file -e "$tree" 2>/dev/null; then
			need_disk "$CACHE" 3000 "the base tree"
			say "making the base commit of $src"
			echo "$tree" |
				git -c safe.directory='*' -c pack.window=0 -C "$src" pack-objects -q --revs --stdout |
				git -C "$base_git" index-pack --stdin >/dev/null ||
				die "cannot read the commit checked out in $src" "run: git -C $src fsck"
		fi
	else
		need_disk "$CACHE" 3000 "the base tree"
		say "making the base commit of $src"
		id=$(printf %s "$src" | sha1sum | cut -c1-16)
		tree=$(add_base "$src" "$base_git/indexes/$id") || no_base
	fi
	origin=" (Debian linux-source)"
	if [ -n "${KERNEL_SRC:-}" ]; then origin=; fi
	base=$(echo "Linux $version$origin" |
		commit "$date" fsdev fsdev@localhost "$base_git" "$tree")
	git -C "$base_git" update-ref "refs/heads/base-$base" "$base"
	if [ -z "${KERNEL_SRC:-}" ]; then
		echo "$base" >"$SCRATCH/id"
		mv "$SCRATCH/id" "$base_git/indexes/${src##*/}.id"
	fi
}

# commit DATE NAME EMAIL REPO TREE [-p PARENT]: message on stdin, prints the id
commit() {
	local date="@$1 +0000" name=$2 email=$3 repo=$4
	shift 4
	GIT_AUTHOR_NAME=$name GIT_AUTHOR_EMAIL=$email GIT_AUTHOR_DATE=$date \
	GIT_COMMITTER_NAME=$name GIT_COMMITTER_EMAIL=$email GIT_COMMITTER_DATE=$date \
		git -C "$repo" -c i18n.commitEncoding=UTF-8 -c commit.gpgSign=false commit-tree "$@"
}

# ---- the patches

# split PATCH: its parts into the scratch folder. grown has the names of the
# files with an ed script, and ed-1, ed-2... are these scripts.
split() {
	rm -f "$SCRATCH/message" "$SCRATCH/diff" "$SCRATCH"/ed-*
	: >"$SCRATCH/new"
	: >"$SCRATCH/removed"
	: >"$SCRATCH/grown"
	awk -v out="$SCRATCH" '
	part == 0 && /^Subject: /      { print substr($0, 10) > (out "/message"); subject = 1; next }
	part == 0 && /^New-file: /     { print substr($0, 11) > (out "/new"); next }
	part == 0 && /^Removed-file: / { print substr($0, 15) > (out "/removed"); next }
	part == 0 && /^$/              { part = 1; next }
	part == 0                      { bad = $0; exit }
	part == 1 && /^---$/           { part = 2; next }
	part == 1                      { if (!body++) print "" > (out "/message")
					 print > (out "/message"); next }
	!text && /^Version-before: /   { print substr($0, 17) > (out "/grown"); part = 3; ed++; next }
	part == 3                      { print > (out "/ed-" ed)
					 if (text) text = $0 != "."
					 else text = /^[0-9,]*[ac]$/
					 next }
	                               { print > (out "/diff") }
	END {
		if (bad != "") print "line \"" bad "\" before the first empty line is none of Subject:, New-file:, Removed-file:"
		else if (!subject) print "it has no Subject: line"
		else if (part < 2) print "it has no line of three dashes after the message"
	}' "$1" >"$SCRATCH/error"
	if [ -s "$SCRATCH/error" ]; then
		die "$1: $(cat "$SCRATCH/error")" "see README.md for the format of the files in patches/"
	fi
}

# make_versions: each version of the files that the series brings, as
# versions/NAME-OF-THE-PATCH/PATH in the scratch folder
make_versions() {
	local i p file now n versions=$SCRATCH/versions

	for ((i = ${#series[@]} - 1; i >= 0; i--)); do
		p=${series[i]}
		split "$p"
		n=0
		while IFS= read -r file; do
			now=$SCRATCH/now/$file
			if ! [ -f "$now" ]; then
				[ -f "$TOP/$file" ] || die "${p#"$TOP"/} changes the new file $file, which is not there" \
					"restore it, or make refresh TREE=... from a tree that has it"
				install -D "$TOP/$file" "$now"
			fi
			install -D "$now" "$versions/${p##*/}/$file"
			n=$((n + 1))
			{ cat "$SCRATCH/ed-$n"; printf 'w\nq\n'; } | ed -s "$now" >"$SCRATCH/error" 2>&1 ||
				die "${p#"$TOP"/}: its ed script for $file does not fit the file here" \
					"edit such files in a tree (make tree), and make refresh TREE=... from there"
		done <"$SCRATCH/grown"
		while IFS= read -r file; do
			now=$SCRATCH/now/$file
			[ -f "$now" ] || now=$TOP/$file
			[ -f "$now" ] || die "${p#"$TOP"/} brings the new file $file, which is not there" \
				"restore it, or make refresh TREE=... from a tree that has it"
			install -D "$now" "$versions/${p##*/}/$file"
		done <"$SCRATCH/new"
	done
}

# fail PATCH REASON...
fail() {
	local p=${1#"$TOP"/}
	shift
	sed 's/^error: /  /' "$SCRATCH/error" >&2
	die "$p does not fit Linux $version: $1" \
		"The series is made for Linux 7.3 (linux-source-7.3)." \
		"${KERNEL_SRC:+Leave KERNEL_SRC out to use that, or }port the patch:" \
		"make tree with the patches before this one (scripts/tree.sh DEST $((n - 1)))," \
		"commit what it should do there, then: make refresh TREE=DEST"
}

# apply PATCH: into the index; sets head to the new commit
apply() {
	local p=$1 file mode blob tree

	split "$p"
	: >"$SCRATCH/error"
	while IFS= read -r file; do
		git cat-file -e ":$file" 2>/dev/null || fail "$p" "it removes $file, which is not there"
		git update-index --force-remove -- "$file"
	done <"$SCRATCH/removed"
	if [ -s "$SCRATCH/diff" ]; then
		git apply --cached --whitespace=nowarn "$SCRATCH/diff" 2>"$SCRATCH/error" ||
			fail "$p" "see the lines above for where"
	fi
	while IFS= read -r file; do
		! git cat-file -e ":$file" 2>/dev/null ||
			fail "$p" "it brings $file, and the tree already has one"
	done <"$SCRATCH/new"
	cat "$SCRATCH/new" "$SCRATCH/grown" | while IFS= read -r file; do
		mode=100644
		if [ -x "$TOP/$file" ]; then mode=100755; fi
		blob=$(git hash-object -w --no-filters -- "$SCRATCH/versions/${p##*/}/$file")
		git update-index --add --cacheinfo "$mode,$blob,$file"
	done
	git interpret-trailers --no-divider --trailer "Signed-off-by: $name <$email>" \
		<"$SCRATCH/message" >"$SCRATCH/signed"
	tree=$(git write-tree)
	head=$(commit $((date += 60)) "$name" "$email" "$dest_git" "$tree" -p "$head" <"$SCRATCH/signed")
}

make_base

# ---- the destination: a new repository beside it, or the one of an earlier run

mkdir -p "$(dirname "$dest")"
if [ -n "$internal" ]; then
	lock "$dest.lock"
	# what a run that was killed left
	rm -rf "$dest".tmp.* "$dest"/.git/*.lock "$dest"/.git/refs/heads/*.lock
fi
new=
if [ -n "$bare" ]; then
	[ -d "$dest" ] || git init -q --bare -b fsdev "$dest"
	work=$dest
elif [ -e "$dest" ] && ! { [ -d "$dest" ] && [ -z "$(ls -A "$dest")" ]; }; then
	[ -d "$dest/.git" ] && last=$(git -C "$dest" config fsdev.head) ||
		die "$dest exists and is not a tree that this command made" "choose another folder"
	dest=$(cd "$dest" && pwd -P)
	work=$dest
	if [ -z "$internal" ]; then
		[ "$(git -C "$dest" rev-parse HEAD)" = "$last" ] ||
			die "$dest has commits of its own" \
				"take them into the series with: make refresh TREE=$dest" \
				"or choose another folder"
		[ -z "$(git -C "$dest" status --porcelain)" ] ||
			die "$dest has uncommitted changes" "commit or remove them, or choose another folder"
	fi
else
	new=y
	need_disk "$(dirname "$dest")" 3000 "a kernel tree"
	dest=$(cd "$(dirname "$dest")" && pwd -P)/$(basename "$dest")
	work=$dest.tmp.$$
	trap 'rm -rf -- "$SCRATCH" "$work"' EXIT
	git init -q -b fsdev "$work"
	git -C "$work" config gc.auto 0
fi
dest_git=$work
[ -n "$bare" ] || dest_git=$work/.git

if ! git -C "$work" cat-file -e "$base" 2>/dev/null; then
	if [ -n "$internal$bare" ]; then
		echo "$base_git/objects" >"$dest_git/objects/info/alternates"
	else
		say "copying the base commit"
		git -C "$work" fetch -q "$base_git" "refs/heads/base-$base"
	fi
fi

# Nothing to do if the last run made just this. (Not worth it for a bare one.)
input=$({
	echo "$base $name $email ${#patches[@]}"
	for p in "${series[@]}"; do
		echo "$p"
		cat "$p"
		sed -n '/^$/q; s/^New-file: //p' "$p" | while IFS= read -r file; do
			stat -c %A "$TOP/$file" 2>/dev/null
			cat "$TOP/$file" 2>/dev/null || echo missing
		done
	done
} | sha256sum | cut -d' ' -f1)
if [ -z "$new$bare" ] && [ "$(git -C "$work" config fsdev.input)" = "$input" ] &&
   [ "$(git -C "$work" rev-parse HEAD)" = "$(git -C "$work" config fsdev.head)" ] &&
   git -C "$work" update-index -q --refresh >/dev/null && git -C "$work" diff-index --quiet HEAD; then
	say "$dest: Linux $version and ${#patches[@]} patches, as before"
	exit 0
fi

# All in an index of its own: the working tree is not looked at.
export GIT_DIR=$dest_git GIT_INDEX_FILE=$SCRATCH/index GIT_WORK_TREE=$SCRATCH/nothing
mkdir "$GIT_WORK_TREE"
rm -f "$GIT_INDEX_FILE"
head=$base
date=$(git log -1 --format=%ct "$base")
if [ ${#patches[@]} -gt 0 ]; then
	say "applying ${#patches[@]} patches to Linux $version"
	git read-tree "$base"
	make_versions
	n=0
	for p in "${patches[@]}"; do
		n=$((n + 1))
		apply "$p"
	done
else
	n=0
	say "Linux $version without patches"
fi
unset GIT_INDEX_FILE GIT_DIR GIT_WORK_TREE

if [ -n "$bare" ]; then
	git -C "$dest" update-ref refs/heads/fsdev "$head"
	git -C "$dest" config fsdev.base "$base"
	exit 0
fi

# ---- the working tree, only now that all of it fits

cd "$work"
if [ -n "$new" ]; then say "checking out"; fi
git config fsdev.base "$base"
if [ -n "$new" ] || [ -n "$internal" ]; then
	git -c advice.detachedHead=false checkout -q -f -B fsdev "$head" ||
		die "cannot check out $work" "see git's message above; a full disk is the usual reason"
	[ -n "$new" ] || git clean -qfdx
else
	git reset -q --keep "$head"
fi
git config fsdev.head "$head"
git config fsdev.input "$input"
cd /
if [ -n "$new" ]; then
	if [ -d "$dest" ]; then rmdir "$dest"; fi
	mv -T "$work" "$dest"
fi
say "$dest: Linux $version and $n patches, $(git -C "$dest" log -1 --format=%h)"
if [ -n "$new" ] && [ -z "$internal" ] && grep -qx '/\*' "$dest/.gitignore" 2>/dev/null; then
	say "Debian's .gitignore names every file: new ones there need git add -f"
fi
