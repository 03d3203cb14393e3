#pragma once

#include <stdbool.h>

/*
 * Root's rights, in the one build that has them (installed.h). From privileges_begin on the process
 * acts with its caller's own rights; root's are in the saved user id alone, and are taken up for the
 * few system calls between privileges_raise and privileges_lower. privileges_drop gives them up for
 * good. In a helper that is not installed, and when nothing is held any more, all of these do
 * nothing. A change that the kernel refuses ends the process at once.
 *
 *   held, lowered ──raise──► held, raised
 *      │      ▲─────lower───────┘
 *      └──drop──► not held
 */

/*
 * First of all in main. False with a line in message: set-id although a checkout's own, or
 * installed and yet without root's rights. Puts right what a caller passes on to a program that it
 * starts: environment, umask, limits, timers, what is done about signals.
 */
bool privileges_begin(char *message, int size);

bool privileges_held(void);
void privileges_raise(void);
void privileges_lower(void);

/* Gives up one capability for good, for what we execute as well, whoever we are; false with errno. */
bool privileges_forgo(int capability);

/* Real, effective and saved ids are the caller's, every capability set is empty. */
void privileges_drop(void);

/* After a change of ids that was made elsewhere, and leaves nothing to be taken up again. */
void privileges_forget(void);

/* Of this process, every set but the bounding one; false where something stays. */
bool privileges_clear_capabilities(void);

/*
 * Before execve: what root has given up it would be given again, and be taken for one who gains rights, which
 * undoes PR_SET_PDEATHSIG. For all others nothing changes.
 */
void privileges_stay_forgone(void);

/*
 * What is not in the bounding set no program that is executed gets. With root's rights; where they do not
 * include this one it stays as it is, and no_new_privs makes it worth nothing all the same.
 */
void privileges_empty_bounding_set(void);
