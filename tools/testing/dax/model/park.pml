// SPDX-License-Identifier: GPL-2.0
/*
 * The end of device memory that is pinned: mm/pgmap_use.c, for spin.
 *
 * One folio, in one chunk. A fault takes a reference in a read section of the
 * device, from which somebody else may take another one (GUP). A driver lets go
 * of the memory, and waits for a time that is over at any moment. Another driver
 * wants the memory.
 *
 *	model		function
 *	get		zone_device_folio_get(), pgmap_use_folio()
 *	put		free_zone_device_folio(), pgmap_unuse_folio()
 *	driver		kill_dax(), pgmap_wait_idle(), pgmap_drain()
 *	reaper		pgmap_reap()
 *	next		memremap_range_parked()
 *
 * A mutation, -DMUTATION=N, changes one step, and the model has to fail.
 */
#ifndef MUTATION
#define MUTATION 0
#endif

byte ref, chunk, nr_used = 1;
bool closed, idle, parked, unmapped, reserved = true;
byte readers, queued;
bool mutex;

/* not in the kernel */
bool lent;		/* somebody may take a reference from that of the fault */
byte unmaps;

#define use_memory()	assert(!unmapped)

inline lock()	{ atomic { !mutex; mutex = true; } }
inline unlock()	{ mutex = false; }

inline get()
{
	d_step { use_memory(); first = ref == 0; ref++; }
	if
	:: first ->
		d_step { use_memory(); first = chunk == 0; chunk++; }
		if
		:: first ->
#if MUTATION != 1
			d_step { use_memory(); nr_used++; }
#else
			skip
#endif
		:: else
		fi
	:: else
	fi
}

inline count_chunk()
{
	d_step { use_memory(); chunk--; last = chunk == 0; }
}

inline count_use()
{
	d_step {
		use_memory();
		nr_used--;
		queued = queued + (nr_used == 0 -> 1 : 0);
	}
}

inline put()
{
	d_step { use_memory(); ref--; last = ref == 0; }
	if
	:: last ->
#if MUTATION != 4
		count_chunk();
		if
		:: last -> count_use();
		:: else
		fi
#else
		count_use();
		count_chunk();
#endif
	:: else
	fi
}

inline unmap()
{
	d_step {
		assert(ref == 0 && chunk == 0);
		unmaps++;
		assert(unmaps == 1);
		unmapped = true;
		reserved = false;
	}
}

proctype fault()
{
	bool found, first, last;

	d_step { found = !closed; readers = readers + (found -> 1 : 0); }
	if
	:: found ->
		get();
		lent = true;
		readers--;
		atomic { lent; lent = false; }
		put();
	:: else
	fi
}

proctype pin()
{
	bool last, found;

	/* a page that is mapped can be pinned at any time, and only then */
	d_step {
		found = lent;
		if
		:: found -> use_memory(); ref++;
		:: else
		fi
	}
	if
	:: found -> put();
	:: else
	fi
}

proctype driver()
{
	bool last, found;

	closed = true;
#if MUTATION != 2
	readers == 0;
#endif
	d_step { nr_used--; last = nr_used == 0; }
	if
	:: last -> unmap();
	:: else ->
		if
		:: idle -> unmap();
		:: true ->	/* the time is over */
#if MUTATION != 3
			d_step {
				found = nr_used > 0;
				nr_used = nr_used + (found -> 1 : 0);
			}
#else
			found = true;
#endif
			if
			:: found ->
				lock();
				parked = true;
				unlock();
				use_memory();	/* pgmap_disown() */
#if MUTATION != 3
				count_use();
#endif
			:: else ->
				idle;
				unmap();
			fi
		fi
	fi
}

active proctype reaper()
{
end:	do
	:: atomic { queued > 0; queued--; };
		lock();
		if
		:: parked ->
			parked = false;
			unlock();
			unmap();
		:: else ->
			idle = true;
			unlock();
		fi
	od
}

/* The memory is reserved as long as it is mapped, or parked. */
proctype next()
{
	if
	:: !reserved -> assert(unmapped && ref == 0);
	:: reserved
	fi
}

init
{
	pid before = _nr_pr;

	atomic {
		run fault();
		run pin();
		run pin();
		run driver();
		run next();
	}
	/* all users have ended, so the memory goes back by itself */
	_nr_pr == before;
	unmapped;
	assert(unmaps == 1 && !parked);
}
