#include "image.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "process.h"
#include "report.h"

static int refuse(int fd, const char *path, int error, const char *what) {
	close(fd);
	report_failure(FAIL_IMAGE, error, "cannot open %s: %s", path, what);
	return -1;
}

int image_open(const char *path, bool read_only) {
	/* O_NONBLOCK: the open of a fifo or a serial line must not wait for a partner. */
	int fd = open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0) {
		report_failure(FAIL_IMAGE, errno, "cannot open %s", path);
		return -1;
	}
	struct stat facts;
	if (fstat(fd, &facts) != 0) {
		return refuse(fd, path, errno, "fstat");
	}
	if (S_ISDIR(facts.st_mode)) {
		return refuse(fd, path, 0, "it is a directory, not an image");
	}
	if (!S_ISREG(facts.st_mode) && !S_ISBLK(facts.st_mode)) {
		return refuse(fd, path, 0, "neither a file nor a block device");
	}
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) != 0) {
		return refuse(fd, path, errno, "fcntl");
	}
	fd = fd_raise(fd);
	if (fd < 0) {
		report_failure(FAIL_INTERNAL, errno, "no descriptor for the image");
	}
	return fd;
}
