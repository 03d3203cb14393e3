/*
 * Around the page cache, and without waiting.
 *
 * `direct write FILE POSITION LENGTH BYTE`: one O_DIRECT write.
 * `direct read FILE POSITION LENGTH`: one O_DIRECT read, whose bytes go to stdout.
 * `direct aio FILE SEED BLOCKS ROUNDS`: keeps up to 16 writes of 4 KiB under way by io_submit, O_DIRECT,
 *   no two on one block at a time; reads all back the same way and compares.
 * `direct extend FILE COUNT`: COUNT writes beyond the end, all submitted at once, from the last block to
 *   the first; the file must then have every one of them.
 * `direct mixed FILE SEED BLOCKS ROUNDS`: direct writes, buffered writes and both kinds of reads in turn
 *   on one file, compared with memory.
 *
 * Exit status 0; 1 with a line that says what is wrong; 77 where O_DIRECT is not offered.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { BLOCK = 4096, DEPTH = 16, NOT_OFFERED = 77 };

static void fail(const char *what)
{
	fprintf(stderr, "direct: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t next_random(uint64_t *state)
{
	uint64_t mixed = (*state += 0x9e3779b97f4a7c15u);
	mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
	mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
	return mixed ^ (mixed >> 31);
}

static unsigned char *aligned(size_t bytes)
{
	void *at = NULL;
	if (posix_memalign(&at, BLOCK, bytes) != 0)
		fail("memory");
	memset(at, 0, bytes);
	return at;
}

static int open_direct(const char *path)
{
	int file = open(path, O_RDWR | O_CREAT | O_DIRECT | O_CLOEXEC, 0644);
	if (file < 0 && errno == EINVAL)
		exit(NOT_OFFERED);
	if (file < 0)
		fail(path);
	return file;
}

static void submit(aio_context_t context, struct iocb *one)
{
	if (syscall(SYS_io_submit, context, 1L, &one) != 1)
		fail("io_submit");
}

/* Returns the block number that was given as the request's data. */
static uint64_t collect(aio_context_t context)
{
	struct io_event event;
	if (syscall(SYS_io_getevents, context, 1L, 1L, &event, NULL) != 1)
		fail("io_getevents");
	if (event.res != BLOCK) {
		errno = event.res < 0 ? (int)-event.res : 0;
		fail("a request did less than a block");
	}
	return event.data;
}

static struct iocb request(int opcode, int file, uint64_t block, void *bytes)
{
	return (struct iocb){
		.aio_data = block, .aio_lio_opcode = (uint16_t)opcode, .aio_fildes = (uint32_t)file,
		.aio_buf = (uintptr_t)bytes, .aio_nbytes = BLOCK, .aio_offset = (int64_t)(block * BLOCK),
	};
}

static aio_context_t new_context(void)
{
	aio_context_t context = 0;
	if (syscall(SYS_io_setup, DEPTH, &context) != 0)
		fail("io_setup");
	return context;
}

static void compare(const unsigned char *found, const unsigned char *wanted, uint64_t block, const char *how)
{
	if (memcmp(found, wanted, BLOCK) == 0)
		return;
	fprintf(stderr, "direct: block %llu, %s, is %02x and should be %02x\n", (unsigned long long)block, how,
		found[0], wanted[0]);
	exit(1);
}

/* Each block is either free or under way; a write to one that is under way waits for any to end. */
static void asynchronous(const char *path, uint64_t seed, uint64_t blocks, uint64_t rounds)
{
	int file = open_direct(path);
	aio_context_t context = new_context();
	unsigned char *wanted = aligned(blocks * BLOCK), *found = aligned(BLOCK);
	unsigned char *busy = calloc(blocks, 1);
	struct iocb *requests = calloc(blocks, sizeof *requests);
	unsigned under_way = 0;
	if (busy == NULL || requests == NULL)
		fail("memory");
	for (uint64_t round = 0; round < rounds; round++) {
		uint64_t block = next_random(&seed) % blocks;
		while (under_way == DEPTH || busy[block]) {
			busy[collect(context)] = 0;
			under_way--;
		}
		memset(wanted + block * BLOCK, (int)(1 + next_random(&seed) % 255), BLOCK);
		requests[block] = request(IOCB_CMD_PWRITE, file, block, wanted + block * BLOCK);
		busy[block] = 1;
		under_way++;
		submit(context, &requests[block]);
	}
	for (; under_way > 0; under_way--)
		collect(context);
	if (fsync(file) != 0 || ftruncate(file, (off_t)(blocks * BLOCK)) != 0)
		fail("fsync, ftruncate");
	for (uint64_t block = 0; block < blocks; block++) {
		struct iocb one = request(IOCB_CMD_PREAD, file, block, found);
		submit(context, &one);
		collect(context);
		compare(found, wanted + block * BLOCK, block, "read back");
	}
}

