// launch.cc: a grid of blocks over the thread pool, its limits, its failures, its settings.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <utility>

#include "engine.h"
#include "qlora/pool.h"

namespace qlora::emu {
namespace {

thread_local char message[1024];
std::mutex statistics_mutex;
Statistics total;

void add(Statistics& to, const Statistics& from) {
  to.launches += from.launches, to.blocks += from.blocks, to.threads += from.threads, to.switches += from.switches;
  to.barriers += from.barriers, to.collectives += from.collectives, to.bank_conflicts += from.bank_conflicts;
}

// Shared memory that a block may have: what the smallest of the supported GPUs offers (sm_86, 89 and 120: 99 KiB), or
// QLORA_EMU_SHARED bytes, at most the 227 KiB of sm_90.
size_t shared_limit() {
  const char* value = std::getenv("QLORA_EMU_SHARED");
  const unsigned long long bytes = value ? std::strtoull(value, nullptr, 10) : 0;
  return bytes == 0 ? 99 * 1024 : bytes < SharedMemory::most ? size_t(bytes) : SharedMemory::most;
}

bool refuse(At at, const char* what, uint64_t value, uint64_t limit) {
  std::snprintf(message, sizeof message, "launch at %s:%u: %s is %llu, at most %llu", at.file_name(), unsigned(at.line()), what, (unsigned long long)value,
                (unsigned long long)limit);
  return false;
}

}  // namespace

void Launch::fail(const Place& place, const Self* thread, At at, const char* format, va_list arguments) {
  if (failed.exchange(true)) return;
  const Index b = place.block_index;
  size_t n = 0;
  auto add = [&](const char* pattern, auto... values) {
    const int wrote = std::snprintf(message + n, sizeof message - n, pattern, values...);
    n = wrote < 0 || n + size_t(wrote) >= sizeof message ? sizeof message - 1 : n + size_t(wrote);
  };
  add("launch at %s:%u, block (%u, %u, %u)", launched.file_name(), unsigned(launched.line()), b.x, b.y, b.z);
  if (thread) add(", thread (%u, %u, %u)", thread->thread_index.x, thread->thread_index.y, thread->thread_index.z);
  if (at.line()) add(", %s:%u", at.file_name(), unsigned(at.line()));
  add("%s", ": ");
  std::vsnprintf(message + n, sizeof message - n, format, arguments);
}
void Launch::fail(const Place& place, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fail(place, nullptr, At(), format, arguments);
  va_end(arguments);
}

Settings& settings() {
  static Settings current;
  return current;
}
const char* last_message() { return message; }

Statistics statistics() {
  std::lock_guard lock(statistics_mutex);
  return std::exchange(total, {});
}
void count_bank_conflict() { ++worker().count.bank_conflicts; }

bool launch(At at, Dim grid, Dim block, size_t shared, void (*call)(const void*), const void* arguments) {
  const uint64_t threads = uint64_t(block.x) * block.y * block.z;
  auto within = [](uint64_t value, uint64_t limit) { return value >= 1 && value <= limit; };
  if (!within(grid.x, 0x7fffffff)) return refuse(at, "grid.x", grid.x, 0x7fffffff);
  if (!within(grid.y, 65535)) return refuse(at, "grid.y", grid.y, 65535);
  if (!within(grid.z, 65535)) return refuse(at, "grid.z", grid.z, 65535);
  if (!within(block.z, 64)) return refuse(at, "block.z", block.z, 64);
  if (!within(threads, 1024)) return refuse(at, "threads per block", threads, 1024);
  if (shared > shared_limit()) return refuse(at, "dynamic shared memory", shared, shared_limit());
  if (self) return std::snprintf(message, sizeof message, "launch at %s:%u: from inside a kernel", at.file_name(), unsigned(at.line())), false;

  Launch l{.launched = at, .call = call, .arguments = arguments, .grid = grid, .block = block, .shared = shared, .settings = settings()};
  const uint64_t blocks = uint64_t(grid.x) * grid.y * grid.z;
  const uint64_t chunks = blocks < 256 ? blocks : 256;
  parallel_for(int64_t(chunks), [&](int64_t chunk) {
    thread_local const std::unique_ptr<Worker> mine{new Worker};  // of this OS thread, kept from launch to launch
    Worker& w = *mine;
    for (uint64_t b = blocks * uint64_t(chunk) / chunks; b < blocks * (uint64_t(chunk) + 1) / chunks && !l.failed; ++b) w.run(l, b);
    std::lock_guard lock(statistics_mutex);
    add(total, std::exchange(w.count, {}));
  });
  {
    std::lock_guard lock(statistics_mutex);
    ++total.launches;
  }
  if (!l.failed) return true;
  const std::string line = l.code ? source_line(l.code) : "";
  std::snprintf(message, sizeof message, "%s%s%s%s", l.message, line.empty() ? "" : " (", line.c_str(), line.empty() ? "" : ")");
  return false;
}

}  // namespace qlora::emu
