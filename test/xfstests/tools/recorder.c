/*
 * `recorder IMAGE LOG DIRECTORY`: a disk that remembers. Mounts on DIRECTORY a FUSE file system with
 * two files: `disk.img`, which is IMAGE, and `mark`. Every write to the disk, every flush that has
 * returned and every line written to `mark` is appended to LOG, in the order in which they were
 * answered, so that afterwards every state can be made in which a power cut would have left the disk.
 * A file system is mounted from `disk.img` as from any other image, by whatever server or kernel.
 *
 * Speaks the FUSE protocol itself, one request at a time: that is what makes the order of the log
 * the order of the disk. Says "ready" on its stdout once mounted; ends with 0 when unmounted.
 *
 * A record of LOG: 32-bit kind (1 write, 2 flush, 3 mark), 32-bit length, 64-bit position, all in
 * the machine's order; then so many bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fuse.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { MAX_WRITE = 1 << 20, ROOM = MAX_WRITE + 8192, BLOCK = 4096 };
enum { NODE_ROOT = FUSE_ROOT_ID, NODE_DISK = 2, NODE_MARK = 3 };
enum { RECORD_WRITE = 1, RECORD_FLUSH = 2, RECORD_MARK = 3 };

struct record {
	uint32_t kind, length;
	uint64_t position;
};

static int fuse_file, image_file, log_file;
static uint64_t image_size;
static unsigned char request[ROOM], reply_bytes[MAX_WRITE];

static void fail(const char *what)
{
	fprintf(stderr, "recorder: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void answer(const struct fuse_in_header *in, int error, const void *bytes, size_t length)
{
	struct fuse_out_header out = {
		.len = (uint32_t)(sizeof out + length), .error = error, .unique = in->unique,
	};
	struct iovec parts[2] = {{&out, sizeof out}, {(void *)(uintptr_t)bytes, length}};
	/* ENOENT: who asked was interrupted and waits no more. */
	if (writev(fuse_file, parts, length == 0 ? 1 : 2) < 0 && errno != ENOENT)
		fail("answering");
}

static void append(uint32_t kind, uint64_t position, const void *bytes, uint32_t length)
{
	struct record head = {kind, length, position};
	struct iovec parts[2] = {{&head, sizeof head}, {(void *)(uintptr_t)bytes, length}};
	if (writev(log_file, parts, 2) != (ssize_t)(sizeof head + length))
		fail("writing the log");
}

static void fill_attributes(uint64_t node, struct fuse_attr *attr)
{
	uint64_t size = node == NODE_DISK ? image_size : 0;
	*attr = (struct fuse_attr){
		.ino = node,
		.size = size,
		.blocks = (size + 511) / 512,
		.mode = node == NODE_ROOT ? S_IFDIR | 0755 : S_IFREG | 0600,
		.nlink = node == NODE_ROOT ? 2 : 1,
		.blksize = BLOCK,
	};
}

static void lookup(const struct fuse_in_header *in, const char *name)
{
	uint64_t node = strcmp(name, "disk.img") == 0 ? NODE_DISK : strcmp(name, "mark") == 0 ? NODE_MARK : 0;
	if (node == 0) {
		answer(in, -ENOENT, NULL, 0);
		return;
	}
	struct fuse_entry_out out = {.nodeid = node, .entry_valid = 3600, .attr_valid = 3600};
	fill_attributes(node, &out.attr);
	answer(in, 0, &out, sizeof out);
}

static void get_attributes(const struct fuse_in_header *in)
{
	struct fuse_attr_out out = {.attr_valid = 3600};
	fill_attributes(in->nodeid, &out.attr);
	answer(in, 0, &out, sizeof out);
}

static void read_disk(const struct fuse_in_header *in, const struct fuse_read_in *what)
{
	uint32_t size = what->size < MAX_WRITE ? what->size : MAX_WRITE;
	ssize_t got = pread(image_file, reply_bytes, size, (off_t)what->offset);
	if (got < 0)
		answer(in, -errno, NULL, 0);
	else
		answer(in, 0, reply_bytes, (size_t)got);
}

