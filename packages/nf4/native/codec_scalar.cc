// codec_scalar.cc: the codec on any processor.
#include "codec_portable.h"

namespace qlora::scalar {
namespace {
struct LookUp {
  template <class Word>
  static void run(const uint8_t* codes, const Word* table, int64_t n, Word* out, bool) {
    look_up(codes, table, n, out);
  }
};
const nf4::Codec codec = portable<LookUp>;
const bool registered = tables<nf4::Codec>.add(Simd::scalar, &codec);
}  // namespace
}  // namespace qlora::scalar
