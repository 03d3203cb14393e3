#pragma once

#include <stdbool.h>

#include "iomap.h"
#include "loop.h"
#include "options.h"
#include "policy.h"

/*
 * What a mount is given besides its two descriptors: that the kernel may move data itself, and a loop
 * device in the place of an image that is a file. The server is told, and why not.
 */
enum grant_loop {
	LOOP_UNWANTED,
	LOOP_ATTACHED,
	LOOP_POLICY,     /* The administrator permits none. */
	LOOP_PERMISSION, /* Nobody here has the right to attach one. */
	LOOP_FAILED,     /* loop.problem says why. */
};

struct grant {
	enum iomap iomap;
	int iomap_error; /* Of IOMAP_FAILED. */
	enum grant_loop loop_answer;
	struct loop loop;
};

/*
 * Before the mount, for one with root's rights: marks /dev/fuse, and puts a loop device in the place of
 * *image. False, which is reported, only where the device was asked for by name.
 */
bool grant_before_mount(struct grant *grant, const struct options *options,
                        const struct policy *policy, int fuse, int *image);

/* Without them: what there is already. */
void grant_as_found(struct grant *grant, const struct options *options, int fuse);

/*
 * For the server, in lines of fields parted by tabs:
 *
 *   iomap WORD DETAIL       WORD: iomap_name; DETAIL: of `failed`, the error
 *   loop WORD DETAIL        none; attached DEVICE direct|buffered; policy; permission; failed WHY
 */
enum { GRANT_TEXT_MAX = 512 };
void grant_describe(const struct grant *grant, char text[GRANT_TEXT_MAX]);
