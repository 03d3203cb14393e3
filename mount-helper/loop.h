#pragma once

#include <stdbool.h>

/*
 * A loop device for an image that is a file, so that the kernel can move data to and from it. The file
 * comes as a descriptor, opened with its caller's rights, and keeps the lock that lies on it. The
 * device goes away by itself once nobody has it open any more: there is nothing to undo but to close
 * the descriptor, whoever is killed and when.
 */

/* lo_file_name begins so, by which udev's rule knows the device (udev/59-ext4box.rules.in). */
#define LOOP_NAME "ext4box:"

struct loop {
	unsigned number;  /* /dev/loopN. */
	bool is_direct;   /* Past the page cache of the file. */
	char problem[256]; /* Where there is none. */
};

/* Returns the device's descriptor; -1 with a line in loop->problem. Takes root's rights. */
int loop_attach(int file, bool read_only, struct loop *loop);
