/* SPDX-License-Identifier: GPL-2.0 */
/* daxfuzz: what its two halves, the programs and the calls, know of each other */
#ifndef _DAXFUZZ_H
#define _DAXFUZZ_H

#include <stdbool.h>
#include <stdint.h>

#define MAX_ARGS	6
#define MAX_CALLS	250	/* of a program from a file */
#define MAX_RANDOM	24

/* The values that an argument can have; the text of a program has the words. */
struct word {
	const char *name;
	long val;
};

struct kind {
	char key;
	const char *plain;		/* separated by blanks, or */
	const struct word *words;	/* of names that mean something */
};

struct call;

struct op {
	const char *name;
	const char *args;		/* the keys of the kinds */
	int weight;
	long (*fn)(const struct call *c);
};

struct call {
	const struct op *op;
	bool async;			/* beside the calls that follow */
	const char *arg[MAX_ARGS];
};

/* daxfuzz_calls.c */
extern const struct op ops[];
extern const int nr_ops;

const struct kind *kind_of(char key);
long value(const struct call *c, int i);

/* Finds the region, before any program is run. Return: 0, or -1 */
int find_region(void);

/* Return: 0, or -1 if the device could not be made what it was */
int reset_devices(void);
const char *device_state(void);

/* Has the system memory of the region that it does not give back? */
bool is_stuck(void);

#endif /* _DAXFUZZ_H */
