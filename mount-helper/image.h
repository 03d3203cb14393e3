#pragma once

#include <stdbool.h>

/* Opens the image as the caller and checks that it is a file or a block device; -1 is reported. */
int image_open(const char *path, bool read_only);
