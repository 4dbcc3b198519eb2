// Loaded before everything else by test/torch.threads.test.ts: the N-th request for memory that the addon itself makes fails,
// once, with ANNEAL_TEST_NO_MEMORY=NAME:N. Another NAME or N counts from the start.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

extern void* __libc_memalign(size_t, size_t);
extern void* __libc_calloc(size_t, size_t);

static int fails(void* caller) {
  static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  static char counted[128];
  static int left;
  const char* now = getenv("ANNEAL_TEST_NO_MEMORY");
  Dl_info from;
  if (!now || !*now || !dladdr(caller, &from) || !from.dli_fname || !strstr(from.dli_fname, "anneal.node")) return 0;
  pthread_mutex_lock(&mutex);
  if (strncmp(now, counted, sizeof counted - 1) != 0) {
    strncpy(counted, now, sizeof counted - 1);
    left = atoi(strrchr(now, ':') + 1);
  }
  const int here = --left == 0;
  pthread_mutex_unlock(&mutex);
  if (here) errno = ENOMEM;
  return here;
}

void* aligned_alloc(size_t alignment, size_t size) {
  return fails(__builtin_return_address(0)) ? NULL : __libc_memalign(alignment, size);
}
void* calloc(size_t count, size_t size) {
  return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(count, size);
}
