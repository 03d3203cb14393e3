/*
 * Where there is no libFuzzer: inputs from a seed, and those kept that go a way that none before
 * them went, told by gcc's -fsanitize-coverage=trace-pc. The same seed makes the same inputs.
 *
 *   fuzz-helper COUNT [SEED]
 */
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { INPUT_MAX = 8192, KEPT_MAX = 4096, PLACES = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void __sanitizer_cov_trace_pc(void);
void __sanitizer_set_death_callback(void (*callback)(void));

static const char *const words[] = {
	"mount", "run", "unmount", "--image", "/i", "--mountpoint", "/m", "--fsname", "n",
	"--report-fd", "3", "--way", "auto", "direct", "fusermount3", "--server-argc", "1",
	"--watchdog", "60", "--id", "7", "--device", "0:44", "--read-only", "--foreground",
	"--allow-other", "--default-permissions", "--noexec", "--noatime", "--temporary", "--enter",
	"--iomap", "--loop",
	"--lazy", "--", "/server", "{}", "4294967296", "18446744073709551616", "-1", "36 35 98:0 / ",
	"/mnt\\040x", "\\777", "rw,nosuid", " - ", "fuse.ext4box", "/dev/root", "user_id=1001,",
	"users ", "all", "groups ", "me", "fuse", "1001", "allow_other ", "mounts_per_user ", "noexec ",
	"iomap ", "loop ", "require_sandbox ",
	"yes", "no", "#", "\n", "\t", " ", "\r", "%s%n", "\x7f", "\xff",
};
enum { WORD_COUNT = sizeof words / sizeof words[0] };

struct input {
	size_t size;
	uint8_t bytes[INPUT_MAX];
};

static struct input current;
static struct input *kept[KEPT_MAX];
static int kept_count;
static uint8_t is_seen[PLACES];
static int places_seen;
static bool is_new;
static uint64_t state;
int main(int argc, char **argv);
static unsigned long number;

/* Called by what is instrumented, in every block of it. */
void __sanitizer_cov_trace_pc(void) {
	static uintptr_t before;
	/* Where the program lies in memory is left out: it changes from run to run. */
	uintptr_t place = (uintptr_t)__builtin_return_address(0) - (uintptr_t)&main;
	uintptr_t edge = (place ^ (before >> 1)) * 0x9e3779b97f4a7c15u >> 48;
	before = place;
	if (!is_seen[edge]) {
		is_seen[edge] = 1;
		is_new = true;
		places_seen++;
	}
}

static uint32_t below(uint32_t end) {
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)((state >> 32) % end);
}

/* Puts length bytes in at a place, as far as there is room. */
static void insert(size_t at, const void *bytes, size_t length) {
	if (current.size + length > INPUT_MAX) {
		return;
	}
	memmove(current.bytes + at + length, current.bytes + at, current.size - at);
	memcpy(current.bytes + at, bytes, length);
	current.size += length;
}

static void insert_word(void) {
	/* Arguments are parted by zeros, and mostly go to the end. */
	size_t at = below(2) == 0 ? current.size : 1 + below((uint32_t)current.size);
	const char *word = words[below(WORD_COUNT)];
	insert(at, word, strlen(word) + (below(2) == 0 ? 1 : 0));
}

static void repeat_piece(void) {
	uint8_t piece[INPUT_MAX];
	size_t from = below((uint32_t)current.size);
	size_t length = 1 + below((uint32_t)(current.size - from));
	memcpy(piece, current.bytes + from, length);
	for (uint32_t times = 1 + below(below(8) == 0 ? 300 : 4); times > 0; times--) {
		insert(from, piece, length);
	}
}

static void cut_piece(void) {
	size_t from = 1 + below((uint32_t)current.size);
	if (from < current.size) {
		size_t length = 1 + below((uint32_t)(current.size - from));
		memmove(current.bytes + from, current.bytes + from + length,
		        current.size - from - length);
		current.size -= length;
	}
}

static void change(void) {
	if (current.size == 0) {
		current.bytes[current.size++] = (uint8_t)below(4);
	}
	switch (below(8)) {
	case 0:
		current.bytes[below((uint32_t)current.size)] ^= (uint8_t)(1u << below(8));
		break;
	case 1:
		current.bytes[below((uint32_t)current.size)] = (uint8_t)below(256);
		break;
	case 2:
		repeat_piece();
		break;
	case 3:
		cut_piece();
		break;
	default:
		insert_word();
		break;
	}
}

static void make(void) {
	current.size = 0;
	if (kept_count > 0 && below(10) != 0) {
		memcpy(&current, kept[below((uint32_t)kept_count)], sizeof current);
	}
	for (uint32_t count = 1 + below(6); count > 0; count--) {
		change();
	}
}

static void keep(void) {
	if (kept_count < KEPT_MAX) {
		struct input *copy = malloc(sizeof *copy);
		if (copy != NULL) {
			memcpy(copy, &current, sizeof current);
			kept[kept_count++] = copy;
		}
	}
}

static void tell(void) {
	fprintf(stderr, "input %lu, %zu bytes:", number, current.size);
	for (size_t at = 0; at < current.size; at++) {
		fprintf(stderr, " %02x", current.bytes[at]);
	}
	fputc('\n', stderr);
}

static void on_abort(int signal) {
	tell();
	_exit(128 + signal);
}

int main(int argc, char **argv) {
	unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
	unsigned long seed = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
	if (count == 0) {
		fprintf(stderr, "usage: %s COUNT [SEED]\n", argv[0]);
		return 2;
	}
	state = (seed + 1) * 0x9e3779b97f4a7c15u;
	__sanitizer_set_death_callback(tell);
	signal(SIGABRT, on_abort);
	/* A hang is one input that takes seconds of the processor. */
	signal(SIGALRM, on_abort);
	for (number = 0; number < count; number++) {
		make();
		is_new = false;
		if (number % 1024 == 0) {
			alarm(60);
		}
		LLVMFuzzerTestOneInput(current.bytes, current.size);
		if (is_new) {
			keep();
		}
	}
	printf("%lu inputs of seed %lu: %d edges, %d inputs kept, 0 failures\n", count, seed,
	       places_seen, kept_count);
	return 0;
}
