// no_cuda.cc: stands in for the kernels where there is no nvcc.
#include "device.h"

namespace qlora::nf4 {
namespace {
constexpr Status none{100, "cudaErrorNoDevice", "this addon was built without CUDA"};
}  // namespace

Status quantize(Matrix, int64_t, int, const DeviceCodebook&, bool, float*, uint8_t*, int*, Stream) { return none; }
Status mean(const float*, int64_t, double*, float*, Stream) { return none; }
Status quantize_blockwise(const float*, int64_t, const float*, const float*, float*, uint8_t*, Stream) { return none; }
Status dequantize(const DeviceWeights&, int64_t, Matrix, Stream) { return none; }
Status product4(const DeviceProduct4&, Stream) { return none; }

}  // namespace qlora::nf4