static void write_file(const struct fuse_in_header *in, const struct fuse_write_in *what)
{
	const unsigned char *bytes = (const unsigned char *)(what + 1);
	struct fuse_write_out out = {.size = what->size};
	if (in->nodeid == NODE_MARK) {
		append(RECORD_MARK, 0, bytes, what->size);
	} else if (what->offset > image_size || what->size > image_size - what->offset) {
		answer(in, -ENOSPC, NULL, 0); /* A disk does not grow. */
		return;
	} else {
		if (pwrite(image_file, bytes, what->size, (off_t)what->offset) != (ssize_t)what->size)
			fail("writing the image");
		append(RECORD_WRITE, what->offset, bytes, what->size);
	}
	answer(in, 0, &out, sizeof out);
}

static void open_file(const struct fuse_in_header *in)
{
	/* A mark is its own request, whatever its length; the disk is cached as a disk is. */
	struct fuse_open_out out = {
		.open_flags = in->nodeid == NODE_MARK ? FOPEN_DIRECT_IO : FOPEN_KEEP_CACHE,
	};
	answer(in, 0, &out, sizeof out);
}

static void greet(const struct fuse_in_header *in, const struct fuse_init_in *theirs)
{
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_readahead = theirs->max_readahead,
		.flags = theirs->flags & (FUSE_BIG_WRITES | FUSE_MAX_PAGES | FUSE_INIT_EXT),
		.max_background = 16,
		.congestion_threshold = 12,
		.max_write = MAX_WRITE,
		.time_gran = 1,
		.max_pages = MAX_WRITE / BLOCK,
	};
	out.flags &= ~(uint32_t)FUSE_INIT_EXT;
	answer(in, 0, &out, sizeof out);
}

static void serve(const struct fuse_in_header *in)
{
	const void *body = in + 1;
	switch (in->opcode) {
	case FUSE_INIT: greet(in, body); break;
	case FUSE_LOOKUP: lookup(in, body); break;
	case FUSE_GETATTR: case FUSE_SETATTR: get_attributes(in); break;
	case FUSE_OPEN: open_file(in); break;
	case FUSE_READ: read_disk(in, body); break;
	case FUSE_WRITE: write_file(in, body); break;
	case FUSE_FSYNC:
		append(RECORD_FLUSH, 0, NULL, 0);
		answer(in, 0, NULL, 0);
		break;
	case FUSE_FLUSH: case FUSE_RELEASE: case FUSE_DESTROY: answer(in, 0, NULL, 0); break;
	case FUSE_STATFS: {
		struct fuse_statfs_out out = {.st = {.bsize = BLOCK, .namelen = NAME_MAX, .frsize = BLOCK}};
		answer(in, 0, &out, sizeof out);
		break;
	}
	case FUSE_FORGET: case FUSE_BATCH_FORGET: case FUSE_INTERRUPT: break; /* Nobody waits. */
	default: answer(in, -ENOSYS, NULL, 0);
	}
}

static void mount_on(const char *directory)
{
	char options[128];
	fuse_file = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fuse_file < 0)
		fail("/dev/fuse");
	snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fuse_file);
	if (mount("recorder", directory, "fuse.recorder", MS_NOSUID | MS_NODEV, options) != 0)
		fail("mount; it takes root");
}

int main(int argc, char **argv)
{
	struct stat image;
	if (argc != 4) {
		fprintf(stderr, "usage: recorder IMAGE LOG DIRECTORY\n");
		return 2;
	}
	image_file = open(argv[1], O_RDWR | O_CLOEXEC);
	if (image_file < 0 || fstat(image_file, &image) != 0)
		fail(argv[1]);
	image_size = (uint64_t)image.st_size;
	log_file = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	if (log_file < 0)
		fail(argv[2]);
	mount_on(argv[3]);
	puts("ready");
	fflush(stdout);
	for (;;) {
		ssize_t length = read(fuse_file, request, sizeof request);
		if (length < 0 && errno == ENODEV)
			return 0; /* Unmounted. */
		if (length < 0 && (errno == EINTR || errno == ENOENT || errno == EAGAIN))
			continue;
		if (length < (ssize_t)sizeof(struct fuse_in_header))
			fail("reading a request");
		serve((const struct fuse_in_header *)request);
	}
}
