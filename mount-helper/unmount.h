#pragma once

#include "options.h"

/* Unmounts the one mount that the options name by id and device. Returns the exit status. */
int unmount_run(const struct options *options);
