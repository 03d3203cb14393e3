#include "iomap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ioctl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "privileges.h"

/* Of the patch set "fuse: containerize ext4", version 7; in no released kernel's headers. */
enum { FUSE_MAGIC = 229, FILE_IO = 0x1 };
struct iomap_support {
	uint64_t flags, padding;
};
#define ASK_SUPPORT _IOR(FUSE_MAGIC, 99, struct iomap_support)
#define GRANT _IO(FUSE_MAGIC, 101)

#define SWITCH "/sys/module/fuse/parameters/enable_iomap"

const char *iomap_name(enum iomap answer) {
	static const char *const names[] = {
		[IOMAP_UNASKED] = "unasked",
		[IOMAP_GRANTED] = "granted",
		[IOMAP_KERNEL] = "kernel",
		[IOMAP_SWITCH] = "switch",
		[IOMAP_POLICY] = "policy",
		[IOMAP_WITHHELD] = "withheld",
		[IOMAP_PERMISSION] = "permission",
		[IOMAP_FAILED] = "failed",
	};
	return names[answer];
}

/* The kernel has one error for both; of a switch that can't be read nothing is said. */
static enum iomap find_obstacle(void) {
	char state = 0;
	int fd = open(SWITCH, O_RDONLY | O_CLOEXEC);
	bool is_off = fd >= 0 && read(fd, &state, 1) == 1 && (state == 'N' || state == '0');
	if (fd >= 0) {
		close(fd);
	}
	return is_off ? IOMAP_SWITCH : IOMAP_PERMISSION;
}

static enum iomap answer_of(int error) {
	switch (error) {
	case 0:
		return IOMAP_GRANTED;
	case ENOTTY:
		return IOMAP_KERNEL;
	case EPERM:
		return find_obstacle();
	default:
		return IOMAP_FAILED;
	}
}

enum iomap iomap_grant(int fuse, int *error) {
	privileges_raise();
	*error = ioctl(fuse, GRANT) == 0 ? 0 : errno;
	privileges_lower();
	return answer_of(*error);
}

enum iomap iomap_withhold(int fuse, int *error) {
	privileges_raise();
	enum iomap answer = iomap_ask(fuse, error);
	privileges_lower();
	return answer == IOMAP_GRANTED ? IOMAP_WITHHELD : answer;
}

enum iomap iomap_ask(int fuse, int *error) {
	struct iomap_support support = {0, 0};
	*error = ioctl(fuse, ASK_SUPPORT, &support) == 0 ? 0 : errno;
	if (*error == 0 && (support.flags & FILE_IO) == 0) {
		*error = EPERM;
	}
	return answer_of(*error);
}
