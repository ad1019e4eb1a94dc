// kernel_cuda.h: kernel.h for nvcc.
#pragma once
#include <cuda_runtime.h>

#include <type_traits>

#include "ptx_cuda.h"

// T* name: the block's dynamic shared memory, as many bytes as Shape.shared says, aligned to 128.
#define QLORA_SHARED(T, name)                                                 \
  extern __shared__ __align__(128) unsigned char qlora_dynamic_shared[];      \
  T* const name = reinterpret_cast<T*>(qlora_dynamic_shared)

// T name[…]: shared memory of a size known here, aligned to 16: QLORA_SHARED_STATIC(float, tree, [4][32]). Without dimensions
// it is one T.
#define QLORA_SHARED_STATIC(T, name, ...) __shared__ __align__(16) T name __VA_ARGS__

namespace qlora::cuda {

// The device that this thread's launches go to.
inline int current_device() {
  int device = 0;
  cudaGetDevice(&device);
  return device;
}

struct Shape {
  dim3 grid, block;
  size_t shared = 0;        // bytes of dynamic shared memory
  Stream stream = nullptr;
};

inline Status status(cudaError_t error) {
  if (error == cudaSuccess) return {};
  cudaGetLastError();  // it is reported here: the next launch starts clean
  return {int(error), cudaGetErrorName(error), cudaGetErrorString(error)};
}

// Starts kernel<<<shape>>>(arguments). Opts in to more than 48 KiB of shared memory where asked for.
template <class... P>
Status launch(void (*kernel)(P...), const Shape& shape, std::type_identity_t<P>... arguments) {
  if (shape.shared > 48 * 1024)
    if (cudaError_t e = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, int(shape.shared))) return status(e);
  cudaLaunchConfig_t config{};
  config.gridDim = shape.grid;
  config.blockDim = shape.block;
  config.dynamicSmemBytes = shape.shared;
  config.stream = static_cast<cudaStream_t>(handle_of(shape.stream));
  return status(cudaLaunchKernelEx(&config, kernel, arguments...));
}

// Queued on the stream, like a kernel.
inline Status copy(void* to, const void* from, size_t bytes, Stream stream) {
  return status(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, static_cast<cudaStream_t>(handle_of(stream))));
}
inline Status fill(void* to, int byte, size_t bytes, Stream stream) {
  return status(cudaMemsetAsync(to, byte, bytes, static_cast<cudaStream_t>(handle_of(stream))));
}

}  // namespace qlora::cuda
