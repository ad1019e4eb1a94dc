// cublas.cc: opens cuBLAS at run time and maps row-major products to its column-major ones. For addons that list it.
#include "qlora/cuda/cublas.h"

#include <climits>
#include <cstdlib>
#include <map>
#include <mutex>
#include <vector>

#include "qlora/cuda/backend.h"

#if defined(_WIN32)
#include <windows.h>
#else
#include <dlfcn.h>
#include <glob.h>
#endif

namespace qlora::cuda::cublas {
namespace {

using Handle = void*;
enum { op_n = 0, op_t = 1, r_32f = 0, r_16bf = 14, compute_32f = 68, gemm_default = -1 };

struct Library {
  int (*create)(Handle*) = nullptr;
  int (*set_stream)(Handle, Stream) = nullptr;
  int (*get_property)(int, int*) = nullptr;
  int (*gemm_ex)(Handle, int, int, int, int, int, const void*, const void*, int, int, const void*, int, int, const void*, void*,
                 int, int, int, int) = nullptr;
  Info info;
  std::map<int, Handle> handles;  // of each device
};
std::mutex mutex;

#if defined(_WIN32)
constexpr const char* names[] = {"cublas64_13.dll", "cublas64_12.dll"};
void* open(const std::string& folder, const std::string& name) {
  return reinterpret_cast<void*>(LoadLibraryA((folder.empty() ? name : folder + "\\" + name).c_str()));
}
void* symbol(void* library, const char* name) {
  return reinterpret_cast<void*>(GetProcAddress(static_cast<HMODULE>(library), name));
}
void add_matches(const std::string&, std::vector<std::string>&) {}
constexpr const char* toolkit = "\\bin\\x64";
#else
constexpr const char* names[] = {"libcublas.so.13", "libcublas.so.12"};
// libcublas needs libcublasLt of its folder, which pip's packages do not always tell the loader: that one first.
void* open(const std::string& folder, const std::string& name) {
  const std::string prefix = folder.empty() ? "" : folder + "/";
  if (const size_t at = name.find("cublas."); at != std::string::npos)
    dlopen((prefix + name.substr(0, at) + "cublasLt." + name.substr(at + 7)).c_str(), RTLD_NOW | RTLD_GLOBAL);
  return dlopen((prefix + name).c_str(), RTLD_NOW | RTLD_LOCAL);
}
void* symbol(void* library, const char* name) { return dlsym(library, name); }
void add_matches(const std::string& pattern, std::vector<std::string>& folders) {
  glob_t found;
  if (glob(pattern.c_str(), 0, nullptr, &found) == 0)
    for (size_t i = 0; i < found.gl_pathc; ++i) folders.push_back(found.gl_pathv[i]);
  globfree(&found);
}
constexpr const char* toolkit = "/lib64";
#endif

std::vector<std::string> folders() {
  std::vector<std::string> result{""};  // where the loader looks
  for (const char* name : {"CUDA_PATH", "CUDA_HOME"})
    if (const char* value = std::getenv(name); value && *value) result.push_back(std::string(value) + toolkit);
  result.push_back("/usr/local/cuda/lib64");
  for (const char* name : {"VIRTUAL_ENV", "CONDA_PREFIX"})
    if (const char* value = std::getenv(name); value && *value)
      for (const char* package : {"/nvidia/cu13/lib", "/nvidia/cublas/lib"})
        add_matches(std::string(value) + "/lib/python3*/site-packages" + package, result);
  return result;
}

template <class F>
bool find(void* library, const char* name, F& function) {
  function = reinterpret_cast<F>(symbol(library, name));
  return function != nullptr;
}

bool resolve(void* opened, const std::string& path, Library& library) {
  if (!opened) return false;
  if (!find(opened, "cublasCreate_v2", library.create) || !find(opened, "cublasSetStream_v2", library.set_stream) ||
      !find(opened, "cublasGetProperty", library.get_property) || !find(opened, "cublasGemmEx", library.gemm_ex))
    return library.info.reason = path + " lacks functions of cuBLAS", false;
  int part[3] = {};
  for (int i = 0; i < 3; ++i) library.get_property(i, &part[i]);
  library.info = {path, std::to_string(part[0]) + "." + std::to_string(part[1]) + "." + std::to_string(part[2]), ""};
  return true;
}

Library attempt() {
  Library library;
  const char* named = std::getenv("QLORA_CUBLAS");
  if (named && std::string(named) == "0") return library.info.reason = "switched off by QLORA_CUBLAS=0", library;
  if (named && *named) {
    const std::string path = named;
    const size_t slash = path.find_last_of("/\\");
    const std::string folder = slash == std::string::npos ? "" : path.substr(0, slash);
    if (!resolve(open(folder, slash == std::string::npos ? path : path.substr(slash + 1)), path, library) && library.info.reason.empty())
      library.info.reason = "QLORA_CUBLAS: " + path + " could not be loaded";
    return library;
  }
  if (std::string(backend) != "cuda") return library.info.reason = "there are no kernels for a GPU in this addon", library;
  for (const std::string& folder : folders())
    for (const char* name : names)
      if (resolve(open(folder, name), folder.empty() ? name : folder + "/" + name, library)) return library;
  if (library.info.reason.empty()) library.info.reason = std::string(names[0]) + " was not found";
  return library;
}

Library& library() {
  static Library found = attempt();
  return found;
}

// cublasStatus_t as a Status; running out of memory has the same number everywhere.
Status status(int code) {
  switch (code) {
    case 0: return {};
    case 3: return {2, "CUBLAS_STATUS_ALLOC_FAILED", "cuBLAS ran out of memory"};
    case 7: return {1, "CUBLAS_STATUS_INVALID_VALUE", "cuBLAS refused an argument"};
    case 13: return {719, "CUBLAS_STATUS_EXECUTION_FAILED", "cuBLAS could not run a kernel"};
    case 15: return {801, "CUBLAS_STATUS_NOT_SUPPORTED", "cuBLAS does not support the product"};
    default: return {999, "CUBLAS_STATUS", "cuBLAS failed; QLORA_CUBLAS=0 does without it"};
  }
}

}  // namespace

Info info() {
  std::lock_guard lock(mutex);
  return library().info;
}

bool takes(const DenseProduct& p) {
  constexpr double least = 1 << 24;  // multiply-adds: below, a launch costs more than the product
  if (p.left.f32 || p.right.f32 || double(p.m) * double(p.n) * double(p.k) < least) return false;
  std::lock_guard lock(mutex);
  return !library().info.path.empty();
}

// A row-major matrix [r, c] is a column-major one [c, r] with leading dimension c: the result's columns come first.
Status gemm(Product product, const DenseProduct& p, int device, Stream stream) {
  std::lock_guard lock(mutex);
  Library& blas = library();
  Handle& handle = blas.handles[device];
  if (!handle)
    if (const int code = blas.create(&handle)) return handle = nullptr, status(code);
  if (const int code = blas.set_stream(handle, handle_of(stream))) return status(code);
  const auto [rows, columns, depth] = result_size(product, p.m, p.n, p.k);
  const bool forward = product == Product::forward, gradient = product == Product::grad_weight;
  const int right_pitch = int(forward ? depth : columns), left_pitch = int(gradient ? rows : depth);
  const float beta = p.accumulate ? 1.0f : 0.0f;
  return status(blas.gemm_ex(handle, forward ? op_t : op_n, gradient ? op_t : op_n, int(columns), int(rows), int(depth), &p.alpha,
                             p.right.data, r_16bf, right_pitch, p.left.data, r_16bf, left_pitch, &beta, p.out.data,
                             p.out.f32 ? r_32f : r_16bf, int(columns), compute_32f, gemm_default));
}

}  // namespace qlora::cuda::cublas
