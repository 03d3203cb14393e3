#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

#include "options.h"

/*
 * /etc/ext4box.conf: what the administrator permits the privileged helper to do for whom.
 * docs/ext4box.conf.md describes it. Root is bound by none of it but noexec, iomap and
 * require_sandbox.
 */
struct policy {
	bool is_user;      /* The caller may use the helper. */
	bool allow_other;
	bool noexec;       /* Whether asked for or not. */
	unsigned mounts_max; /* Of one user, at the same time. */
	bool iomap;        /* A kernel whose own switch is on may move the data itself. */
	bool loop;         /* A file may be attached to a loop device. */
	enum sandbox_level require_sandbox; /* Nothing is served with less. */
};

/* Whom a policy is read for. */
struct caller {
	uid_t uid;
	const gid_t *groups; /* All of them. */
	int group_count;
};

/*
 * Reads the policy's text. users and groups are passwd(5) and group(5), for names; NULL: none are
 * known. False with "line N: ..." in message.
 */
bool policy_parse(FILE *text, FILE *users, FILE *groups, const struct caller *caller,
                  struct policy *policy, char *message, size_t size);

/* Reads the file, unless somebody else than root could have written it. False is reported. */
bool policy_read(struct policy *policy);
