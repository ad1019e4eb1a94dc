// embedding_addon.cc: embedding and embeddingBackward.
#include "chunks.h"
#include "kernels.h"
#include "qlora/napi.h"

namespace {
using namespace qlora;

void check_ids(const Napi::CallbackInfo& info, const int32_t* ids, int64_t m, int64_t vocab) {
  for (int64_t i = 0; i < m; ++i)
    if (ids[i] < 0 || ids[i] >= vocab)
      throw Napi::RangeError::New(info.Env(), "ids[" + std::to_string(i) + "] is " + std::to_string(ids[i]) +
                                                  ", must be 0 to " + std::to_string(vocab - 1));
}

void embedding(const Napi::CallbackInfo& info) {
  Args args(info);
  const int64_t m = args.size("m"), d = args.size("d"), vocab = args.size("vocab");
  const auto ids = args.array<int32_t>("ids", m);
  const uint64_t n = args.product(vocab, d, "vocab × d");
  Span<uint16_t> narrow;
  Span<float> wide;
  if (args.next_is<uint16_t>())
    narrow = args.array<uint16_t>("table", n);
  else if (args.next_is<float>())
    wide = args.array<float>("table", n);
  else
    throw Napi::TypeError::New(info.Env(), "table must be a Float32Array or a Uint16Array");
  const auto y = args.array<float>("y", args.product(m, d, "m × d"));
  check_ids(info, ids, m, vocab);
  const Kernels& kernels = tables<Kernels>.active();
  for_rows(m, d, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      if (narrow.data)
        kernels.from_bf16(narrow + ids[i] * d, y + i * d, d);
      else
        std::copy_n(wide + ids[i] * d, d, y + i * d);
  });
}

// Divided by columns: equal ids add up in the order of their rows.
void embedding_backward(const Napi::CallbackInfo& info) {
  Args args(info);
  const int64_t m = args.size("m"), d = args.size("d"), vocab = args.size("vocab");
  const auto ids = args.array<int32_t>("ids", m);
  const uint64_t n = args.product(m, d, "m × d");
  const auto dy = args.array<float>("dy", n);
  const auto dtable = args.array<float>("dtable", args.product(vocab, d, "vocab × d"));
  check_ids(info, ids, m, vocab);
  const Kernels& kernels = tables<Kernels>.active();
  const int64_t columns = int64_t(n) <= chunk_elements ? d : 256;
  for_chunks(d, std::max<int64_t>(1, columns), [&](int64_t begin, int64_t end) {
    for (int64_t i = 0; i < m; ++i) kernels.add(dy + i * d + begin, dtable + ids[i] * d + begin, end - begin);
  });
}
}  // namespace

void export_embedding(Napi::Env env, Napi::Object exports) {
  exports["embedding"] = Napi::Function::New(env, embedding);
  exports["embeddingBackward"] = Napi::Function::New(env, embedding_backward);
}
