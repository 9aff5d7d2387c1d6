// SPDX-License-Identifier: GPL-2.0
/*
 * daxtest - does for the dax test scripts what a shell cannot
 *
 * Without arguments it lists its commands. Sizes and offsets take the
 * suffixes K, M, G and T; numbers may be hexadecimal. Unless its command says
 * otherwise, it exits with 0 if what was asked for could be done and 1 if not.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "daxtest_tool.h"

/* The list of commands */

struct command {
	const char *name;
	int min, max;	/* arguments */
	int (*fn)(int argc, char **argv);
	const char *help;
};

static const struct command probe_commands[] = {
	{ "lookup",  1, 1, probe_lookup,  "DEVICE" },
	{ "get",     2, 3, probe_get,
	  "SLOT DEVICE [nullholder|nulldev]" },
	{ "put",     1, 1, probe_put,     "SLOT|all" },
	{ "stat",    1, 1, probe_stat,    "SLOT" },
	{ "access",  3, 4, probe_access,  "DEVICE PGOFF NR [recovery]" },
	{ "bench",   4, 4, probe_bench,   "DEVICE PGOFF NR COUNT" },
	{ "zero",    3, 3, probe_zero,    "DEVICE PGOFF NR" },
	{ "recover", 5, 5, probe_recover, "DEVICE PGOFF LENGTH SEED POS" },
	{ "size",    1, 1, probe_size,    "DEVICE" },
	{ "poison",  2, 2, probe_poison,  "DEVICE PGOFF" },
	{ "pages",   2, 4096, probe_pages, "START END [START END]..." },
	{ "storm",   2, 2, probe_storm,
	  "access|zero|recover|size|poison|getput DEVICE" },
	{ "stalled", 0, 0, probe_stalled, "" },
	{ "go",      0, 0, probe_go,      "" },
	{ "refer",   1, 1, probe_refer,   "PFN" },
	{}
};

static const struct command commands[] = {
	{ "mkfile",     3, 4, cmd_mkfile,
	  "[-s|-l] PATH SIZE DEV:OFFSET:LENGTH[,...]" },
	{ "mkstripe",   4, 4, cmd_mkstripe,
	  "PATH SIZE CHUNK DEV:OFFSET:LENGTH[,...]" },
	{ "layout",     1, 1, cmd_layout,     "PATH" },
	{ "fuzz",       3, 3, cmd_fuzz,       "PATH COUNT SEED" },
	{ "fill",       2, 4, cmd_fill,       "PATH SEED [OFFSET LENGTH]" },
	{ "check",      2, 4, cmd_check,      "PATH SEED [OFFSET LENGTH]" },
	{ "mfill",      2, 4, cmd_mfill,      "PATH SEED [OFFSET LENGTH]" },
	{ "mcheck",     2, 4, cmd_mcheck,     "PATH SEED [OFFSET LENGTH]" },
	{ "mmapcmp",    2, 2, cmd_mmapcmp,    "PATH OTHER" },
	{ "iszero",     3, 3, cmd_iszero,     "PATH OFFSET LENGTH" },
	{ "unreadable", 1, 1, cmd_unreadable, "PATH" },
	{ "fallocate",  4, 4, cmd_fallocate,
	  "zero|keep|punch|collapse|grow PATH OFFSET LENGTH" },
	{ "touch",      2, 3, cmd_touch,      "PATH OFFSET [r|w][p|s][h][e]" },
	{ "hold",       2, 3, cmd_hold,       "PATH OFFSET [r|w][p|s][h][e]" },
	{ "pin",        2, 3, cmd_pin,        "PATH OFFSET [r|w][h]" },
	{ "ring",       1, 1, cmd_ring,       "PATH" },
	{ "pinrounds",  2, 2, cmd_pinrounds,  "DEVICE ROUNDS" },
	{ "scan",       1, 1, cmd_scan,       "PATH" },
	{ "msync",      3, 3, cmd_msync,      "PATH OFFSET LENGTH" },
	{ "isdax",      1, 1, cmd_isdax,      "PATH" },
	{ "fserror",    1, 1, cmd_fserror,    "PATH" },
	{ "stall",      3, 4, cmd_stall,
	  "entry|pte|pmd|sync|begin PATH OFFSET [r|w][p|s][h]" },
	{ "dio",        3, 4, cmd_dio,        "PATH OFFSET DEVICE [w][h]" },
	{ "longio",     3, 3, cmd_longio,     "read|write PATH LENGTH" },
	{ "inuse",      2, 2, cmd_inuse,      "START END" },
	{ "poison",     2, 3, cmd_poison,     "PATH OFFSET [r|w][h]" },
	{ "flagwriter", 3, 4, cmd_flagwriter, "PATH ROUNDS SECONDS [early]" },
	{ "flagreader", 3, 3, cmd_flagreader, "PATH ROUNDS SECONDS" },
	{ "faultstorm", 3, 3, cmd_faultstorm, "PATH SECONDS PROCESSES" },
	{ "iostorm",    3, 3, cmd_iostorm,    "PATH SECONDS PROCESSES" },
	{ "exercise",   3, 4, cmd_exercise,   "PATH COUNT SEED [SIZE]" },
	{ "vma",        2, 2, cmd_vma,
	  "mprotect|munmap|madvise|mremap|fork|mlock PATH" },
	{ "place",      3, 4, cmd_place,
	  "PATH OFFSET SHIFT [nohuge]" },
	{ "copy",       3, 3, cmd_copy,
	  "sendfile|splice|copyrange|directto|directfrom FROM TO" },
	{ "mountrace",  7, 7, cmd_mountrace,
	  "COUNT DEVICE DIR OPTIONS DEVICE DIR OPTIONS" },
	{ "cut",        1, 1, cmd_cut,        "PATH" },
	{ "try",        2, 5, cmd_try,
	  "open|read|write|mmap|fsync|syncfs|close PATH|- |\n"
	  "\ttruncate PATH SIZE | own PATH OFFSET | store PATH STRING |\n"
	  "\tpread|pwrite PATH OFFSET LENGTH |\n"
	  "\tmount SOURCE DIR [OPTIONS [ro]]" },
	{ "failnth",    3, 4, cmd_failnth,    "N PATH STRING|mount [DIR]" },
	{ "rebind",     3, 4, cmd_rebind,     "DRIVER DEVICE TIMES [held]" },
	{ "churn",      5, 5, cmd_churn,
	  "bind|hold|poison|mend|look|pin DEVICE SECONDS LOCKFILE FILE" },
	{ "probe",      1, 4097, cmd_probe,      "COMMAND ..." },
	{}
};

static void usage(const struct command *list, const char *prefix)
{
	for (; list->name; list++)
		fprintf(stderr, "%s %s %s\n", prefix, list->name, list->help);
	exit(2);
}

static int run(const struct command *list, const char *prefix, int argc,
	       char **argv)
{
	const struct command *cmd;
	int rc;

	if (argc < 1)
		usage(list, prefix);
	for (cmd = list; cmd->name; cmd++)
		if (!strcmp(cmd->name, argv[0]))
			break;
	if (!cmd->name)
		usage(list, prefix);
	if (argc - 1 < cmd->min || argc - 1 > cmd->max)
		rc = -1;
	else
		rc = cmd->fn(argc, argv);
	if (rc < 0) {
		fprintf(stderr, "%s %s %s\n", prefix, cmd->name, cmd->help);
		rc = 2;
	}
	return rc;
}

int cmd_probe(int argc, char **argv)
{
	return run(probe_commands, "daxtest probe", argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
	return run(commands, "daxtest", argc - 1, argv + 1);
}
