#include "grant.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "privileges.h"
#include "process.h"
#include "report.h"

static bool is_file(int image) {
	struct stat facts;
	return fstat(image, &facts) == 0 && S_ISREG(facts.st_mode);
}

/* The kernel moves data on devices alone: where there is to be none, nobody needs the right. */
static void ask_kernel(struct grant *grant, const struct options *options,
                       const struct policy *policy, int fuse, int image) {
	if (!options->iomap) {
		return;
	}
	if (!policy->iomap) {
		grant->iomap = IOMAP_POLICY;
	} else if (is_file(image) && !policy->loop) {
		grant->iomap = iomap_withhold(fuse, &grant->iomap_error);
	} else {
		grant->iomap = iomap_grant(fuse, &grant->iomap_error);
	}
}

static bool attach(struct grant *grant, const struct options *options, int *image) {
	int device = loop_attach(*image, !options_writes(options), &grant->loop);
	if (device < 0) {
		grant->loop_answer = LOOP_FAILED;
		return false;
	}
	/* The driver keeps the file open, and with it the lock on it. */
	fd_close(image);
	*image = device;
	grant->loop_answer = LOOP_ATTACHED;
	return true;
}

bool grant_before_mount(struct grant *grant, const struct options *options,
                        const struct policy *policy, int fuse, int *image) {
	*grant = (struct grant){.iomap = IOMAP_UNASKED, .loop_answer = LOOP_UNWANTED};
	ask_kernel(grant, options, policy, fuse, *image);
	/* Who mounts with this right grants it, too, whatever was said above. */
	if (!privileges_forgo(CAP_SYS_RAWIO)) {
		report_failure(FAIL_INTERNAL, errno, "cannot give up CAP_SYS_RAWIO");
		return false;
	}
	if (options->loop && !is_file(*image)) {
		report_failure(FAIL_LOOP, 0, "%s is a block device already: leave out the option loop",
		               options->image);
		return false;
	}
	if (grant->iomap == IOMAP_WITHHELD) {
		grant->loop_answer = LOOP_POLICY;
		return true;
	}
	if (!options->loop && (grant->iomap != IOMAP_GRANTED || !is_file(*image))) {
		return true;
	}
	if (!attach(grant, options, image) && options->loop) {
		report_failure(FAIL_LOOP, 0, "no loop device for %s: %s", options->image,
		               grant->loop.problem);
		return false;
	}
	return true;
}

void grant_as_found(struct grant *grant, const struct options *options, int fuse) {
	*grant = (struct grant){.iomap = IOMAP_UNASKED, .loop_answer = LOOP_PERMISSION};
	if (options->iomap) {
		grant->iomap = iomap_ask(fuse, &grant->iomap_error);
	}
}

void grant_describe(const struct grant *grant, char text[GRANT_TEXT_MAX]) {
	static const char *const words[] = {
		[LOOP_UNWANTED] = "none",
		[LOOP_ATTACHED] = "attached",
		[LOOP_POLICY] = "policy",
		[LOOP_PERMISSION] = "permission",
		[LOOP_FAILED] = "failed",
	};
	char detail[sizeof grant->loop.problem] = "";
	if (grant->loop_answer == LOOP_ATTACHED) {
		snprintf(detail, sizeof detail, "/dev/loop%u\t%s", grant->loop.number,
		         grant->loop.is_direct ? "direct" : "buffered");
	} else if (grant->loop_answer == LOOP_FAILED) {
		snprintf(detail, sizeof detail, "%s", grant->loop.problem);
	}
	snprintf(text, GRANT_TEXT_MAX, "iomap\t%s\t%s\nloop\t%s\t%s\n", iomap_name(grant->iomap),
	         grant->iomap == IOMAP_FAILED ? strerror(grant->iomap_error) : "",
	         words[grant->loop_answer], detail);
}
