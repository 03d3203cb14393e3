/*
 * What the dynamic loader would map for a program. Asked of the program's own loader (`LOADER
 * --list PROGRAM`, glibc and musl alike), for nobody else knows its search paths: the cache, RPATH,
 * a Nix store, musl's path file.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process.h"
#include "sandbox-layers.h"

enum { LIST_MAX = 16384, LIST_MS = 10000, HEADERS_MAX = 128 };

bool sandbox_add_file(struct sandbox *sandbox, const char *path, struct problem *problem) {
	for (int index = 0; index < sandbox->file_count; index++) {
		if (strcmp(sandbox->files[index].path, path) == 0) {
			return true;
		}
	}
	if (sandbox->file_count == SANDBOX_FILES_MAX) {
		return problem_set(problem, 0, "more than %d files", SANDBOX_FILES_MAX);
	}
	char *source = realpath(path, NULL);
	char *copy = strdup(path);
	if (source == NULL || copy == NULL) {
		int error = errno;
		free(source);
		free(copy);
		return problem_set(problem, error, "%s", path);
	}
	sandbox->files[sandbox->file_count++] = (struct sandbox_file){copy, source};
	return true;
}

/* The file's directory, for LD_LIBRARY_PATH, unless it is there. */
static bool add_directory(struct sandbox *sandbox, const char *path, struct problem *problem) {
	size_t length = (size_t)(strrchr(path, '/') - path);
	size_t used = strlen(sandbox->library_path);
	if (length == 0 || memchr(path, ':', length) != NULL ||
	    used + length + 2 > sizeof sandbox->library_path) {
		return problem_set(problem, 0, "cannot search for libraries in %.200s", path);
	}
	for (const char *at = sandbox->library_path; *at != 0;) {
		size_t part = strcspn(at, ":");
		if (part == length && memcmp(at, path, length) == 0) {
			return true;
		}
		at += part + (at[part] == ':');
	}
	snprintf(sandbox->library_path + used, sizeof sandbox->library_path - used, "%s%.*s",
	         used == 0 ? "" : ":", (int)length, path);
	return true;
}

/* PT_INTERP; false with an empty problem where there is none: a static program. */
static bool find_loader(const char *program, char *loader, size_t size, struct problem *problem) {
	Elf64_Ehdr header;
	Elf64_Phdr segment;
	int fd = open(program, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return problem_set(problem, errno, "%s", program);
	}
	bool is_elf = pread(fd, &header, sizeof header, 0) == sizeof header &&
	              memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 &&
	              header.e_ident[EI_CLASS] == ELFCLASS64 && header.e_phentsize == sizeof segment &&
	              header.e_phnum <= HEADERS_MAX;
	if (!is_elf) {
		close(fd);
		return problem_set(problem, 0, "%s is no 64-bit program", program);
	}
	bool is_found = false;
	for (unsigned index = 0; index < header.e_phnum && !is_found; index++) {
		off_t at = (off_t)(header.e_phoff + index * sizeof segment);
		if (pread(fd, &segment, sizeof segment, at) != sizeof segment) {
			break;
		}
		is_found = segment.p_type == PT_INTERP && segment.p_filesz > 1 && segment.p_filesz <= size &&
		           pread(fd, loader, segment.p_filesz, (off_t)segment.p_offset) ==
		               (ssize_t)segment.p_filesz &&
		           loader[0] == '/' && loader[segment.p_filesz - 1] == 0;
	}
	close(fd);
	return is_found;
}

/* Everything that the loader prints; -1 with a problem. */
static ssize_t run_loader(const char *loader, const char *program, char *text,
                          struct problem *problem) {
	int ends[2];
	if (!pipe_raised(ends)) {
		problem_set(problem, errno, "pipe");
		return -1;
	}
	pid_t pid = fork();
	if (pid == 0) {
		char *argv[] = {(char *)(size_t)loader, (char *)(size_t) "--list", (char *)(size_t)program,
		                NULL};
		char *environment[] = {NULL};
		int null = open("/dev/null", O_RDWR);
		int fds[] = {null, ends[1], null};
		if (null >= 0 && fds_arrange(fds, 3)) {
			signals_restore();
			execve(loader, argv, environment);
		}
		_exit(127);
	}
	close(ends[1]);
	size_t used = 0;
	ssize_t got = pid < 0 ? 0 : 1;
	while (got > 0 && used < LIST_MAX - 1) {
		got = read(ends[0], text + used, LIST_MAX - 1 - used);
		used += got > 0 ? (size_t)got : 0;
		got = got < 0 && errno == EINTR ? 1 : got;
	}
	close(ends[0]);
	text[used] = 0;
	int status = -1;
	bool is_done = pid > 0 && child_wait(pid, LIST_MS, &status) && WIFEXITED(status) &&
	               WEXITSTATUS(status) == 0 && used < LIST_MAX - 1;
	if (!is_done) {
		problem_set(problem, 0, "%s --list %s failed", loader, program);
		return -1;
	}
	return (ssize_t)used;
}

/* "NAME => PATH (ADDRESS)" or "PATH (ADDRESS)"; the kernel's own library has no path. */
static const char *path_of_line(char *line) {
	char *arrow = strstr(line, "=> ");
	char *path = arrow == NULL ? line + strspn(line, " \t") : arrow + 3;
	char *end = strstr(path, " (0x");
	if (path[0] != '/' || end == NULL) {
		return NULL;
	}
	*end = 0;
	return path;
}

bool sandbox_add_libraries(struct sandbox *sandbox, const char *program, struct problem *problem) {
	char loader[PATH_MAX];
	char text[LIST_MAX];
	if (!find_loader(program, loader, sizeof loader, problem)) {
		return problem->text[0] == 0;
	}
	if (!sandbox_add_file(sandbox, loader, problem) ||
	    run_loader(loader, program, text, problem) < 0) {
		return false;
	}
	char *rest = text;
	for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
		const char *path = path_of_line(line);
		if (path != NULL && strcmp(path, loader) != 0 &&
		    !(sandbox_add_file(sandbox, path, problem) && add_directory(sandbox, path, problem))) {
			return false;
		}
	}
	return true;
}
