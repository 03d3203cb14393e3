#include "policy.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "installed.h"
#include "privileges.h"
#include "process.h"
#include "report.h"

enum {
	LINE_MAX_BYTES = 1024,
	LINES_MAX = 1024,
	MOUNTS_MAX = 1000,
	GROUPS_MAX = 65536, /* NGROUPS_MAX of the kernel. */
};

struct reader {
	struct policy *policy;
	const struct caller *caller;
	FILE *users, *groups;
	char *message;
	size_t size;
	int line;
};

static bool wrong(const struct reader *reader, const char *what, const char *word) {
	snprintf(reader->message, reader->size, "line %d: %s: %.64s", reader->line, what, word);
	return false;
}

/* Decimal digits alone, up to max. */
static bool take_number(const char *word, unsigned long max, unsigned long *number) {
	unsigned long value = 0;
	if (*word == 0) {
		return false;
	}
	for (; *word != 0; word++) {
		if (*word < '0' || *word > '9') {
			return false;
		}
		value = value * 10 + (unsigned long)(*word - '0');
		if (value > max) {
			return false;
		}
	}
	*number = value;
	return true;
}

static bool take_switch(const struct reader *reader, const char *word, bool *is_on) {
	*is_on = strcmp(word, "yes") == 0;
	return *is_on || strcmp(word, "no") == 0 || wrong(reader, "neither yes nor no", word);
}

static bool find_user(FILE *users, const char *name, unsigned long *id) {
	struct passwd *entry;
	if (users == NULL) {
		return false;
	}
	rewind(users);
	/* Of this file alone: the name service would load modules of others, in a process that holds
	 * root's rights. Users from elsewhere are named by their numbers. */
	while ((entry = fgetpwent(users)) != NULL) {
		if (strcmp(entry->pw_name, name) == 0) {
			*id = entry->pw_uid;
			return true;
		}
	}
	return false;
}

static bool find_group(FILE *groups, const char *name, unsigned long *id) {
	struct group *entry;
	if (groups == NULL) {
		return false;
	}
	rewind(groups);
	while ((entry = fgetgrent(groups)) != NULL) {
		if (strcmp(entry->gr_name, name) == 0) {
			*id = entry->gr_gid;
			return true;
		}
	}
	return false;
}

static bool take_user(struct reader *reader, const char *word) {
	unsigned long id;
	if (strcmp(word, "all") == 0) {
		reader->policy->is_user = true;
		return true;
	}
	if (!take_number(word, UINT_MAX - 1, &id) && !find_user(reader->users, word, &id)) {
		return wrong(reader, "no such user in /etc/passwd", word);
	}
	reader->policy->is_user = reader->policy->is_user || id == reader->caller->uid;
	return true;
}

static bool take_group(struct reader *reader, const char *word) {
	unsigned long id;
	if (!take_number(word, UINT_MAX - 1, &id) && !find_group(reader->groups, word, &id)) {
		return wrong(reader, "no such group in /etc/group", word);
	}
	for (int index = 0; index < reader->caller->group_count; index++) {
		reader->policy->is_user =
			reader->policy->is_user || id == reader->caller->groups[index];
	}
	return true;
}

static bool take_allow_other(struct reader *reader, const char *word) {
	return take_switch(reader, word, &reader->policy->allow_other);
}

static bool take_noexec(struct reader *reader, const char *word) {
	return take_switch(reader, word, &reader->policy->noexec);
}

static bool take_mounts(struct reader *reader, const char *word) {
	unsigned long count;
	if (!take_number(word, MOUNTS_MAX, &count)) {
		return wrong(reader, "not a number from 0 to 1000", word);
	}
	reader->policy->mounts_max = (unsigned)count;
	return true;
}

static bool take_iomap(struct reader *reader, const char *word) {
	return take_switch(reader, word, &reader->policy->iomap);
}

static bool take_loop(struct reader *reader, const char *word) {
	return take_switch(reader, word, &reader->policy->loop);
}

/* Not off: the helper starts no server without a sandbox, whatever this file says. */
static bool take_require_sandbox(struct reader *reader, const char *word) {
	enum sandbox_level *level = &reader->policy->require_sandbox;
	return (level_parse(word, level) && *level != SANDBOX_OFF) ||
	       wrong(reader, "none of partial, normal, strict", word);
}

static const struct key {
	const char *name;
	bool (*take)(struct reader *reader, const char *word);
	bool is_list; /* One word or more, else exactly one. */
} keys[] = {
	{"users", take_user, true},
	{"groups", take_group, true},
	{"allow_other", take_allow_other, false},
	{"mounts_per_user", take_mounts, false},
	{"noexec", take_noexec, false},
	{"iomap", take_iomap, false},
	{"loop", take_loop, false},
	{"require_sandbox", take_require_sandbox, false},
};

