// no_cuda.cc: stands in for the kernels where there is no nvcc.
#include "cuda.h"

namespace qlora::cuda {
namespace {
constexpr Status none{100, "cudaErrorNoDevice", "this addon was built without CUDA"};
}  // namespace

Status rms_norm(Floats, const float*, Floats, float*, int64_t, int64_t, float, Stream) { return none; }
Status rms_norm_backward(Floats, Floats, const float*, const float*, Floats, float*, int64_t, int64_t, Stream) { return none; }
Status rope(Floats, const int32_t*, const float*, const float*, int64_t, int64_t, int64_t, int64_t, bool, Stream) { return none; }
Status swiglu(Floats, Floats, Floats, int64_t, Stream) { return none; }
Status swiglu_backward(Floats, Floats, Floats, Floats, Floats, int64_t, Stream) { return none; }
Status cross_entropy(Floats, const int32_t*, float*, int64_t, int64_t, float, bool, Stream) { return none; }
Status embedding(const int32_t*, Floats, Floats, int64_t, int64_t, int64_t, Stream) { return none; }
Status embedding_backward(const int32_t*, Floats, Floats, int64_t, int64_t, int64_t, Stream) { return none; }
Status add(Floats, Floats, int64_t, Stream) { return none; }
Status scale(Floats, float, int64_t, Stream) { return none; }
Status sum_squares(Floats, float*, int64_t, Stream) { return none; }
Status dropout(Floats, Floats, int64_t, double, uint64_t, uint64_t, bool, Stream) { return none; }
Status convert(Floats, Floats, int64_t, Stream) { return none; }
Status attention(const Attention&, bf16*, float*, float*, int64_t, Stream) { return none; }
Status attention_backward(const Attention&, const bf16*, const bf16*, const float*, bf16*, bf16*, bf16*, Stream) { return none; }

}  // namespace qlora::cuda