static void extend(const char *path, uint64_t count)
{
	int file = open_direct(path);
	aio_context_t context = new_context();
	if (count > DEPTH) {
		fprintf(stderr, "direct: extend takes at most %d\n", DEPTH);
		exit(2);
	}
	unsigned char *bytes = aligned(count * BLOCK), *found = aligned(BLOCK);
	struct iocb requests[DEPTH];
	for (uint64_t index = count; index-- > 0;) {
		memset(bytes + index * BLOCK, (int)(index + 1), BLOCK);
		requests[index] = request(IOCB_CMD_PWRITE, file, index, bytes + index * BLOCK);
		submit(context, &requests[index]);
	}
	for (uint64_t index = 0; index < count; index++)
		collect(context);
	for (uint64_t index = 0; index < count; index++) {
		if (pread(file, found, BLOCK, (off_t)(index * BLOCK)) != BLOCK)
			fail("pread");
		compare(found, bytes + index * BLOCK, index, "of those beyond the end");
	}
}

static void mixed(const char *path, uint64_t seed, uint64_t blocks, uint64_t rounds)
{
	int around = open_direct(path), through = open(path, O_RDWR | O_CLOEXEC);
	unsigned char *wanted = aligned(blocks * BLOCK), *one = aligned(BLOCK);
	if (through < 0 || ftruncate(through, (off_t)(blocks * BLOCK)) != 0)
		fail(path);
	for (uint64_t round = 0; round < rounds; round++) {
		uint64_t block = next_random(&seed) % blocks;
		unsigned char *here = wanted + block * BLOCK;
		int is_direct = (int)(next_random(&seed) % 2), file = is_direct ? around : through;
		if (next_random(&seed) % 2) {
			memset(here, (int)(1 + next_random(&seed) % 255), BLOCK);
			if (pwrite(file, here, BLOCK, (off_t)(block * BLOCK)) != BLOCK)
				fail("pwrite");
		} else {
			if (pread(file, one, BLOCK, (off_t)(block * BLOCK)) != BLOCK)
				fail("pread");
			compare(one, here, block, is_direct ? "read directly" : "read through the cache");
		}
	}
}

static void once(char **argv, int writes)
{
	int file = open_direct(argv[2]);
	off_t position = (off_t)strtoull(argv[3], NULL, 10);
	size_t length = strtoull(argv[4], NULL, 10);
	unsigned char *bytes = aligned(length + BLOCK);
	ssize_t done;
	if (writes) {
		memset(bytes, (int)strtoul(argv[5], NULL, 10), length);
		done = pwrite(file, bytes, length, position);
	} else {
		done = pread(file, bytes, length, position);
	}
	if (done < 0)
		fail(writes ? "pwrite" : "pread");
	if (writes && (size_t)done != length) {
		fprintf(stderr, "direct: %zd of %zu bytes written\n", done, length);
		exit(1);
	}
	if (!writes && fwrite(bytes, 1, (size_t)done, stdout) != (size_t)done)
		fail("stdout");
}

int main(int argc, char **argv)
{
	uint64_t numbers[3] = {0};
	for (int index = 3; index < argc && index < 6; index++)
		numbers[index - 3] = strtoull(argv[index], NULL, 10);
	if (argc == 6 && strcmp(argv[1], "write") == 0)
		once(argv, 1);
	else if (argc == 5 && strcmp(argv[1], "read") == 0)
		once(argv, 0);
	else if (argc == 6 && strcmp(argv[1], "aio") == 0)
		asynchronous(argv[2], numbers[0], numbers[1], numbers[2]);
	else if (argc == 4 && strcmp(argv[1], "extend") == 0)
		extend(argv[2], numbers[0]);
	else if (argc == 6 && strcmp(argv[1], "mixed") == 0)
		mixed(argv[2], numbers[0], numbers[1], numbers[2]);
	else {
		fprintf(stderr, "usage: direct write|read|aio|extend|mixed FILE … (see the head of direct.c)\n");
		return 2;
	}
	return 0;
}
