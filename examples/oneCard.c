/* Shows a process one NVIDIA card of several, on Linux: the others' device files look as if they were not there. For
 * `dpsgd train --devices`, where neither the driver nor WebGPU has a setting for it (docs/gpu.md).
 *
 *   cc -O2 -shared -fPIC -o oneCard.so examples/oneCard.c
 *   LD_PRELOAD=$PWD/oneCard.so ONE_CARD=1 ...      only /dev/nvidia1
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const char prefix[] = "/dev/nvidia";

/* /dev/nvidia<another number>; /dev/nvidiactl and others are everybody's. */
static int hidden(const char *path) {
  const char *card = getenv("ONE_CARD");
  if (!card || !path || strncmp(path, prefix, sizeof prefix - 1) != 0) return 0;
  path += sizeof prefix - 1;
  return isdigit((unsigned char)*path) && strcmp(path, card) != 0;
}

/* The mode counts only where a file may be made. */
#define MODE \
  mode_t mode = 0; \
  if (flags & (O_CREAT | O_TMPFILE)) { \
    va_list list; \
    va_start(list, flags); \
    mode = va_arg(list, mode_t); \
    va_end(list); \
  } \
  if (hidden(path)) { \
    errno = ENOENT; \
    return -1; \
  }

#define OPEN(name) \
  int name(const char *path, int flags, ...) { \
    static int (*next)(const char *, int, ...); \
    if (!next) next = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, #name); \
    MODE \
    return next(path, flags, mode); \
  }
#define OPEN_AT(name) \
  int name(int folder, const char *path, int flags, ...) { \
    static int (*next)(int, const char *, int, ...); \
    if (!next) next = (int (*)(int, const char *, int, ...))dlsym(RTLD_NEXT, #name); \
    MODE \
    return next(folder, path, flags, mode); \
  }

OPEN(open)
OPEN(open64)
OPEN_AT(openat)
OPEN_AT(openat64)
