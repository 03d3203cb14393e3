/* fsx's file in a mounted file system. */
#define _GNU_SOURCE
#include "fsx-file.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *name;
static int file;

int64_t file_create(const char *path)
{
	struct stat made;
	name = path;
	file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
	if (file < 0 || fstat(file, &made) != 0)
		return -1;
	return made.st_blksize;
}

int64_t file_size(void)
{
	struct stat now;
	return fstat(file, &now) == 0 ? now.st_size : -1;
}

int64_t file_read(void *bytes, size_t size, size_t position)
{
	return pread(file, bytes, size, (off_t)position);
}

int64_t file_write(const void *bytes, size_t size, size_t position)
{
	return pwrite(file, bytes, size, (off_t)position);
}

static unsigned char *map(size_t size, size_t position, int protection)
{
	size_t start = position - position % 4096;
	void *at = mmap(NULL, position + size - start, protection, MAP_SHARED, file, (off_t)start);
	return at == MAP_FAILED ? NULL : at;
}

static int unmap(unsigned char *at, size_t size, size_t position)
{
	return munmap(at, position % 4096 + size);
}

int file_load(void *bytes, size_t size, size_t position)
{
	unsigned char *at = map(size, position, PROT_READ);
	if (at == NULL)
		return -1;
	memcpy(bytes, at + position % 4096, size);
	return unmap(at, size, position);
}

int file_store(const void *bytes, size_t size, size_t position, int syncs)
{
	unsigned char *at = map(size, position, PROT_READ | PROT_WRITE);
	if (at == NULL)
		return -1;
	memcpy(at + position % 4096, bytes, size);
	int synced = syncs ? msync(at, position % 4096 + size, MS_SYNC) : 0;
	return unmap(at, size, position) == 0 ? synced : -1;
}

int file_truncate(size_t size)
{
	return ftruncate(file, (off_t)size);
}

int file_allocate(int mode, size_t position, size_t size)
{
	return fallocate(file, mode, (off_t)position, (off_t)size);
}

int64_t file_copy(size_t from, size_t to, size_t size)
{
	off64_t in = (off64_t)from, out = (off64_t)to;
	return copy_file_range(file, &in, file, &out, size, 0);
}

int file_sync(int data_only)
{
	return data_only ? fdatasync(file) : fsync(file);
}

int file_reopen(void)
{
	if (close(file) != 0)
		return -1;
	file = open(name, O_RDWR);
	return file < 0 ? -1 : 0;
}

int file_drop(void)
{
	return fsync(file) != 0 || posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED) != 0 ? -1 : 0;
}
