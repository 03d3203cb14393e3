#pragma once

#include <sys/types.h>

/*
 * Starts COMMAND (found as env(1) finds it) with our own standard descriptors, EXT4BOX_MOUNT set,
 * and in enter unless NULL. -1 with errno.
 */
pid_t command_start(char *const command[], const char *mountpoint, const char *enter);
