// attention_addon.cc: attention and attentionBackward: checks, and the division into tasks.
#include <vector>

#include "chunks.h"
#include "kernels.h"
#include "qlora/napi.h"

namespace {
using namespace qlora;

constexpr int64_t rows_per_task = 128;     // of the forward: (query, head of the group) pairs
constexpr int64_t tasks_of_backward = 16;  // enough for this many threads, where the heads of a group allow it

// The shape arguments, checked; the arrays follow.
struct Shape {
  Attention call{};
  std::vector<AttentionTask> segments;  // all rows of key head 0
  int64_t tk = 0, group = 1;
  uint64_t q_size = 0, k_size = 0;

  Shape(const Napi::CallbackInfo& info, Args& args) {
    call.heads = args.size("heads"), call.kv_heads = args.size("kvHeads"), call.head_dim = args.size("headDim");
    call.scale = float(args.number("scale"));
    if (call.heads == 0 || call.kv_heads == 0 || call.heads % call.kv_heads)
      throw Napi::RangeError::New(info.Env(), "heads must be a multiple of kvHeads, got " + std::to_string(call.heads) +
                                                  " and " + std::to_string(call.kv_heads));
    if (call.head_dim == 0 || call.head_dim > 4096)
      throw Napi::RangeError::New(info.Env(), "headDim must be 1 to 4096, got " + std::to_string(call.head_dim));
    group = call.heads / call.kv_heads;
    const auto cu_q = args.array<int32_t>("cuQ", 1);
    const auto cu_k = args.array<int32_t>("cuK", 1);
    if (cu_q.length != cu_k.length)
      throw Napi::RangeError::New(info.Env(), "cuQ and cuK must be equally long, got " + std::to_string(cu_q.length) +
                                                  " and " + std::to_string(cu_k.length));
    check(info, "cuQ", cu_q);
    check(info, "cuK", cu_k);
    for (uint64_t i = 0; i + 1 < cu_q.length; ++i) {
      AttentionTask segment{};
      segment.q_begin = cu_q[i], segment.queries = cu_q[i + 1] - cu_q[i];
      segment.k_begin = cu_k[i], segment.keys = cu_k[i + 1] - cu_k[i];
      segment.group = group, segment.row_end = args.product(segment.queries, group, "queries × heads");
      segments.push_back(segment);
    }
    call.tq = cu_q[cu_q.length - 1], tk = cu_k[cu_k.length - 1];
    q_size =
        args.product(call.tq, args.product(call.heads, call.head_dim, "heads × headDim"), "tokens × heads × headDim");
    k_size =
        args.product(tk, args.product(call.kv_heads, call.head_dim, "kvHeads × headDim"), "tokens × kvHeads × headDim");
  }

