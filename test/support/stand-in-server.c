/*
 * A server in place of the real one, for tests of the mount helper: a root directory with one file,
 * `hello`. Honours the helper's contract, or breaks it on purpose, by its first argument:
 *
 *   serve          as the contract says
 *   inspect        the same, but first its descriptors, environment and session go to stderr
 *   linger         serves, and stays for a second after ENODEV, as a long last commit would
 *   lose           serves, and says in the end that the disk below was full
 *   slow           serves, but takes its time over STATFS
 *   fail           one line on stderr, status 1
 *   crash          ends by SIGSEGV before it is ready
 *   mute           never becomes ready, never ends
 *   deaf           becomes ready and answers nothing
 *   loop           serves, and goes on calculating for ever when it is asked for `loop`
 *   busy           as loop, but says every now and then that it is at work
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STATUS = 1, WORDS = 2, FUSE = 3, IMAGE = 4, HELLO = 2 };

extern char **environ;
static const char hello[] = "hello\n";
static char request[1 << 20];
static bool is_busy, is_slow;

static void reply(uint64_t unique, int error, const void *body, size_t size) {
	char bytes[4096];
	struct fuse_out_header header = {
		.len = (uint32_t)(sizeof header + size), .error = -error, .unique = unique};
	memcpy(bytes, &header, sizeof header);
	if (size > 0) {
		memcpy(bytes + sizeof header, body, size);
	}
	if (write(FUSE, bytes, sizeof header + size) < 0 && errno != ENOENT) {
		dprintf(WORDS, "stand-in: reply: %s\n", strerror(errno));
	}
}

static struct fuse_attr attributes(uint64_t node) {
	return (struct fuse_attr){
		.ino = node,
		.size = node == HELLO ? sizeof hello - 1 : 0,
		.mode = node == HELLO ? S_IFREG | 0644 : S_IFDIR | 0755,
		.nlink = 1,
		.uid = getuid(),
		.gid = getgid(),
		.blksize = 4096,
	};
}

static void reply_init(const struct fuse_in_header *in) {
	const struct fuse_init_in *theirs = (const void *)(in + 1);
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_readahead = theirs->max_readahead,
		.max_write = 65536,
	};
	reply(in->unique, 0, &out, sizeof out);
}

/* A calculation without an end; one that says so is believed for a while. */
__attribute__((noreturn)) static void loop(void) {
	for (volatile unsigned long turns = 0;; turns++) {
		if (is_busy && turns % 10000000 == 0 && write(STATUS, "B", 1) < 0 && errno != EAGAIN) {
			dprintf(WORDS, "stand-in: sign of life: %s\n", strerror(errno));
		}
	}
}

static void reply_lookup(const struct fuse_in_header *in) {
	if (strcmp((const char *)(in + 1), "loop") == 0) {
		loop();
	}
	if (strcmp((const char *)(in + 1), "hello") != 0) {
		reply(in->unique, ENOENT, NULL, 0);
		return;
	}
	struct fuse_entry_out out = {.nodeid = HELLO, .attr = attributes(HELLO)};
	reply(in->unique, 0, &out, sizeof out);
}

static void reply_read(const struct fuse_in_header *in) {
	const struct fuse_read_in *read_in = (const void *)(in + 1);
	size_t left = read_in->offset < sizeof hello - 1 ? sizeof hello - 1 - read_in->offset : 0;
	reply(in->unique, 0, hello + (left > 0 ? read_in->offset : 0), left);
}

static void answer(const struct fuse_in_header *in) {
	switch (in->opcode) {
	case FUSE_INIT:
		reply_init(in);
		return;
	case FUSE_GETATTR: {
		struct fuse_attr_out out = {.attr = attributes(in->nodeid)};
		reply(in->unique, 0, &out, sizeof out);
		return;
	}
	case FUSE_LOOKUP:
		reply_lookup(in);
		return;
	case FUSE_READ:
		reply_read(in);
		return;
	case FUSE_READDIR:
		reply(in->unique, 0, NULL, 0);
		return;
	case FUSE_STATFS: {
		if (is_slow) {
			usleep(1500000);
		}
		struct fuse_statfs_out out = {.st = {.bsize = 4096, .namelen = 255}};
		reply(in->unique, 0, &out, sizeof out);
		return;
	}
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		return;
	default:
		reply(in->unique, ENOSYS, NULL, 0);
	}
}

static int serve(void) {
	for (;;) {
		ssize_t got = read(FUSE, request, sizeof request);
		if (got >= (ssize_t)sizeof(struct fuse_in_header)) {
			answer((const struct fuse_in_header *)request);
		} else if (got < 0 && errno == ENODEV) {
			return 0;
		} else if (got < 0 && errno != EINTR && errno != EAGAIN && errno != ENOENT) {
			dprintf(WORDS, "stand-in: read: %s\n", strerror(errno));
			return 1;
		}
	}
}

static void inspect(void) {
	char path[64], target[256];
	struct stat facts;
	for (int fd = 0; fd < 1024; fd++) {
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		ssize_t length = readlink(path, target, sizeof target - 1);
		if (length >= 0) {
			target[length] = 0;
			dprintf(WORDS, "fd %d %s flags %o\n", fd, target, fcntl(fd, F_GETFL) & O_ACCMODE);
		}
	}
	for (char **at = environ; *at != NULL; at++) {
		dprintf(WORDS, "env %s\n", *at);
	}
	dprintf(WORDS, "session %s\n", getsid(0) == getpid() ? "own" : "inherited");
	if (fstat(IMAGE, &facts) == 0) {
		dprintf(WORDS, "image %lld bytes\n", (long long)facts.st_size);
	}
}

int main(int argc, char **argv) {
	const char *mode = argc > 1 ? argv[1] : "serve";
	char configured[16];
	/* An installed helper hands over Node's flags, a program, and then the one word of its caller's. */
	if (sscanf(argv[argc - 1], "{\"mode\":\"%15[a-z]\"}", configured) == 1) {
		mode = configured;
	}
	if (strcmp(mode, "fail") == 0) {
		dprintf(WORDS, "stand-in: not an ext file system\n");
		return 1;
	}
	if (strcmp(mode, "crash") == 0) {
		raise(SIGSEGV);
	}
	if (strcmp(mode, "mute") == 0) {
		pause();
	}
	if (strcmp(mode, "inspect") == 0) {
		inspect();
	}
	if (write(STATUS, "R", 1) != 1) {
		return 1;
	}
	if (strcmp(mode, "deaf") == 0) {
		pause();
	}
	if (strcmp(mode, "babble") == 0 && fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(FUSE);
		close(IMAGE);
		close(STATUS);
		while (write(WORDS, "\033]0;mine\007\302\233babble\n", 18) > 0) {
		}
		_exit(0);
	}
	is_busy = strcmp(mode, "busy") == 0;
	is_slow = strcmp(mode, "slow") == 0;
	int status = serve();
	if (strcmp(mode, "linger") == 0) {
		sleep(1);
	}
	if (strcmp(mode, "lose") == 0) {
		return ENOSPC;
	}
	return status;
}
