/*
 * Runs a program on a kernel that has, or permits, less than this one, as root alone can have it without
 * no_new_privs, so that set-uid programs below it work as ever:
 *
 *   deny-call private-mount PROGRAM ...      no mount is made private: as where a user namespace comes
 *                                            without rights. EACCES
 *   deny-call close_range PROGRAM ...        as before Linux 5.9. ENOSYS; and the program has descriptor
 *                                            2000 open, above the limit that it finds
 *   deny-call user-namespace PROGRAM ...     a process makes none for itself: as under a limit of the
 *                                            system's. ENOSPC
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

enum { HIGH = 2000, LIMIT = 1024, FLAGS = 3 };

#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)(offset))
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define REFUSE(error) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error))

static int install(struct sock_filter *lines, size_t bytes) {
	struct sock_fprog program = {.len = (unsigned short)(bytes / sizeof *lines), .filter = lines};
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static int deny_private_mounts(void) {
	struct sock_filter lines[] = {
		LOAD(offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mount, 0, 3),
		LOAD(offsetof(struct seccomp_data, args[FLAGS])),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, MS_PRIVATE, 0, 1),
		REFUSE(EACCES),
		ALLOW,
	};
	return install(lines, sizeof lines);
}

static int deny_close_range(void) {
	struct sock_filter lines[] = {
		LOAD(offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_close_range, 0, 1),
		REFUSE(ENOSYS),
		ALLOW,
	};
	struct rlimit high = {HIGH + 1, HIGH + 1}, low = {LIMIT, LIMIT};
	if (setrlimit(RLIMIT_NOFILE, &high) != 0 || dup2(STDIN_FILENO, HIGH) != HIGH ||
	    setrlimit(RLIMIT_NOFILE, &low) != 0) {
		return -1;
	}
	return install(lines, sizeof lines);
}

static int deny_user_namespaces(void) {
	struct sock_filter lines[] = {
		LOAD(offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_unshare, 0, 1),
		REFUSE(ENOSPC),
		ALLOW,
	};
	return install(lines, sizeof lines);
}

int main(int argc, char **argv) {
	if (argc < 3) {
		return 2;
	}
	int result = strcmp(argv[1], "close_range") == 0      ? deny_close_range()
	             : strcmp(argv[1], "private-mount") == 0  ? deny_private_mounts()
	             : strcmp(argv[1], "user-namespace") == 0 ? deny_user_namespaces()
	                                                      : -1;
	if (result == 0) {
		execvp(argv[2], argv + 2);
	}
	perror(argv[1]);
	return 127;
}
