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

// The driver's handle of a stream: for null the default stream of the calling thread (CU_STREAM_PER_THREAD), which waits for stream 0
// and it for this one, and which a graph can capture.
inline Stream handle_of(Stream stream) { return stream ? stream : reinterpret_cast<Stream>(2ull); }

}  // namespace qlora::cuda
