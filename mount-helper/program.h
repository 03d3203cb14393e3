#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Another program of the system's that mounts or unmounts for us: started by absolute path, with an
 * environment of ours, standard input and output from /dev/null, and its words in a pipe.
 */

/* comm and lifeline, or -1, become its descriptors 3 and 4. Returns its process id, or -1. */
pid_t program_start(char *const argv[], char *const environment[], int comm, int lifeline,
                    int *words);

/* What it says until it ends, cut to the buffer; then whether it ended with status 0, and in time. */
bool program_finish(pid_t pid, int words, char *said, size_t size);

/* Both, with an environment of PATH alone. said may be NULL. */
bool program_run(char *const argv[], char *said, size_t size);
