/*
 * is-own-loop DEVICE: status 0 where ext4box has attached the loop device, 1 where it has not. For
 * udev's rule: the name by which it is known is in the device's status alone, which no rule can match.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../loop.h"

enum { EXIT_OWN = 0, EXIT_OTHER = 1, EXIT_USAGE = 2 };

int main(int argc, char **argv) {
	struct loop_info64 info;
	if (argc != 2) {
		fprintf(stderr, "usage: is-own-loop DEVICE\n");
		return EXIT_USAGE;
	}
	int device = open(argv[1], O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (device < 0 || ioctl(device, LOOP_GET_STATUS64, &info) != 0) {
		/* Gone meanwhile, detached, or no loop device. */
		fprintf(stderr, "is-own-loop: %s: %s\n", argv[1], strerror(errno));
		return EXIT_OTHER;
	}
	close(device);
	return strncmp((const char *)info.lo_file_name, LOOP_NAME, sizeof LOOP_NAME - 1) == 0 ? EXIT_OWN
	                                                                                     : EXIT_OTHER;
}
