/*
 * Random operations on one file, compared with a copy in memory after each: `fsx FILE SEED SECONDS
 * [OPERATIONS [UNIT]]`, UNIT being what ranges that are taken out or put in are multiples of, in
 * bytes, where that is more than a block: a cluster. Reads and writes by call and by mapping, truncation, every mode of fallocate,
 * copies within the file, fsync, closing and opening again. Ends with 0 when all was as it should
 * be; else says at which operation it was not, and the last operations before that. What a file
 * system does not offer (EOPNOTSUPP) is left out from then on and counted.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/falloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fsx-file.h"

enum { MAX_LENGTH = 1 << 20, MAX_TRANSFER = 1 << 17, HISTORY = 64 };

enum operation {
	READ, WRITE, MAP_READ, MAP_WRITE, TRUNCATE, ALLOCATE, ALLOCATE_KEEP, PUNCH, ZERO, ZERO_KEEP,
	COLLAPSE, INSERT, COPY, SYNC, DATASYNC, REOPEN, DROP, OPERATIONS
};

static const char *const names[OPERATIONS] = {
	"read", "write", "mapped read", "mapped write", "truncate", "allocate", "allocate, keep size",
	"punch", "zero", "zero, keep size", "collapse", "insert", "copy", "fsync", "fdatasync", "reopen",
	"drop pages",
};

struct record { enum operation operation; size_t a, b, c; };

static const char *path;
static unsigned char expected[MAX_LENGTH], found[MAX_LENGTH];
static size_t length;
static uint64_t state, count;
static int missing[OPERATIONS];
static struct record history[HISTORY];
static size_t unit = 4096;

/* splitmix64 */
static uint64_t next_random(void)
{
	uint64_t mixed = (state += 0x9e3779b97f4a7c15u);
	mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
	mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
	return mixed ^ (mixed >> 31);
}

static size_t below(size_t bound)
{
	return bound == 0 ? 0 : next_random() % bound;
}

static void fail(const char *what, size_t position)
{
	fprintf(stderr, "fsx: %s: %s at byte %zu, operation %llu, length %zu, errno %d (%s)\n", path, what,
		position, (unsigned long long)count, length, errno, strerror(errno));
	uint64_t from = count < HISTORY ? 0 : count - HISTORY + 1;
	for (uint64_t at = from; at <= count; at++) {
		const struct record *one = &history[at % HISTORY];
		fprintf(stderr, "fsx: %8llu %s %zu %zu %zu\n", (unsigned long long)at, names[one->operation],
			one->a, one->b, one->c);
	}
	exit(1);
}

static void note(enum operation operation, size_t a, size_t b, size_t c)
{
	history[count % HISTORY] = (struct record){operation, a, b, c};
}

static void compare(const unsigned char *bytes, size_t position, size_t size)
{
	if (memcmp(bytes, expected + position, size) == 0)
		return;
	size_t at = 0;
	while (bytes[at] == expected[position + at])
		at++;
	fprintf(stderr, "fsx: byte %zu is 0x%02x, should be 0x%02x\n", position + at, bytes[at],
		expected[position + at]);
	errno = 0;
	fail("wrong bytes", position + at);
}

static void check_length(void)
{
	int64_t size = file_size();
	if (size < 0)
		fail("fstat", 0);
	if ((size_t)size != length) {
		fprintf(stderr, "fsx: st_size is %lld\n", (long long)size);
		errno = 0;
		fail("wrong size", length);
	}
}

static void grow_to(size_t end)
{
	if (end <= length)
		return;
	memset(expected + length, 0, end - length);
	length = end;
}

static void transfer_range(size_t limit, size_t *position, size_t *size)
{
	*position = below(limit);
	size_t most = limit - *position < MAX_TRANSFER ? limit - *position : MAX_TRANSFER;
	/* Small and whole ranges alike. */
	*size = most == 0 ? 0 : 1 + below(next_random() % 2 ? most : most < 5000 ? most : 5000);
	if (next_random() % 4 == 0) {
		*position -= *position % unit;
		size_t whole = *size - *size % unit;
		if (whole > 0 && *position + whole <= limit)
			*size = whole;
	}
}

static void do_read(void)
{
	size_t position, size;
	transfer_range(MAX_LENGTH, &position, &size);
	note(READ, position, size, 0);
	int64_t got = file_read(found, size, position);
	if (got < 0)
		fail("read", position);
	size_t wanted = position >= length ? 0 : length - position < size ? length - position : size;
	if ((size_t)got != wanted)
		fail("read of another length", position + (size_t)got);
	compare(found, position, wanted);
}

static void fill(unsigned char *bytes, size_t size)
{
	uint64_t value = next_random();
	for (size_t at = 0; at < size; at++) {
		bytes[at] = (unsigned char)(value >> (at % 8 * 8));
		if (at % 8 == 7)
			value = value * 6364136223846793005u + 1442695040888963407u;
	}
}

static void do_write(void)
{
	size_t position, size;
	transfer_range(MAX_LENGTH, &position, &size);
	note(WRITE, position, size, 0);
	fill(found, size);
	if (file_write(found, size, position) != (int64_t)size)
		fail("write", position);
	grow_to(position + size);
	memcpy(expected + position, found, size);
}

static void do_mapped(enum operation operation)
{
	if (length == 0)
		return;
	size_t position, size;
	transfer_range(length, &position, &size);
	note(operation, position, size, 0);
	if (operation == MAP_WRITE) {
		fill(found, size);
		if (file_store(found, size, position, next_random() % 4 == 0) != 0)
			fail("mapped write", position);
		memcpy(expected + position, found, size);
	} else {
		if (file_load(found, size, position) != 0)
			fail("mapped read", position);
		compare(found, position, size);
	}
}

