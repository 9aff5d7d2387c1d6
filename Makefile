# SPDX-License-Identifier: GPL-2.0
# What this repository can do; each target is a script that says more at its
# head. README.md has the variables.

export KERNEL_SRC FSDEV_CACHE FSDEV_MIRROR FSDEV_ACCEL FSDEV_BOOT_LIMIT JOBS
export XFSTESTS XFSTESTS_ARGS XFSTESTS_FS XFSTESTS_LIMIT

help:
	@echo 'make demo               famfs mode of a dax device, shown in a guest'
	@echo 'make test               all tests (SUITES="name..." for some)'
	@echo 'make test-all           those, and the ones that take long (XFSTESTS=dir: and that'
	@echo '                        build of xfstests, beside the base; XFSTESTS_ARGS="-g quick")'
	@echo 'make soak               the stress tests, for long (MINUTES=30)'
	@echo 'make fuzz               random programs, guided by what code they reach (MINUTES=60)'
	@echo 'make bench              cost of bind, lookup, I/O and faults, beside mainline'
	@echo 'make prove              what mainline fails at and the series does not (README=y writes it down)'
	@echo 'make check              checkpatch, sparse and the like; each patch compiles'
	@echo 'make coverage           lines and branches of the series that the tests execute'
	@echo 'make mutate             breaks the series in many small ways, and the tests notice (ONLY=pattern)'
	@echo 'make tree DEST=dir      a git tree of the kernel with the series on it'
	@echo 'make series DEST=dir    the series as mails, for git am'
	@echo 'make refresh TREE=dir   take the commits of such a tree back into patches/'
	@echo 'make shell              an interactive guest'
	@echo 'make update             look for a newer 7.3.x, newer guest packages and QEMU'
	@echo 'make clean              remove all that was downloaded and built'
	@echo
	@echo 'KERNEL_SRC=dir          on any of them: this kernel tree instead of fetching one'
	@echo 'FSDEV_CACHE=dir         downloads and builds go there instead of ~/.cache/fsdev'

demo:
	@vm/demo.sh

test:
	@vm/test.sh $(SUITES)

test-all: test
	@vm/test.sh -f vm/suites.more
	@vm/test.sh kunit-arm64 kunit-arm64-64k
	@$(if $(XFSTESTS),vm/xfstests.sh)

soak:
	@vm/soak.sh $(MINUTES)

fuzz:
	@vm/fuzz.sh $(MINUTES)

bench:
	@vm/bench.sh

prove:
	@vm/prove.sh $(if $(README),-r)

coverage:
	@vm/coverage.sh $(SUITES)

mutate:
	@vm/mutate.sh $(if $(ONLY),'$(ONLY)')

check:
	@scripts/check.sh

tree:
	@scripts/tree.sh "$(DEST)"

series:
	@scripts/series.sh "$(DEST)"

refresh:
	@scripts/refresh.sh "$(TREE)"

shell:
	@vm/shell.sh

update:
	@scripts/deps.sh
	@scripts/fetch.sh --update >/dev/null
	@vm/rootfs.sh --update >/dev/null
	@vm/emulator.sh --update >/dev/null

clean:
	@scripts/clean.sh

.PHONY: help demo test test-all soak fuzz bench prove coverage mutate check tree series refresh shell update clean
