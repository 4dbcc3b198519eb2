// What differs by operating system: files, memory, loaded libraries. Everything else of native/ is the same everywhere.
#pragma once
#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <vector>

#ifdef __GLIBC__
#include <dlfcn.h>
#include <link.h>
#include <malloc.h>
#endif
#if defined(__linux__)
#include <fcntl.h>
#elif defined(__APPLE__)
#include <dlfcn.h>
#include <mach-o/dyld.h>
#endif

// Whether files are read and written here. Elsewhere libvips and Node do it.
#if defined(__linux__) || defined(__APPLE__)
#define ANNEAL_FILES
#endif

namespace anneal::system {

#ifdef ANNEAL_FILES
// Modification and change time of a file, in nanoseconds since 1970
struct Times {
  int64_t modified, changed;
};
inline Times timesOf(const struct stat& s) {
  const auto nanoseconds = [](const timespec& t) { return t.tv_sec * int64_t(1000000000) + t.tv_nsec; };
#if defined(__APPLE__)
  return {nanoseconds(s.st_mtimespec), nanoseconds(s.st_ctimespec)};
#else
  return {nanoseconds(s.st_mtim), nanoseconds(s.st_ctim)};
#endif
}

// Asks the system to begin to write a part of a file to the disk, so that there is little to wait for at the end.
inline void writeSoon([[maybe_unused]] int file, [[maybe_unused]] int64_t from, [[maybe_unused]] int64_t bytes) {
#if defined(__linux__)
  sync_file_range(file, from, bytes, SYNC_FILE_RANGE_WRITE);
#endif
}
#endif

// From now on large buffers stay with the process when they are freed. Returns whether the C library can do that.
inline bool keepBuffers() {
#ifdef __GLIBC__
  return mallopt(M_MMAP_MAX, 0) && mallopt(M_TRIM_THRESHOLD, 2147483647) && mallopt(M_TOP_PAD, 256 << 20);
#else
  return false;
#endif
}

// The paths of all libraries that are loaded now
inline std::vector<std::string> loadedLibraries() {
  std::vector<std::string> names;
#ifdef __GLIBC__
  dl_iterate_phdr(
      [](dl_phdr_info* library, size_t, void* to) {
        if (library->dlpi_name && *library->dlpi_name)
          static_cast<std::vector<std::string>*>(to)->emplace_back(library->dlpi_name);
        return 0;
      },
      &names);
#elif defined(__APPLE__)
  for (uint32_t i = 0, count = _dyld_image_count(); i < count; i++)
    if (const char* name = _dyld_get_image_name(i)) names.emplace_back(name);
#endif
  return names;
}
// The libraries that are loaded now stay loaded until the process ends.
inline void keepLoaded() {
#if defined(__GLIBC__) || defined(__APPLE__)
  for (const auto& name : loadedLibraries()) dlopen(name.c_str(), RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
#endif
}

}  // namespace anneal::system
