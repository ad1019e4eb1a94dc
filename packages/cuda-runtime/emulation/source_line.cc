// source_line.cc: which line of source an address in this addon belongs to (binutils' addr2line, for messages only).
#include <dlfcn.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

#include "engine.h"

extern char** environ;

namespace qlora::emu {

std::string source_line(const void* code) {
  Dl_info info{};
  int ends[2];
  if (!dladdr(code, &info) || !info.dli_fname || pipe(ends)) return "";
  char offset[32];  // of the instruction before the one that a call returns to
  std::snprintf(offset, sizeof offset, "0x%zx", size_t(static_cast<const char*>(code) - static_cast<const char*>(info.dli_fbase)) - 1);
  const char* arguments[] = {"addr2line", "-e", info.dli_fname, offset, nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  posix_spawn_file_actions_addclose(&actions, ends[0]);
  pid_t child = 0;
  const bool started = !posix_spawnp(&child, "addr2line", &actions, nullptr, const_cast<char**>(arguments), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  std::string line;
  char text[256];
  for (ssize_t n; started && (n = read(ends[0], text, sizeof text)) > 0;) line.append(text, size_t(n));
  close(ends[0]);
  if (started) waitpid(child, nullptr, 0);
  line.resize(line.find_first_of(" \n") == std::string::npos ? line.size() : line.find_first_of(" \n"));
  return line.find('?') == std::string::npos ? line : "";
}

}  // namespace qlora::emu
