#pragma once

#include "session.h"

/* Waits and reacts until the server (and COMMAND) has ended; leaves the exit status in session. */
void supervise(struct session *session);
