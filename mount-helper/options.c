#include "options.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "installed.h"
#include "mountinfo.h"

/*
 * Long options only, spelled in full, a value always in an argument of its own, each at most once:
 * strict, because the one caller is our own launcher, and every laxness is something to smuggle in.
 */

struct parser {
	struct options *options;
	char *message;
	size_t message_size;
};

typedef bool take_value(struct parser *parser, const char *value);

struct option {
	const char *name;
	unsigned actions; /* Bits by enum action. */
	bool is_required;
	take_value *take; /* NULL: a flag. */
	size_t flag;      /* Offset of a flag's bool in struct options. */
};

static bool wrong(struct parser *parser, const char *what, const char *value) {
	/* %.64s: an argument may be long, and this line is for a person. */
	snprintf(parser->message, parser->message_size, "%s: %.64s", what, value);
	return false;
}

static bool take_path(struct parser *parser, const char *value, const char **path) {
	size_t length = strlen(value);
	if (length == 0 || length >= PATH_MAX) {
		return wrong(parser, "not a path", value);
	}
	*path = value;
	return true;
}

static bool take_image(struct parser *parser, const char *value) {
	return take_path(parser, value, &parser->options->image);
}

static bool take_mountpoint(struct parser *parser, const char *value) {
	return take_path(parser, value, &parser->options->mountpoint);
}

static bool take_fsname(struct parser *parser, const char *value) {
	size_t length = strlen(value);
	if (length == 0 || length > FSNAME_MAX) {
		return wrong(parser, "fsname is empty or too long", value);
	}
	for (const unsigned char *at = (const unsigned char *)value; *at != 0; at++) {
		/* Tab and line feed come out as \011 and \012 in the kernel's tables; these would as they are. */
		if ((*at < 0x20 && *at != '\t' && *at != '\n') || *at == 0x7f) {
			return wrong(parser, "fsname has a control character", "");
		}
	}
	parser->options->fsname = value;
	return true;
}

static bool take_subtype(struct parser *parser, const char *value) {
	const char *subtype = mountinfo_subtype(value);
	if (subtype == NULL) {
		return wrong(parser, "not a type that a mount may bear", value);
	}
	parser->options->subtype = subtype;
	return true;
}

/* Decimal digits alone: strtoul would take signs, spaces and other bases. Returns what follows. */
static const char *take_digits(const char *text, unsigned *number) {
	unsigned value = 0;
	const char *at = text;
	for (; *at >= '0' && *at <= '9'; at++) {
		unsigned digit = (unsigned)(*at - '0');
		if (value > (UINT_MAX - digit) / 10) {
			return NULL;
		}
		value = value * 10 + digit;
	}
	*number = value;
	return at == text ? NULL : at;
}

static bool take_number(struct parser *parser, const char *value, unsigned max, unsigned *number) {
	const char *rest = take_digits(value, number);
	if (rest == NULL || *rest != 0 || *number > max) {
		return wrong(parser, "not a number, or out of range", value);
	}
	return true;
}

static bool take_report_fd(struct parser *parser, const char *value) {
	unsigned fd;
	if (!take_number(parser, value, INT_MAX, &fd)) {
		return false;
	}
	if (fd < 3) {
		return wrong(parser, "the report descriptor is a standard one", value);
	}
	parser->options->report_fd = (int)fd;
	return true;
}

static bool take_server_argc(struct parser *parser, const char *value) {
	unsigned count;
	if (!take_number(parser, value, SERVER_ARGC_MAX, &count)) {
		return false;
	}
	parser->options->server_argc = (int)count;
	return true;
}

static bool take_way(struct parser *parser, const char *value) {
	if (IS_INSTALLED) {
		return wrong(parser, "the installed helper knows one way to mount", value);
	}
	if (strcmp(value, "auto") == 0) {
		parser->options->way = WAY_AUTO;
	} else if (strcmp(value, "fusermount3") == 0) {
		parser->options->way = WAY_FUSERMOUNT3;
	} else if (strcmp(value, "direct") == 0) {
		parser->options->way = WAY_DIRECT;
	} else {
		return wrong(parser, "unknown way to mount", value);
	}
	return true;
}

static bool take_level(struct parser *parser, const char *value, enum sandbox_level *level) {
	return level_parse(value, level) || wrong(parser, "unknown level of the sandbox", value);
}

static bool take_sandbox(struct parser *parser, const char *value) {
	enum sandbox_level *level = &parser->options->sandbox;
	return take_level(parser, value, level) &&
	       (*level != SANDBOX_PARTIAL || wrong(parser, "not a level to be asked for", value));
}