enum { KEY_COUNT = sizeof keys / sizeof keys[0] };

static bool take_line(struct reader *reader, char *line, bool seen[KEY_COUNT]) {
	static const char blanks[] = " \t";
	char *rest = NULL;
	const char *name = strtok_r(line, blanks, &rest);
	if (name == NULL || name[0] == '#') {
		return true;
	}
	for (int index = 0; index < KEY_COUNT; index++) {
		const struct key *key = &keys[index];
		if (strcmp(name, key->name) != 0) {
			continue;
		}
		if (seen[index]) {
			return wrong(reader, "a second time", name);
		}
		seen[index] = true;
		const char *word = strtok_r(NULL, blanks, &rest);
		if (word == NULL) {
			return wrong(reader, "without a value", name);
		}
		for (int count = 0; word != NULL; word = strtok_r(NULL, blanks, &rest), count++) {
			if (count > 0 && !key->is_list) {
				return wrong(reader, "more than one value", word);
			}
			if (!key->take(reader, word)) {
				return false;
			}
		}
		return true;
	}
	return wrong(reader, "unknown setting", name);
}

bool policy_parse(FILE *text, FILE *users, FILE *groups, const struct caller *caller,
                  struct policy *policy, char *message, size_t size) {
	struct reader reader = {policy, caller, users, groups, message, size, 0};
	bool seen[KEY_COUNT] = {false};
	char line[LINE_MAX_BYTES + 2];
	/* What is not said is not permitted; for iomap there is a switch of the kernel's, off until root
	 * turns it on. */
	*policy = (struct policy){.noexec = true, .iomap = true};
	while (fgets(line, sizeof line, text) != NULL) {
		reader.line++;
		size_t length = strlen(line);
		if (length > 0 && line[length - 1] == '\n') {
			line[--length] = 0;
		} else if (!feof(text)) {
			/* Too long, or a zero byte in it. */
			return wrong(&reader, "too long, or not text", "");
		}
		for (size_t at = 0; at < length; at++) {
			unsigned char byte = (unsigned char)line[at];
			if ((byte < 0x20 && byte != '\t') || byte == 0x7f) {
				return wrong(&reader, "a control character", "");
			}
		}
		if (reader.line > LINES_MAX) {
			return wrong(&reader, "too many lines", "");
		}
		if (!take_line(&reader, line, seen)) {
			return false;
		}
	}
	if (ferror(text)) {
		snprintf(message, size, "cannot be read");
		return false;
	}
	return true;
}

/* fopen(3) with root's rights, or the caller's again. */
static FILE *open_as_root(const char *path) {
	privileges_raise();
	/* Looked at before and after: in directories that only root may change it is the same file. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
	int error = errno;
	privileges_lower();
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	if (file == NULL) {
		fd_close(&fd);
	}
	errno = error;
	return file;
}

static bool is_caller_known(struct caller *caller, gid_t *groups) {
	int count = getgroups(GROUPS_MAX, groups);
	if (count < 0) {
		return false;
	}
	groups[count] = getgid();
	*caller = (struct caller){getuid(), groups, count + 1};
	return true;
}

bool policy_read(struct policy *policy) {
	char message[512];
	gid_t *groups = calloc(GROUPS_MAX + 1, sizeof *groups);
	struct caller caller;
	privileges_raise();
	bool is_safe = installed_is_safe(POLICY_PATH, message, sizeof message);
	privileges_lower();
	if (!is_safe || groups == NULL || !is_caller_known(&caller, groups)) {
		report_failure(FAIL_POLICY, 0, "no policy that can be trusted: %s",
		               is_safe ? "the caller's groups can't be read" : message);
		free(groups);
		return false;
	}
	FILE *text = open_as_root(POLICY_PATH);
	FILE *user_names = fopen("/etc/passwd", "re");
	FILE *group_names = fopen("/etc/group", "re");
	bool is_read = false;
	if (text == NULL) {
		snprintf(message, sizeof message, "%s", strerror(errno));
	} else {
		is_read =
			policy_parse(text, user_names, group_names, &caller, policy, message, sizeof message);
		fclose(text);
	}
	if (user_names != NULL) {
		fclose(user_names);
	}
	if (group_names != NULL) {
		fclose(group_names);
	}
	free(groups);
	if (!is_read) {
		report_failure(FAIL_POLICY, 0, "%s, %s", POLICY_PATH, message);
		return false;
	}
	if (getuid() == 0) {
		policy->is_user = policy->allow_other = policy->loop = true;
		policy->mounts_max = MOUNTS_MAX;
	}
	return true;
}
