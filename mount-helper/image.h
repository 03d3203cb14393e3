#pragma once

#include <stdbool.h>

/* Opens the image as the caller and checks that it is a file or a block device; -1 is reported. */
int image_open(const char *path, bool read_only);

/* Whether `path` leads to the opened image: the same file, or the same block device. */
bool image_is_at(int image, const char *path);
