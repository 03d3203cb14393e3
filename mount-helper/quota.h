#pragma once

/* How many mounts a user has, counted by one helper at a time. */

/*
 * Waits until no other helper is between counting this user's mounts and adding one, then counts.
 * Returns a descriptor to be closed once the mount is there, or -1, which is reported. slot: another
 * one, which whoever lives as long as the server holds open, for a mount may leave the table before.
 */
int quota_reserve(unsigned mounts_max, int *slot);