static bool take_require_sandbox(struct parser *parser, const char *value) {
	return take_level(parser, value, &parser->options->require_sandbox);
}

/* The one option that may be given several times. */
static bool take_expose(struct parser *parser, const char *value) {
	struct options *options = parser->options;
	if (IS_INSTALLED) {
		return wrong(parser, "the installed helper knows what its server sees", value);
	}
	if (value[0] != '/') {
		return wrong(parser, "the path to expose is not absolute", value);
	}
	if (options->expose_count == EXPOSE_MAX) {
		return wrong(parser, "too many paths to expose", value);
	}
	return take_path(parser, value, &options->expose[options->expose_count++]);
}

static bool take_id(struct parser *parser, const char *value) {
	return take_number(parser, value, INT_MAX, &parser->options->mount_id);
}

static bool take_device(struct parser *parser, const char *value) {
	struct options *options = parser->options;
	const char *colon = take_digits(value, &options->device_major);
	if (colon == NULL || *colon != ':') {
		return wrong(parser, "not MAJOR:MINOR", value);
	}
	return take_number(parser, colon + 1, UINT_MAX, &options->device_minor);
}

static bool take_watchdog(struct parser *parser, const char *value) {
	return take_number(parser, value, WATCHDOG_MAX, &parser->options->watchdog_s);
}

#define ON(action) (1u << (action))
#define MOUNTS (ON(ACTION_MOUNT) | ON(ACTION_RUN))
#define ALL (MOUNTS | ON(ACTION_UNMOUNT))
#define FLAG(name) NULL, offsetof(struct options, name)

static const struct option option_table[] = {
	{"--image", MOUNTS, true, take_image, 0},
	{"--mountpoint", ALL, true, take_mountpoint, 0},
	{"--fsname", MOUNTS, true, take_fsname, 0},
	{"--subtype", MOUNTS, false, take_subtype, 0},
	{"--report-fd", ALL, false, take_report_fd, 0},
	{"--way", ON(ACTION_MOUNT), false, take_way, 0},
	{"--server-argc", ON(ACTION_RUN), true, take_server_argc, 0},
	{"--watchdog", MOUNTS, false, take_watchdog, 0},
	{"--sandbox", MOUNTS, false, take_sandbox, 0},
	{"--require-sandbox", MOUNTS, false, take_require_sandbox, 0},
	{"--expose", MOUNTS, false, take_expose, 0},
	{"--id", ON(ACTION_UNMOUNT), true, take_id, 0},
	{"--device", ON(ACTION_UNMOUNT), true, take_device, 0},
	{"--read-only", MOUNTS, false, FLAG(read_only)},
	{"--recover", MOUNTS, false, FLAG(recover)},
	{"--foreground", ON(ACTION_MOUNT), false, FLAG(foreground)},
	{"--allow-other", MOUNTS, false, FLAG(allow_other)},
	{"--default-permissions", MOUNTS, false, FLAG(default_permissions)},
	{"--noexec", MOUNTS, false, FLAG(noexec)},
	{"--noatime", MOUNTS, false, FLAG(noatime)},
	{"--iomap", MOUNTS, false, FLAG(iomap)},
	{"--loop", ON(ACTION_MOUNT), false, FLAG(loop)},
	{"--temporary", ON(ACTION_RUN), false, FLAG(temporary)},
	{"--enter", ON(ACTION_RUN), false, FLAG(enter)},
	{"--lazy", ON(ACTION_UNMOUNT), false, FLAG(lazy)},
};

enum { OPTION_COUNT = sizeof option_table / sizeof option_table[0] };

static int option_index(const char *name, enum action action) {
	for (int index = 0; index < OPTION_COUNT; index++) {
		const struct option *option = &option_table[index];
		if (strcmp(option->name, name) == 0 && (option->actions & ON(action)) != 0) {
			return index;
		}
	}
	return -1;
}

static bool take_action(struct parser *parser, const char *word) {
	static const char *const words[] = {"mount", "run", "unmount"};
	for (int action = ACTION_MOUNT; action <= ACTION_UNMOUNT; action++) {
		if (strcmp(word, words[action]) == 0) {
			parser->options->action = (enum action)action;
			return !(IS_INSTALLED && action == ACTION_RUN) ||
			       wrong(parser, "not an action of the installed helper", word);
		}
	}
	return wrong(parser, "unknown action", word);
}

