// cublas.h: cuBLAS where the machine has it: opened at run time, never needed. Its ABI as far as it is used here (cuBLAS
// documentation, "cublasGemmEx"), with own declarations.
//
// QLORA_CUBLAS=0 leaves it alone; a path names the library. Otherwise it is searched: by the loader, then in CUDA_PATH, CUDA_HOME,
// /usr/local/cuda, and among the Python packages of VIRTUAL_ENV and CONDA_PREFIX.
#pragma once
#include <string>

#include "product.h"

namespace qlora::cuda::cublas {

struct Info {
  std::string path;     // of the library in use; empty: none
  std::string version;  // of it: "13.1.0"
  std::string reason;   // why there is none
};

// Opens the library at the first call. Kernels on the emulator, whose memory a real cuBLAS cannot use, search for none: only a
// library that QLORA_CUBLAS names is opened there.
Info info();

// Whether `gemm` takes the product: there is a library, operands are bf16, and the product is large enough to gain.
bool takes(const DenseProduct& product);

// Queues the product on a stream of the device that is current, `device`.
Status gemm(Product product, const DenseProduct& p, int device, Stream stream);

}  // namespace qlora::cuda::cublas