 private:
  static void check(const Napi::CallbackInfo& info, const std::string& name, Span<int32_t> cu) {
    if (cu[0] != 0) throw Napi::RangeError::New(info.Env(), name + "[0] must be 0, got " + std::to_string(cu[0]));
    for (uint64_t i = 1; i < cu.length; ++i)
      if (cu[i] < cu[i - 1])
        throw Napi::RangeError::New(info.Env(), name + "[" + std::to_string(i) + "] is " + std::to_string(cu[i]) +
                                                    ", below " + std::to_string(cu[i - 1]) + " before it");
  }
};

void attention(const Napi::CallbackInfo& info) {
  Args args(info);
  Shape shape(info, args);
  Attention& call = shape.call;
  call.q = args.array<float>("q", shape.q_size);
  call.k = args.array<float>("k", shape.k_size);
  call.v = args.array<float>("v", shape.k_size);
  call.out = args.array<float>("out", shape.q_size);
  call.lse = args.array<float>("lse", args.product(call.tq, call.heads, "tokens × heads"));
  std::vector<AttentionTask> tasks;
  for (const AttentionTask& segment : shape.segments)  // the last rows see the most keys, so they go first
    for (int64_t row = (segment.row_end + rows_per_task - 1) / rows_per_task * rows_per_task - rows_per_task; row >= 0;
         row -= rows_per_task)
      for (int64_t head = 0; head < call.kv_heads; ++head) {
        tasks.push_back(segment);
        AttentionTask& task = tasks.back();
        task.kv_head = head, task.head_begin = head * shape.group;
        task.row_begin = row, task.row_end = std::min(segment.row_end, row + rows_per_task);
      }
  const Kernels& kernels = tables<Kernels>.active();
  const int64_t floats = kernels.attention_scratch(call.head_dim);
  parallel_for(int64_t(tasks.size()), [&](int64_t i) { kernels.attention(call, tasks[size_t(i)], scratch(floats)); });
}

// One task per segment and key head. Where those are too few for many threads, the heads of a group are divided, each
// part summing dk and dv into memory of its own, added up in order afterwards.
void attention_backward(const Napi::CallbackInfo& info) {
  Args args(info);
  Shape shape(info, args);
  Attention& call = shape.call;
  call.dout = args.array<float>("dout", shape.q_size);
  call.q = args.array<float>("q", shape.q_size);
  call.k = args.array<float>("k", shape.k_size);
  call.v = args.array<float>("v", shape.k_size);
  call.out = args.array<float>("out", shape.q_size);
  call.lse = args.array<float>("lse", args.product(call.tq, call.heads, "tokens × heads"));
  call.dq = args.array<float>("dq", shape.q_size);
  call.dk = args.array<float>("dk", shape.k_size);
  call.dv = args.array<float>("dv", shape.k_size);
  const int64_t d = call.head_dim, stride = call.kv_heads * d, size = int64_t(shape.k_size);
  const int64_t pairs = std::max<int64_t>(1, int64_t(shape.segments.size()) * call.kv_heads);
  const int64_t parts = std::clamp<int64_t>(tasks_of_backward / pairs, 1, shape.group);
  std::unique_ptr<float[]> partial;
  if (parts > 1) {
    partial.reset(new (std::nothrow) float[size_t(parts - 1) * 2 * shape.k_size]());
    if (!partial) throw Napi::RangeError::New(info.Env(), "not enough memory for attentionBackward");
  }
  std::fill_n(call.dk, size, 0.0f);
  std::fill_n(call.dv, size, 0.0f);

  std::vector<AttentionTask> tasks;
  for (const AttentionTask& segment : shape.segments)
    for (int64_t head = 0; head < call.kv_heads; ++head)
      for (int64_t part = 0; part < parts; ++part) {
        tasks.push_back(segment);
        AttentionTask& task = tasks.back();
        const int64_t begin = shape.group * part / parts, end = shape.group * (part + 1) / parts;
        task.kv_head = head, task.head_begin = head * shape.group + begin, task.group = end - begin;
        task.row_end = segment.queries * task.group;
      }
  const Kernels& kernels = tables<Kernels>.active();
  const int64_t floats = kernels.attention_backward_scratch(d);
  parallel_for(int64_t(tasks.size()), [&](int64_t i) {
    const AttentionTask& task = tasks[size_t(i)];
    const int64_t part = i % parts, at = task.k_begin * stride + task.kv_head * d;
    float* dk = part ? partial.get() + (part - 1) * 2 * size : call.dk;
    float* dv = part ? dk + size : call.dv;
    kernels.attention_backward(call, task, dk + at, dv + at, stride, scratch(floats));
  });
  for_chunks(parts > 1 ? size : 0, chunk_elements, [&](int64_t begin, int64_t end) {
    for (int64_t part = 1; part < parts; ++part) {
      const float* dk = partial.get() + (part - 1) * 2 * size;
      kernels.add(dk + begin, call.dk + begin, end - begin);
      kernels.add(dk + size + begin, call.dv + begin, end - begin);
    }
  });
}
}  // namespace

void export_attention(Napi::Env env, Napi::Object exports) {
  exports["attention"] = Napi::Function::New(env, attention);
  exports["attentionBackward"] = Napi::Function::New(env, attention_backward);
}
