// driver.cc: opens libcuda at run time. A machine without it loads this addon all the same.
#include "driver.h"

#include <cstdlib>
#include <mutex>

#if defined(_WIN32)
#include <windows.h>
#else
#include <dlfcn.h>
#endif

namespace qlora::cuda {
namespace {

#if defined(_WIN32)
constexpr const char* libraries[] = {"nvcuda.dll"};
constexpr const char* runtimes[] = {"cudart64_13.dll", "cudart64_12.dll"};
void* open(const char* path, std::string& error) {
  void* library = reinterpret_cast<void*>(LoadLibraryA(path));
  if (!library) error = std::string(path) + " could not be loaded (error " + std::to_string(GetLastError()) + ")";
  return library;
}
void* find(void* library, const char* symbol) {
  return reinterpret_cast<void*>(GetProcAddress(static_cast<HMODULE>(library), symbol));
}
#else
// The loader's own search first; then where WSL and some container runtimes put it.
constexpr const char* libraries[] = {"libcuda.so.1", "/usr/lib/wsl/lib/libcuda.so.1", "/usr/local/nvidia/lib64/libcuda.so.1"};
constexpr const char* runtimes[] = {"libcudart.so.13", "libcudart.so.12", "/usr/local/cuda/lib64/libcudart.so"};
void* open(const char* path, std::string& error) {
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library && error.empty()) error = dlerror();
  return library;
}
void* find(void* library, const char* symbol) { return dlsym(library, symbol); }
#endif

// Fills the table; returns the name of a symbol that is missing, or null.
const char* resolve(void* library, Driver& driver) {
#define QLORA_REQUIRED(name, symbol, arguments) \
  if (!(driver.name = reinterpret_cast<Status(*) arguments>(find(library, symbol)))) return symbol;
#define QLORA_OPTIONAL(name, symbol, arguments) driver.name = reinterpret_cast<Status(*) arguments>(find(library, symbol));
  QLORA_CUDA_DRIVER(QLORA_REQUIRED, QLORA_OPTIONAL)
#undef QLORA_REQUIRED
#undef QLORA_OPTIONAL
  if (driver.version < 12020) driver.cuMemPrefetchAsync_v2 = nullptr, driver.cuMemAdvise_v2 = nullptr;
  return nullptr;
}

Probe attempt(Driver& driver) {
  Probe result;
  const char* named = std::getenv("QLORA_LIBCUDA");
  void* library = nullptr;
  if (named && *named) {
    result.path = named;
    library = open(named, result.text);
  } else {
    for (const char* path : libraries)
      if ((library = open(path, result.text))) {
        result.path = path;
        break;
      }
  }
  if (!library) return result.path.clear(), result.call = "dlopen", result;
  result.text.clear();

  auto version = reinterpret_cast<Status (*)(int*)>(find(library, "cuDriverGetVersion"));
  if (!version) return result.call = "dlsym", result.text = "cuDriverGetVersion is missing", result;
  if ((result.status = version(&result.version))) return result.call = "cuDriverGetVersion", result;
  if (result.version < minimum_version) return result;
  driver.version = result.version;
  if (const char* missing = resolve(library, driver))
    return result.call = "dlsym", result.text = std::string(missing) + " is missing", result;
  if ((result.status = driver.cuInit(0))) {
    const char *name = nullptr, *text = nullptr;
    driver.cuGetErrorName(result.status, &name);
    driver.cuGetErrorString(result.status, &text);
    result.text = std::string(name ? name : "CUDA_ERROR_UNKNOWN") + ": " + (text ? text : "");
    return result.call = "cuInit", result;
  }
  result.driver = &driver;
  return result;
}

}  // namespace

Probe probe() {
  static std::mutex mutex;
  static Driver driver;
  static Probe found;
  std::lock_guard lock(mutex);
  if (!found.driver) found = attempt(driver);
  return found;
}

int runtime_version() {
  static const int version = [] {
    std::string error;
    for (const char* path : runtimes) {
      void* library = open(path, error);
      auto get = library ? reinterpret_cast<Status (*)(int*)>(find(library, "cudaRuntimeGetVersion")) : nullptr;
      if (int found = 0; get && get(&found) == success) return found;
    }
    return 0;
  }();
  return version;
}

}  // namespace qlora::cuda
