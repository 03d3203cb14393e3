#pragma once

#include <linux/audit.h>

/* The machine whose system calls a filter's numbers are: all others end the process. */
#if defined(__x86_64__)
#define SECCOMP_MACHINE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define SECCOMP_MACHINE AUDIT_ARCH_AARCH64
#else
#error "no system call filter for this machine"
#endif
