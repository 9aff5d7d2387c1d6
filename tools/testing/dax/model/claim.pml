// SPDX-License-Identifier: GPL-2.0
/*
 * The claim on a dax device: drivers/dax/claim.c, for spin.
 *
 * Two holders take, use and put the claim, as often as they get it. A driver
 * binds the device and is unbound. Memory errors are told to the holder. Each
 * step between d_step and its end is one section of dax_device::lock.
 *
 *	model		function
 *	holder		fs_dax_get(), fs_put_dax(), and dax_alive() in between
 *	failure		dax_holder_notify_failure()
 *	driver		dax_claim_outstanding(), run_dax(), kill_dax()
 *
 * A mutation, -DMUTATION=N, takes one step out, and the model has to fail.
 */
#ifndef MUTATION
#define MUTATION 0
#endif
#define ROUNDS 2

mtype = { DEAD, LIVE, DYING, FREE, HELD, LOST, LEAVING };

mtype state = DEAD;
mtype claim = FREE;
byte holder;		/* whose claim it is, 0 if it is free */
byte notifying;
bool alive;

/* not in the kernel: what the contracts are about */
bool memory;		/* the driver has it */
byte operations;	/* read sections that found the device alive */
byte handling[3];	/* handlers of each holder that run */
byte removals[3];	/* notifications of removal that its present claim had */
bool freed[3];		/* it has put its claim, and has freed itself */

inline handle(h)
{
	assert(!freed[h]);
	handling[h]++;
	assert(!freed[h]);
	handling[h]--;
}

inline stop_notifying()
{
	d_step { notifying--; }
}

inline operate()
{
	d_step {
		found = alive;
		operations = operations + (found -> 1 : 0);
	}
	if
	:: found ->
		assert(memory);
		operations--;
	:: else
	fi
}

proctype holder_of(byte me)
{
	byte round;
	bool found, lost;

	do
	:: round < ROUNDS ->
		round++;
		d_step {
			found = state == LIVE && claim == FREE;
			if
			:: found ->
				claim = HELD;
				holder = me;
				freed[me] = false;
				removals[me] = 0;
			:: else
			fi
		}
		if
		:: found ->
			operate();
			d_step {
				lost = claim == LOST;
				assert(holder == me && (lost || claim == HELD));
				claim = LEAVING;
			}
			/* wait_var_event_spinlock() returns with the lock */
			atomic {
#if MUTATION != 1
				notifying == 0;
#endif
				claim = FREE;
				holder = 0;
			}
			freed[me] = true;
			assert(handling[me] == 0);
			/* the removal was heard once, or the claim was kept */
			assert(removals[me] == (lost -> 1 : 0));
		:: else
		fi
	:: else -> break
	od
}

proctype failure()
{
	byte round, h;
	bool told;

	do
	:: round < ROUNDS ->
		round++;
		d_step {
			told = alive && claim == HELD;
			h = holder;
#if MUTATION != 2
			notifying = notifying + (told -> 1 : 0);
#endif
		}
		if
		:: told ->
#if MUTATION == 2
			d_step { notifying++; }
#endif
			handle(h);
			stop_notifying();
		:: else
		fi
	:: else -> break
	od
}

proctype driver()
{
	byte round, h;
	bool lost, outstanding;

	do
	:: round < ROUNDS ->
		round++;
		d_step { outstanding = claim != FREE; }
		if
#if MUTATION != 3
		:: outstanding -> skip	/* the bind is refused: EBUSY */
		:: else ->
#else
		:: true ->
#endif
			memory = true;
			d_step {
				assert(state == DEAD);
				/* an old claim never reaches a new bind */
				assert(claim == FREE);
				state = LIVE;
				alive = true;
			}
			d_step {
#if MUTATION != 4
				state = DYING;
#endif
				lost = claim == HELD;
				h = holder;
				if
				:: lost ->
					claim = LOST;
					notifying++;
				:: else
				fi
			}
			if
			:: lost ->
				removals[h]++;
				handle(h);
				stop_notifying();
			:: else
			fi
			d_step {
				/* nobody got it without hearing of its end */
				assert(claim != HELD);
				state = DEAD;
				alive = false;
			}
#if MUTATION != 5
			notifying == 0;
#endif
#if MUTATION != 6
			operations == 0;	/* synchronize_srcu() */
#endif
			memory = false;
			assert(handling[1] == 0 && handling[2] == 0);
			assert(operations == 0);
		fi
	:: else -> break
	od
}

init
{
	atomic {
		run driver();
		run holder_of(1);
		run holder_of(2);
		run failure();
	}
}
