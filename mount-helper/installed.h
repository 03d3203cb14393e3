#pragma once

#include <stdbool.h>

/*
 * Where `make install` puts what the privileged helper relies on. Fixed when compiled, by the
 * Makefile: at run time neither argument nor environment chooses any of these. A checkout's own
 * helper is built without, and refuses to run privileged.
 */
#ifdef EXT4BOX_LIBDIR
#define IS_INSTALLED true
#define INSTALLED_HELPER EXT4BOX_LIBEXECDIR "/mount-helper"
#define INSTALLED_ROOT EXT4BOX_LIBDIR /* What its server sees. */
#define INSTALLED_NODE EXT4BOX_LIBDIR "/node"
#define INSTALLED_PROGRAM EXT4BOX_LIBDIR "/dist/src/server-main.js"
#define POLICY_PATH EXT4BOX_SYSCONFDIR "/ext4box.conf"
#define LOCK_PATH EXT4BOX_RUNDIR "/ext4box.lock"
#else
#define IS_INSTALLED false
#define INSTALLED_HELPER ""
#define INSTALLED_ROOT ""
#define INSTALLED_NODE ""
#define INSTALLED_PROGRAM ""
#define POLICY_PATH ""
#define LOCK_PATH ""
#endif

/*
 * Whether nobody but root can change or replace this file: it is root's, and nobody else may write
 * to it, nor to any directory on the way to it. False with a line in message.
 */
bool installed_is_safe(const char *path, char *message, int size);

/* Whether Node and the program are, so that they may be started with more than the caller's rights. */
bool installed_check_server(char *message, int size);

/*
 * Node, its flags and the program, then config, then NULL; at most INSTALLED_ARGC_MAX in all.
 * Strict: a V8 that makes no machine code.
 */
enum { INSTALLED_ARGC_MAX = 16 };
int installed_server_argv(char *config, bool is_strict, char *argv[INSTALLED_ARGC_MAX]);
