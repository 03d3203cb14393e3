/*
 * The first of two system call filters: from Node's first instruction on, what it does not need to
 * start and what would lead out is denied. Up to the second (src/sandbox/serving-filter.ts) only
 * the program itself runs, not a byte of the image has been read: so this one may leave opening
 * and reading to the empty root, and does not depend on how some version of Node starts.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "sandbox-layers.h"
#include "seccomp-machine.h"

/* Numbers above 423 are the same on every machine. */
enum {
	PIDFD_SEND_SIGNAL = 424, IO_URING_SETUP = 425, IO_URING_REGISTER = 427, OPEN_TREE = 428,
	FSPICK = 433, PIDFD_OPEN = 434, CLONE3 = 435, PIDFD_GETFD = 438, PROCESS_MADVISE = 440,
	MOUNT_SETATTR = 442, QUOTACTL_FD = 443, LANDLOCK_FIRST = 444, MEMFD_SECRET = 447,
	PROCESS_MRELEASE = 448, X32_BIT = 0x40000000,
};

static const int denied[] = {
	/* Other processes. */
	SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_kcmp, SYS_kill, SYS_tkill,
	SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo, PIDFD_SEND_SIGNAL, PIDFD_OPEN, PIDFD_GETFD,
	PROCESS_MADVISE, PROCESS_MRELEASE, SYS_execveat,
#ifdef SYS_fork
	SYS_fork, SYS_vfork,
#endif
	/* The network, and what connects on one machine. */
	SYS_socket, SYS_socketpair, SYS_connect, SYS_bind, SYS_listen, SYS_accept, SYS_accept4,
	SYS_sendto, SYS_sendmsg, SYS_sendmmsg, SYS_recvfrom, SYS_recvmsg, SYS_recvmmsg,
	SYS_shmget, SYS_shmat, SYS_shmctl, SYS_shmdt, SYS_semget, SYS_semop, SYS_semctl,
	SYS_semtimedop, SYS_msgget, SYS_msgsnd, SYS_msgrcv, SYS_msgctl, SYS_mq_open, SYS_mq_unlink,
	SYS_mq_timedsend, SYS_mq_timedreceive, SYS_mq_notify, SYS_mq_getsetattr,
	/* Mounts and namespaces. */
	SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_unshare, SYS_setns, MOUNT_SETATTR,
	SYS_open_by_handle_at, SYS_name_to_handle_at, SYS_quotactl, QUOTACTL_FD, SYS_swapon,
	SYS_swapoff, SYS_fanotify_init, SYS_fanotify_mark,
	/* Who it is. */
	SYS_setuid, SYS_setgid, SYS_setreuid, SYS_setregid, SYS_setresuid, SYS_setresgid,
	SYS_setfsuid, SYS_setfsgid, SYS_setgroups, SYS_capset, SYS_keyctl, SYS_add_key,
	SYS_request_key,
	/* The kernel at large: rarely used, often attacked. */
	SYS_bpf, SYS_perf_event_open, SYS_userfaultfd, SYS_init_module, SYS_finit_module,
	SYS_delete_module, SYS_kexec_load, SYS_reboot, SYS_syslog, SYS_acct, SYS_settimeofday,
	SYS_clock_settime, SYS_adjtimex, SYS_clock_adjtime, SYS_sethostname, SYS_setdomainname,
	SYS_personality, SYS_lookup_dcookie, SYS_vhangup, SYS_nfsservctl, SYS_mbind,
	SYS_set_mempolicy, SYS_get_mempolicy, SYS_migrate_pages, SYS_move_pages, SYS_vmsplice,
	SYS_remap_file_pages, MEMFD_SECRET,
#ifdef SYS_kexec_file_load
	SYS_kexec_file_load,
#endif
#ifdef SYS_ioperm
	SYS_ioperm, SYS_iopl, SYS_modify_ldt, SYS_uselib, SYS_ustat, SYS_sysfs, SYS__sysctl,
#endif
	/* What would change any file, were there one that could be. */
	SYS_mknodat, SYS_setxattr, SYS_lsetxattr, SYS_fsetxattr, SYS_fchmodat, SYS_fchownat,
	SYS_linkat, SYS_symlinkat, SYS_renameat2, SYS_unlinkat, SYS_mkdirat, SYS_truncate,
};

enum { DENIED = sizeof denied / sizeof denied[0], PROGRAM_MAX = DENIED * 2 + 64 };

struct program {
	struct sock_filter lines[PROGRAM_MAX];
	unsigned short length;
};

static void add(struct program *program, struct sock_filter line) {
	program->lines[program->length++] = line;
}

static void load(struct program *program, size_t offset) {
	add(program, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offset));
}

static void answer(struct program *program, unsigned action) {
	add(program, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action));
}

/* Answers with the action where what is loaded compares so with the value; else goes on. */
static void answer_if(struct program *program, unsigned test, unsigned value, unsigned action) {
	add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | test | BPF_K, value, 0, 1));
	answer(program, action);
}

#define REFUSE(error) (SECCOMP_RET_ERRNO | (error))

static void write_program(struct program *program) {
	load(program, offsetof(struct seccomp_data, arch));
	add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SECCOMP_MACHINE, 1, 0));
	answer(program, SECCOMP_RET_KILL_PROCESS);
	load(program, offsetof(struct seccomp_data, nr));
	answer_if(program, BPF_JGE, X32_BIT, REFUSE(EPERM));
	for (int index = 0; index < DENIED; index++) {
		answer_if(program, BPF_JEQ, (unsigned)denied[index], REFUSE(EPERM));
	}
	/* libuv and glibc then take what is there without these: epoll, and clone, whose flags can
	 * be seen. */
	for (unsigned number = IO_URING_SETUP; number <= IO_URING_REGISTER; number++) {
		answer_if(program, BPF_JEQ, number, REFUSE(ENOSYS));
	}
	answer_if(program, BPF_JEQ, CLONE3, REFUSE(ENOSYS));
	for (unsigned number = OPEN_TREE; number <= FSPICK; number++) {
		answer_if(program, BPF_JEQ, number, REFUSE(EPERM));
	}
	for (unsigned number = LANDLOCK_FIRST; number < LANDLOCK_FIRST + 3; number++) {
		answer_if(program, BPF_JEQ, number, REFUSE(EPERM));
	}
	/* clone makes threads, and nothing but threads. */
	add(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 1, 0));
	answer(program, SECCOMP_RET_ALLOW);
	load(program, offsetof(struct seccomp_data, args[0]));
	answer_if(program, BPF_JSET, CLONE_THREAD, SECCOMP_RET_ALLOW);
	answer(program, REFUSE(EPERM));
}

bool sandbox_seccomp(struct problem *problem) {
	struct program program = {.length = 0};
	write_program(&program);
	struct sock_fprog filter = {.len = program.length, .filter = program.lines};
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0 ||
	       problem_set(problem, errno, "no system call filter");
}
