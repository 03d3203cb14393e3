#include "mountinfo.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const subtypes[] = {"ext4box", "ext4", "ext3", "ext2"};

const char *mountinfo_subtype(const char *name) {
	for (size_t index = 0; index < sizeof subtypes / sizeof subtypes[0]; index++) {
		if (strcmp(name, subtypes[index]) == 0) {
			return subtypes[index];
		}
	}
	return NULL;
}

static bool is_our_type(const char *type) {
	static const char prefix[] = "fuse.";
	return strncmp(type, prefix, sizeof prefix - 1) == 0 &&
	       mountinfo_subtype(type + sizeof prefix - 1) != NULL;
}

/* The kernel writes space, tab, line feed, backslash and '#' as a backslash and three octal digits. */
static bool decode_path(const char *from, char *to) {
	size_t length = 0;
	while (*from != 0) {
		char byte = *from++;
		if (byte == '\\' && from[0] >= '0' && from[0] <= '3' && from[1] >= '0' && from[1] <= '7' &&
		    from[2] >= '0' && from[2] <= '7') {
			byte = (char)((from[0] - '0') << 6 | (from[1] - '0') << 3 | (from[2] - '0'));
			from += 3;
		}
		if (length >= PATH_MAX - 1) {
			return false;
		}
		to[length++] = byte;
	}
	to[length] = 0;
	return true;
}

/* "rw,user_id=1000,...": the kernel's own words, behind what the mounter may have chosen. */
static bool find_user(const char *options, unsigned *user) {
	static const char name[] = "user_id=";
	while (options != NULL) {
		if (strncmp(options, name, sizeof name - 1) == 0) {
			return sscanf(options + sizeof name - 1, "%u", user) == 1;
		}
		options = strchr(options, ',');
		options = options == NULL ? NULL : options + 1;
	}
	return false;
}

bool mountinfo_parse(char *line, struct mountinfo *mount) {
	/* ID PARENT MAJOR:MINOR ROOT MOUNTPOINT OPTIONS [TAG...] - TYPE SOURCE OPTIONS */
	char *rest = NULL;
	const char *id = strtok_r(line, " \n", &rest);
	const char *parent = strtok_r(NULL, " \n", &rest);
	const char *device = strtok_r(NULL, " \n", &rest);
	const char *root = strtok_r(NULL, " \n", &rest);
	const char *path = strtok_r(NULL, " \n", &rest);
	if (id == NULL || parent == NULL || device == NULL || root == NULL || path == NULL) {
		return false;
	}
	if (sscanf(id, "%u", &mount->id) != 1 || sscanf(parent, "%u", &mount->parent) != 1 ||
	    sscanf(device, "%u:%u", &mount->major, &mount->minor) != 2) {
		return false;
	}
	const char *word = strtok_r(NULL, " \n", &rest);
	while (word != NULL && strcmp(word, "-") != 0) {
		word = strtok_r(NULL, " \n", &rest);
	}
	const char *type = strtok_r(NULL, " \n", &rest);
	/* An empty source would make the options seem to be it: then there are none. */
	const char *source = strtok_r(NULL, " \n", &rest);
	const char *options = source == NULL ? NULL : strtok_r(NULL, " \n", &rest);
	mount->is_ext4box = type != NULL && is_our_type(type);
	mount->has_user = find_user(options, &mount->user);
	if (!decode_path(path, mount->path)) {
		mount->path[0] = 0;
	}
	return true;
}

typedef void visit(const struct mountinfo *mount, void *context);

static bool each_mount(visit *visitor, void *context) {
	FILE *table = fopen("/proc/self/mountinfo", "re");
	if (table == NULL) {
		return false;
	}
	char *line = NULL;
	size_t size = 0;
	struct mountinfo mount;
	while (getline(&line, &size, table) >= 0) {
		if (mountinfo_parse(line, &mount)) {
			visitor(&mount, context);
		}
	}
	/* Without memory for a line, that is no error of the file's, nor its end. */
	bool whole = feof(table) && !ferror(table);
	int error = errno;
	free(line);
	fclose(table);
	errno = error;
	return whole;
}

struct search {
	const char *path;
	unsigned id, major, minor;
	struct mountinfo *found;
	bool is_found;
	bool is_covered;
};

/* The table is in the order of mounting, so the last on a path is the one that is seen. */
static void visit_path(const struct mountinfo *mount, void *context) {
	struct search *search = context;
	if (strcmp(mount->path, search->path) == 0) {
		*search->found = *mount;
		search->is_found = true;
	}
}

static void visit_id(const struct mountinfo *mount, void *context) {
	struct search *search = context;
	if (mount->id == search->id && mount->major == search->major &&
	    mount->minor == search->minor && mount->is_ext4box) {
		*search->found = *mount;
		search->is_found = true;
	} else if (search->is_found && strcmp(mount->path, search->found->path) == 0) {
		search->is_covered = true;
	}
}

static enum lookup look(visit *visitor, struct search *search) {
	if (!each_mount(visitor, search)) {
		return LOOKUP_UNREADABLE;
	}
	return search->is_found ? LOOKUP_FOUND : LOOKUP_ABSENT;
}

enum lookup mountinfo_at(const char *path, struct mountinfo *mount) {
	struct search search = {.path = path, .found = mount};
	return look(visit_path, &search);
}

enum lookup mountinfo_find(unsigned id, unsigned major, unsigned minor, struct mountinfo *mount,
                           bool *is_covered) {
	struct search search = {.id = id, .major = major, .minor = minor, .found = mount};
	enum lookup result = look(visit_id, &search);
	*is_covered = search.is_covered;
	return result;
}

struct count {
	unsigned user, count;
};

static void visit_user(const struct mountinfo *mount, void *context) {
	struct count *count = context;
	if (mount->is_ext4box && mount->has_user && mount->user == count->user) {
		count->count++;
	}
}

bool mountinfo_count(unsigned user, unsigned *count) {
	struct count context = {.user = user};
	bool whole = each_mount(visit_user, &context);
	*count = context.count;
	return whole;
}
