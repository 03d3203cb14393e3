#pragma once

#include "session.h"

/* Waits and reacts until the server (and COMMAND) has ended; leaves the exit status in session. */
void supervise(struct session *session);

/*
 * Where the server has ended otherwise than it should, after somebody else has unmounted it: waits for
 * that one to read it from our name, `ext4box-end:STATUS`, and say so with SIGTERM; not for long.
 */
void supervisor_leave_verdict(const struct session *session);
