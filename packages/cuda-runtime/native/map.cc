// map.cc: a part of an open file as memory. Its pages are the page cache's: read when they are touched, dropped when
// memory is short. Writes go to copies that are this process's own, never to the file.
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "call.h"

namespace qlora::cuda {
namespace {

struct Mapping {
  void* address;
  size_t bytes;
  ~Mapping() { munmap(address, bytes); }
};

[[noreturn]] void fail(Napi::Env env, const char* call) {
  Napi::Error error = Napi::Error::New(env, std::string(call) + ": " + std::strerror(errno));
  error.Set("errno", Napi::Number::New(env, -errno));
  error.Set("syscall", Napi::String::New(env, call));
  throw error;
}

// mapFile(file, offset, bytes): the bytes as an ArrayBuffer, unmapped when it is collected.
Napi::Value map_file(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const int file = int(args.size("file"));
  const uint64_t offset = uint64_t(args.size("offset")), bytes = uint64_t(args.size("bytes"));
  struct stat status {};
  if (fstat(file, &status) < 0) fail(env, "fstat");
  if (offset + bytes > uint64_t(status.st_size))  // beyond the end there is no page: touching it would end the process
    throw Napi::RangeError::New(env, "bytes " + std::to_string(offset) + " to " + std::to_string(offset + bytes) +
                                         " are not within the file of " + std::to_string(status.st_size));
  if (bytes == 0) return Napi::ArrayBuffer::New(env, 0);
  const uint64_t lead = offset % uint64_t(sysconf(_SC_PAGESIZE));
  int flags = MAP_PRIVATE;
#if defined(MAP_NORESERVE)
  flags |= MAP_NORESERVE;  // nothing is set aside for copies that nobody makes
#endif
  void* address = mmap(nullptr, lead + bytes, PROT_READ | PROT_WRITE, flags, file, off_t(offset - lead));
  if (address == MAP_FAILED) fail(env, "mmap");
  auto* mapping = new Mapping{address, lead + bytes};
  try {
    return Napi::ArrayBuffer::New(env, static_cast<char*>(address) + lead, bytes,
                                  [](Napi::Env, void*, Mapping* mapping) { delete mapping; }, mapping);
  } catch (...) {  // a V8 that allows no memory but its own
    delete mapping;
    throw;
  }
}

}  // namespace

void export_map(Napi::Env env, Napi::Object exports) { exports["mapFile"] = Napi::Function::New(env, map_file); }

}  // namespace qlora::cuda
