/*
 * fsx's file behind a socket, descriptor 3, that keeps the bounds of messages: each call is a message
 * and has one for an answer.
 */
#define _GNU_SOURCE
#include "fsx-file.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { SOCKET = 3, PIECE = 1 << 16 };

/* As test/iomap/conformance/fsx.ts has them. */
enum call { CREATE, SIZE, READ, WRITE, LOAD, STORE, TRUNCATE, ALLOCATE, COPY, SYNC, REOPEN, DROP };

struct question { uint64_t call, a, b, c; };

/* Returns the answer's number, -1 with errno where it is negative; `into` takes what follows it. */
static int64_t ask(struct question question, const void *bytes, size_t size, void *into, size_t room)
{
	int64_t result = 0;
	struct iovec out[2] = {{&question, sizeof question}, {(void *)bytes, size}};
	struct iovec in[2] = {{&result, sizeof result}, {into, room}};
	struct msghdr sent = {.msg_iov = out, .msg_iovlen = 2};
	struct msghdr got = {.msg_iov = in, .msg_iovlen = 2};
	if (sendmsg(SOCKET, &sent, 0) < 0)
		return -1;
	ssize_t length = recvmsg(SOCKET, &got, 0);
	if (length < (ssize_t)sizeof result) {
		errno = length < 0 ? errno : ECONNRESET;
		return -1;
	}
	if (result >= 0)
		return result;
	errno = (int)-result;
	return -1;
}

static int64_t call(enum call which, uint64_t a, uint64_t b, uint64_t c)
{
	return ask((struct question){which, a, b, c}, NULL, 0, NULL, 0);
}

int64_t file_create(const char *path)
{
	(void)path;
	return call(CREATE, 0, 0, 0);
}

int64_t file_size(void)
{
	return call(SIZE, 0, 0, 0);
}

int64_t file_read(void *bytes, size_t size, size_t position)
{
	size_t done = 0;
	while (done < size) {
		size_t piece = size - done < PIECE ? size - done : PIECE;
		struct question question = {READ, position + done, piece, 0};
		int64_t got = ask(question, NULL, 0, (unsigned char *)bytes + done, piece);
		if (got < 0)
			return -1;
		done += (size_t)got;
		if ((size_t)got < piece)
			break;
	}
	return (int64_t)done;
}

int64_t file_write(const void *bytes, size_t size, size_t position)
{
	return ask((struct question){WRITE, position, 0, 0}, bytes, size, NULL, 0);
}

int file_load(void *bytes, size_t size, size_t position)
{
	return file_read(bytes, size, position) == (int64_t)size ? 0 : -1;
}

int file_store(const void *bytes, size_t size, size_t position, int syncs)
{
	return (int)ask((struct question){STORE, position, (uint64_t)syncs, 0}, bytes, size, NULL, 0);
}

int file_truncate(size_t size)
{
	return (int)call(TRUNCATE, size, 0, 0);
}

int file_allocate(int mode, size_t position, size_t size)
{
	return (int)call(ALLOCATE, (uint64_t)mode, position, size);
}

int64_t file_copy(size_t from, size_t to, size_t size)
{
	return call(COPY, from, to, size);
}

int file_sync(int data_only)
{
	return (int)call(SYNC, (uint64_t)data_only, 0, 0);
}

int file_reopen(void)
{
	return (int)call(REOPEN, 0, 0, 0);
}

int file_drop(void)
{
	return (int)call(DROP, 0, 0, 0);
}
