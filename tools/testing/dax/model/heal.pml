// SPDX-License-Identifier: GPL-2.0
/*
 * Errors and heals of one page: drivers/dax/poison.c and mm/mf_device.c, for
 * spin.
 *
 * The medium goes bad at any moment, twice; each time the machine tells the
 * kernel somewhat later, and the platform tells the bus. A scrub reads what the
 * bus knows. Writers heal the page: one when it finds the page in the record,
 * and one as soon as it gets the signal. A reader goes by the record, and then
 * touches the page, and another one maps it.
 *
 *	model		function
 *	error		nfit_handle_mce(), and then memory_failure():
 *			dax_poison_add(), mf_dax_failure()
 *	scrub		dax_pmem_read_poison(), dax_poison_take_found()
 *	heal		dax_poison_touch(), dax_poison_heal()
 *	reader		dax_iomap_rw(), in a read section
 *	fault		dax_failures() before and after it maps the page,
 *			dax_poison_span() in between
 *
 * A step that is atomic here is one under mf_dev_lock.
 *
 * A mutation, -DMUTATION=N, changes one step, and the model has to fail.
 */
#ifndef MUTATION
#define MUTATION 0
#endif

bool bad;		/* the medium: not for the kernel to see but by reading */
bool bus;		/* the NVDIMM bus has the page in its list */
bool record, flag;
bool mf_marked, mf_hidden, mf_healing;	/* MF_DEV_* of the page, in mm/mf_device.c */
bool direct_map = true;
byte count;		/* of errors */
bool heal_nr, hit;	/* a heal is about the page; an error came meanwhile */
bool heal_lock, poison_lock;
bool mf_mutex;		/* of memory_failure() */
bool reading;		/* a read section that found the page good */
bool mapped;		/* by the fault, which touches it once it is sure */
byte signals;		/* that a process got, and may answer by a write */
bool found;		/* reported by the medium, and to be taken from users */

inline lock(l)		{ atomic { !l; l = true; } }
inline unlock(l)	{ l = false; }

/* between two holders of the lock, and but for a heal, they say the same */
#define consistent	(heal_nr || found || record == flag)

inline mf_dev_mark_page()
{
	d_step { mf_marked = true; flag = true; }
}

inline mf_dev_hide_page()
{
	d_step {
		if
#if MUTATION == 7
		:: true ->
#else
		:: mf_marked && !mf_hidden ->
#endif
			mf_hidden = true;
#if MUTATION == 8
			direct_map = false;
#else
			direct_map = mf_healing;
#endif
#if MUTATION != 7
		:: else
#endif
		fi
	}
}

inline mf_dev_begin_heal()
{
	d_step { mf_healing = true; direct_map = true; }
}

inline mf_dev_end_heal(good)
{
	d_step {
		mf_healing = false;
		if
		:: good ->
			mf_marked = false;
			mf_hidden = false;
			flag = false;
		:: else ->
#if MUTATION == 9
			/* as if it was hidden */
			mf_marked = true;
			mf_hidden = true;
			flag = true;
#endif
			direct_map = !mf_hidden;
		fi
	}
}

/* under the lock of the record */
inline dax_poison_record()
{
	record = true;
#if MUTATION != 2
	hit = heal_nr;
#endif
}

/* those who hear of it find the page out of reach, but for a heal */
inline tell()
{
	d_step {
		if
		:: flag ->
			assert(mf_hidden);
			mapped = false;
			signals++;
		:: else
		fi
	}
}

/* mf_dax_failure(): the readers go first, then the page tables, then a signal */
inline take_away()
{
#if MUTATION != 11
	!reading;
#endif
#if MUTATION == 10
	tell();
#endif
#if MUTATION != 3
	mf_dev_hide_page();
#endif
#if MUTATION != 10
	tell();
#endif
}

proctype error()
{
	bad = true;
#if MUTATION != 12
	bus = true;
#endif
#if MUTATION != 15
	lock(mf_mutex);
#endif
#if MUTATION == 1
	count++;
#endif
	lock(poison_lock);
	dax_poison_record();
#if MUTATION != 1
	count++;
#endif
	bus = true;
	mf_dev_mark_page();
	unlock(poison_lock);
	take_away();
#if MUTATION != 15
	unlock(mf_mutex);
#endif
#if MUTATION == 12
	bus = true;
#endif
}

proctype scrub()
{
	bool knows;

#if MUTATION != 13
	lock(heal_lock);
#endif
	knows = bus;
	if
	:: knows ->
		lock(poison_lock);
		/* a heal that has made the bus forget is over */
		assert(bus);
		if
		:: !record -> found = true
		:: else
		fi;
		dax_poison_record();
		unlock(poison_lock);
	:: else
	fi;
#if MUTATION != 13
	unlock(heal_lock);
#endif
	if
	:: found ->
		lock(mf_mutex);
		lock(poison_lock);
#if MUTATION == 14
		/* as if nobody knew of it yet */
		dax_poison_record();
#endif
		d_step { found = false; knows = record; }
		if
		:: knows ->
			count++;
			mf_dev_mark_page();
		:: else
		fi;
		unlock(poison_lock);
		if
		:: knows -> take_away()
		:: else
		fi;
		unlock(mf_mutex);
	:: else
	fi
}

inline write_anew()
{
#if MUTATION != 4
	lock(heal_lock);
#endif
	known = record;
	if
	:: known ->
		lock(poison_lock);
		heal_nr = true;
		hit = false;
		unlock(poison_lock);
		/* the medium forgets, if it can */
		bus = false;
		mf_dev_begin_heal();
		assert(direct_map);
		bad = false;
		assert(direct_map);		/* written */
		good = !bad;			/* read back */
		lock(poison_lock);
#if MUTATION != 5
		good = good && !hit;
#endif
		mf_dev_end_heal(good);
		if
		:: good -> record = false
		:: else -> bus = true
		fi;
		heal_nr = false;
		assert(consistent);
		unlock(poison_lock);
	:: else
	fi;
#if MUTATION != 4
	unlock(heal_lock);
#endif
}

proctype heal()
{
	bool good, known;

	write_anew()
}

/* As a process that has asked for early signals does. */
proctype answer()
{
	bool good, known;

	if
	:: signals > 0 -> write_anew()
	:: true		/* none came */
	fi
}

proctype reader()
{
	reading = true;
	if
	:: !record -> assert(direct_map)	/* while it copies */
	:: else
	fi;
	reading = false;
}

proctype fault()
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
		run scrub();
		run heal();
		run answer();
		run reader();
		run fault();
	}
	_nr_pr == before;
	assert(consistent && !heal_nr && !mf_healing && !found);
	/* no page is good in the record while it is bad, nor lost while good */
	assert(!bad || record);
	assert(record || direct_map);
	assert(!record || (mf_hidden && !direct_map));
	/* the bus and the record know the same errors */
	assert(bus == record);
	/* nor mapped while it is known to be bad */
	assert(!mapped || !record);
}
