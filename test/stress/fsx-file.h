/*
 * The file that fsx works on, wherever it lies: fsx-posix.c has it in a mounted file system, fsx-socket.c
 * behind a socket. Positions and sizes are in bytes; what fails returns -1 and sets errno.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* Makes it anew. Returns what it is allocated in. */
int64_t file_create(const char *path);
int64_t file_size(void);
/* They return how many bytes were read or written. */
int64_t file_read(void *bytes, size_t size, size_t position);
int64_t file_write(const void *bytes, size_t size, size_t position);
/* The same through a mapping, within the size. */
int file_load(void *bytes, size_t size, size_t position);
int file_store(const void *bytes, size_t size, size_t position, int syncs);
int file_truncate(size_t size);
/* `mode` as fallocate(2) takes it. */
int file_allocate(int mode, size_t position, size_t size);
/* copy_file_range(2) within the file; returns how many bytes were copied. */
int64_t file_copy(size_t from, size_t to, size_t size);
int file_sync(int data_only);
int file_reopen(void);
/* Clean pages go: what is read next comes from the file system. */
int file_drop(void);
