#include "keeper-filter.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "seccomp-machine.h"

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offsetof(struct seccomp_data, field))
#define ANSWER(action) BPF_STMT(BPF_RET | BPF_K, (action))
/* Else the next is skipped. */
#define IF_EQUAL(value) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)(value), 0, 1)
#define ALLOW_IF_EQUAL(value) IF_EQUAL(value), ANSWER(SECCOMP_RET_ALLOW)

bool keeper_filter(pid_t server) {
	const struct sock_filter lines[] = {
		LOAD(arch),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SECCOMP_MACHINE, 1, 0),
		ANSWER(SECCOMP_RET_KILL_PROCESS),
		LOAD(nr),
		ALLOW_IF_EQUAL(SYS_read),
#ifdef SYS_poll
		ALLOW_IF_EQUAL(SYS_poll),
#endif
		ALLOW_IF_EQUAL(SYS_ppoll),
		ALLOW_IF_EQUAL(SYS_wait4),
		ALLOW_IF_EQUAL(SYS_restart_syscall),
		/* To end as the server did. */
		ALLOW_IF_EQUAL(SYS_rt_sigaction),
		ALLOW_IF_EQUAL(SYS_rt_sigprocmask),
		ALLOW_IF_EQUAL(SYS_rt_sigreturn),
		ALLOW_IF_EQUAL(SYS_getpid),
		ALLOW_IF_EQUAL(SYS_exit_group),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_kill, 1, 0),
		ANSWER(SECCOMP_RET_ERRNO | EPERM),
		LOAD(args[0]),
		ALLOW_IF_EQUAL(server),
		ALLOW_IF_EQUAL(getpid()),
		ANSWER(SECCOMP_RET_ERRNO | EPERM),
	};
	const struct sock_fprog filter = {
		.len = sizeof lines / sizeof lines[0],
		.filter = (struct sock_filter *)lines,
	};
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}
