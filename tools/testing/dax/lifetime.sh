#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2317 # run_tests calls the tests
#
# The resources that drivers keep, and for how long, while they let go of a
# device.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=trace.bash
. "$DIR/trace.bash"
# shellcheck source-path=SCRIPTDIR source=pmem.bash
. "$DIR/pmem.bash"

# seen: the events of a trace, in their order, once each if they repeat
seen() { sed -n 's/^.* \([a-z]*\): (.*/\1/p' $TRACE/trace | uniq | paste -sd ' '; }

# A memory error in a page asks for the dax device as long as there are pages
pmem_keeps_its_dax_device() {
	local drv=/sys/bus/nd/drivers/nd_pmem ns

	namespace fsdax
	retry test -e "/dev/$PMEM"
	ns=$(basename "$(readlink -f "/sys/block/$PMEM/device")")
	trace_start 'putdax put_dax' 'unmap memunmap_pages'
	store "$drv/unbind" "$ns"
	is 'unmap putdax' seen
	trace_again
	store "$drv/bind" "$ns"
	store "$drv/unbind" "$ns"
	is 'unmap putdax' seen
	store "$drv/bind" "$ns"
}

run_tests pmem_keeps_its_dax_device