static void do_truncate(void)
{
	size_t to = next_random() % 8 == 0 ? 0 : below(MAX_LENGTH + 1);
	note(TRUNCATE, to, 0, 0);
	if (file_truncate(to) != 0)
		fail("ftruncate", to);
	if (to > length)
		grow_to(to);
	length = to;
}

/* 0: not offered here. */
static int allocate(enum operation operation, int mode, size_t position, size_t size)
{
	note(operation, position, size, 0);
	if (file_allocate(mode, position, size) == 0)
		return 1;
	if (errno != EOPNOTSUPP)
		fail("fallocate", position);
	missing[operation] = 1;
	return 0;
}

static void zero_expected(size_t position, size_t size)
{
	if (position >= length)
		return;
	memset(expected + position, 0, length - position < size ? length - position : size);
}

static void do_allocate(enum operation operation)
{
	size_t position, size;
	transfer_range(MAX_LENGTH, &position, &size);
	switch (operation) {
	case ALLOCATE:
		if (allocate(operation, 0, position, size))
			grow_to(position + size);
		break;
	case ALLOCATE_KEEP:
		allocate(operation, FALLOC_FL_KEEP_SIZE, position, size);
		break;
	case PUNCH:
		if (allocate(operation, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, position, size))
			zero_expected(position, size);
		break;
	case ZERO:
		if (allocate(operation, FALLOC_FL_ZERO_RANGE, position, size)) {
			zero_expected(position, size);
			grow_to(position + size);
		}
		break;
	default:
		if (allocate(operation, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, position, size))
			zero_expected(position, size);
	}
}

static void do_collapse(void)
{
	if (length < 2 * unit)
		return;
	size_t units = (length - 1) / unit;
	size_t position = below(units) * unit;
	size_t most = (length - 1 - position) / unit;
	if (most == 0)
		return;
	size_t size = (1 + below(most)) * unit;
	if (!allocate(COLLAPSE, FALLOC_FL_COLLAPSE_RANGE, position, size))
		return;
	memmove(expected + position, expected + position + size, length - position - size);
	length -= size;
}

static void do_insert(void)
{
	if (length == 0 || length + unit > MAX_LENGTH)
		return;
	size_t position = below((length + unit - 1) / unit) * unit;
	if (position >= length)
		return;
	size_t size = (1 + below((MAX_LENGTH - length) / unit)) * unit;
	if (!allocate(INSERT, FALLOC_FL_INSERT_RANGE, position, size))
		return;
	memmove(expected + position + size, expected + position, length - position);
	memset(expected + position, 0, size);
	length += size;
}

static void do_copy(void)
{
	if (length == 0)
		return;
	size_t from, size;
	transfer_range(length, &from, &size);
	size_t to = below(MAX_LENGTH - size + 1);
	if (to < from + size && from < to + size)
		return; /* Overlapping ranges are refused. */
	note(COPY, from, to, size);
	size_t done = 0;
	while (done < size) {
		int64_t copied = file_copy(from + done, to + done, size - done);
		if (copied <= 0)
			fail("copy_file_range", from + done);
		done += (size_t)copied;
	}
	grow_to(to + size);
	memmove(expected + to, expected + from, size);
}

static void step(void)
{
	enum operation operation = (enum operation)below(OPERATIONS);
	if (missing[operation])
		return;
	note(operation, 0, 0, 0);
	switch (operation) {
	case READ: do_read(); break;
	case WRITE: do_write(); break;
	case MAP_READ: case MAP_WRITE: do_mapped(operation); break;
	case TRUNCATE: do_truncate(); break;
	case COLLAPSE: do_collapse(); break;
	case INSERT: do_insert(); break;
	case COPY: do_copy(); break;
	case SYNC: if (file_sync(0) != 0) fail("fsync", 0); break;
	case DATASYNC: if (file_sync(1) != 0) fail("fdatasync", 0); break;
	case REOPEN: if (file_reopen() != 0) fail("close and open", 0); break;
	case DROP: if (file_drop() != 0) fail("fadvise", 0); break;
	default: do_allocate(operation);
	}
	check_length();
}

static void compare_whole(void)
{
	int64_t got = file_read(found, MAX_LENGTH, 0);
	if (got < 0 || (size_t)got != length)
		fail("read of the whole file", 0);
	compare(found, 0, length);
}

int main(int argc, char **argv)
{
	if (argc < 4) {
		fprintf(stderr, "usage: fsx FILE SEED SECONDS [OPERATIONS [UNIT]]\n");
		return 2;
	}
	path = argv[1];
	state = strtoull(argv[2], NULL, 10);
	time_t end = time(NULL) + atol(argv[3]);
	uint64_t most = argc > 4 ? strtoull(argv[4], NULL, 10) : UINT64_MAX;
	int64_t block = file_create(path);
	if (block < 0)
		fail("open", 0);
	if ((size_t)block > unit)
		unit = (size_t)block;
	if (argc > 5)
		unit = strtoull(argv[5], NULL, 10);
	for (count = 1; count <= most && time(NULL) < end; count++) {
		step();
		if (count % 256 == 0)
			compare_whole();
	}
	count--;
	compare_whole();
	printf("%llu operations", (unsigned long long)count);
	for (int operation = 0; operation < OPERATIONS; operation++)
		if (missing[operation])
			printf(", no %s", names[operation]);
	printf("\n");
	return 0;
}
