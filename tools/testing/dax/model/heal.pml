// SPDX-License-Identifier: GPL-2.0
/*
 * Errors and heals of one page: drivers/dax/poison.c, for spin.
 *
 * The medium goes bad at any moment, twice; each time the machine tells the
 * kernel somewhat later. Two writers heal the page when they find it in the
 * record. A reader goes by the record, and then touches the page.
 *
 *	model		function
 *	error		dax_poison_add()
 *	heal		dax_poison_touch(), dax_poison_heal()
 *	reader		a fault: dax_failures() before and after it maps the page,
 *			dax_poison_span() in between
 *
 * A mutation, -DMUTATION=N, changes one step, and the model has to fail.
 */
#ifndef MUTATION
#define MUTATION 0
#endif

bool bad;		/* the medium: not for the kernel to see but by reading */
bool record, flag;
bool direct_map = true;
byte count;		/* of errors */
bool healing, hit;	/* a heal is about the page; an error came meanwhile */
bool heal_lock, poison_lock;
bool mapped;		/* by the reader, which touches it once it is sure */
byte errors;		/* that came, and whose handler has not ended */

inline lock(l)		{ atomic { !l; l = true; } }
inline unlock(l)	{ l = false; }

/* between two holders of the lock, and but for a heal, they say the same */
#define consistent	(healing || (record == flag && record == !direct_map))

proctype error()
{
	d_step { bad = true; errors++; }
#if MUTATION == 1
	count++;
#endif
	lock(poison_lock);
	record = true;
#if MUTATION != 1
	count++;
#endif
#if MUTATION != 2
	hit = healing;
#endif
	flag = true;
#if MUTATION != 3
	direct_map = false;
#endif
	unlock(poison_lock);
	/* who has it mapped loses it, and hears of it */
	d_step { mapped = false; errors--; }
}

proctype heal()
{
	bool good, known;

#if MUTATION != 4
	lock(heal_lock);
#endif
	lock(poison_lock);
	known = record;
	if
	:: known ->
		healing = true;
		hit = false;
		direct_map = true;
	:: else
	fi
	unlock(poison_lock);
	if
	:: known ->
		bad = false;		/* the medium is cleared and written */
		good = !bad;		/* read back */
		lock(poison_lock);
#if MUTATION != 5
		good = good && !hit;
#endif
		healing = false;
		if
		:: good ->
			record = false;
			flag = false;
		:: else ->
			direct_map = false;
		fi
		assert(consistent);
		unlock(poison_lock);
	:: else
	fi
#if MUTATION != 4
	unlock(heal_lock);
#endif
}

proctype reader()
{
	byte before;
	bool fine;

	before = count;
	fine = !record;
	if
	:: fine ->
		mapped = true;
		if
#if MUTATION != 6
		:: count != before -> mapped = false
#endif
		:: else
		fi
	:: else
	fi
}

init
{
	pid before = _nr_pr;

	atomic {
		run error();
		run error();
		run heal();
		run heal();
		run reader();
	}
	_nr_pr == before;
	assert(consistent && !healing && errors == 0);
	/* no page is good in the record while it is bad, nor lost while good */
	assert(!bad || record);
	assert(record || direct_map);
	/* nor mapped while it is known to be bad */
	assert(!mapped || !record);
}