/* Takes options up to "--" or the end; *at is left on whichever comes. */
static bool take_options(struct parser *parser, int argc, char **argv, int *at) {
	enum action action = parser->options->action;
	bool seen[OPTION_COUNT] = {false};
	for (; *at < argc && strcmp(argv[*at], "--") != 0; ++*at) {
		int index = option_index(argv[*at], action);
		if (index < 0) {
			return wrong(parser, "unknown option", argv[*at]);
		}
		const struct option *option = &option_table[index];
		if (seen[index] && option->take != take_expose) {
			return wrong(parser, "option given twice", option->name);
		}
		seen[index] = true;
		if (option->take == NULL) {
			*(bool *)((char *)parser->options + option->flag) = true;
		} else if (++*at >= argc) {
			return wrong(parser, "option without its value", option->name);
		} else if (!option->take(parser, argv[*at])) {
			return false;
		}
	}
	for (int index = 0; index < OPTION_COUNT; index++) {
		const struct option *option = &option_table[index];
		if (option->is_required && !seen[index] && (option->actions & ON(action)) != 0) {
			return wrong(parser, "option missing", option->name);
		}
	}
	return true;
}

/* An installed helper starts its own program alone: the caller gives that one's configuration. */
static bool take_config(struct parser *parser, int given, char **argv) {
	struct options *options = parser->options;
	if (given != 1 || argv[0][0] != '{') {
		return wrong(parser, "wanted one argument for the server, its configuration", "");
	}
	if (strlen(argv[0]) > SERVER_ARG_MAX) {
		return wrong(parser, "an argument of the server is too long", argv[0]);
	}
	static char *server[INSTALLED_ARGC_MAX];
	options->server_argc =
		installed_server_argv(argv[0], options->sandbox == SANDBOX_STRICT, server);
	options->expose[options->expose_count++] = INSTALLED_ROOT;
	options->server = server;
	return true;
}

static bool check_server(struct parser *parser) {
	const struct options *options = parser->options;
	if (options->server_argc < 1 || options->server_argc > SERVER_ARGC_MAX) {
		return wrong(parser, "no server given, or too many arguments for it", "");
	}
	if (options->server[0][0] != '/') {
		return wrong(parser, "the server's path is not absolute", options->server[0]);
	}
	for (int index = 0; index < options->server_argc; index++) {
		if (strlen(options->server[index]) > SERVER_ARG_MAX) {
			return wrong(parser, "an argument of the server is too long", options->server[index]);
		}
	}
	return true;
}

static bool take_programs(struct parser *parser, int argc, char **argv, int at) {
	struct options *options = parser->options;
	if (options->action == ACTION_UNMOUNT) {
		return at == argc ? true : wrong(parser, "unmount takes no program", argv[at]);
	}
	if (at == argc) {
		return wrong(parser, "missing", "-- SERVER");
	}
	int given = argc - at - 1;
	if (IS_INSTALLED) {
		return take_config(parser, given, argv + at + 1);
	}
	options->server = argv + at + 1;
	if (options->action == ACTION_MOUNT) {
		options->server_argc = given;
		return check_server(parser);
	}
	if (options->server_argc >= given) {
		return wrong(parser, "no command given", "");
	}
	options->command = options->server + options->server_argc;
	return check_server(parser);
}

bool options_parse(int argc, char **argv, struct options *options, char *message, size_t size) {
	struct parser parser = {options, message, size};
	*options = (struct options){.report_fd = -1, .subtype = mountinfo_subtype("ext4box")};
	if (argc < 2) {
		return wrong(&parser, "usage", "mount-helper mount|run|unmount OPTION... [-- SERVER...]");
	}
	int at = 2;
	return take_action(&parser, argv[1]) && take_options(&parser, argc, argv, &at) &&
	       take_programs(&parser, argc, argv, at);
}

bool options_writes(const struct options *options) {
	return !options->read_only || options->recover;
}

const char *way_name(enum way way) {
	static const char *const names[] = {"auto", "fusermount3", "direct", "namespace", "installed"};
	return names[way];
}

static const char *const level_names[] = {
	[SANDBOX_OFF] = "off",
	[SANDBOX_PARTIAL] = "partial",
	[SANDBOX_NORMAL] = "normal",
	[SANDBOX_STRICT] = "strict",
};

bool level_parse(const char *word, enum sandbox_level *level) {
	for (int index = SANDBOX_OFF; index <= SANDBOX_STRICT; index++) {
		if (strcmp(word, level_names[index]) == 0) {
			*level = (enum sandbox_level)index;
			return true;
		}
	}
	return false;
}

const char *level_name(enum sandbox_level level) {
	return level_names[level];
}
