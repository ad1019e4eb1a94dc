// status.h: what a function that launches kernels returns, and the stream it takes. Plain C++: for headers that both .cu files
// and addons include.
#pragma once

namespace qlora::cuda {

struct Status {
  int code = 0;  // of cudaError_t, which are the driver's numbers too; 0 is success
  const char* name = "cudaSuccess";
  const char* text = "no error";
  bool ok() const { return code == 0; }
};

using Stream = void*;  // null is the default stream

}  // namespace qlora::cuda
