#pragma once

#include <stdbool.h>
#include <sys/types.h>

/*
 * An id of its own for the server, in a user namespace that root owns: its caller can then neither
 * trace nor signal it, nor take its descriptors. (Both rules that the kernel knows, equal ids or
 * rights in the owner's namespace, fail.)
 *
 * The id is SERVER_ID_BASE plus the minor number of the mount's device, which no other mount of the
 * machine has at the same time: so no two servers share an id, nothing has to be kept of those that
 * are taken, and `ps` tells which mount a server serves. The range, 0x7e000000 to 0x7e0fffff, lies
 * above all that distributions and systemd give out. A system user made when installing would be
 * one id for the servers of everybody, each of them able to kill the next.
 */
enum { SERVER_ID_BASE = 0x7e000000, SERVER_ID_COUNT = 0x100000 };

struct identity {
	unsigned id; /* User and group. */
	int asked[2], granted[2];
};

bool identity_is_reserved(unsigned id);

/* Of the server of the mount with this device. */
unsigned identity_of(unsigned device_minor);

/* Before the fork. */
bool identity_prepare(struct identity *identity, unsigned device_minor);

/*
 * In the child, which holds privileges: comes back with the id as real, effective and saved one, no
 * groups, without any right in the machine's own namespace, with every capability in the new one.
 * Ends the process where that fails. Clears a parent-death signal: set that after.
 */
void identity_become(const struct identity *identity);

/*
 * In its parent: makes the id known in the child's namespace, takes on the same id, so that it can
 * signal the child and its caller can't signal it, gives up all else, and only then lets the child go
 * on and take the id. False with errno, the child's where that has failed.
 */
bool identity_grant(struct identity *identity, pid_t child);
