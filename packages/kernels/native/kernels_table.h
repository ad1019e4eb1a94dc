// kernels_table.h: the kernels of the instruction set that the including file is compiled for, registered.
#pragma once
#include "attention.h"
#include "attention_backward.h"
#include "cross_entropy.h"
#include "dropout.h"
#include "elementwise.h"
#include "kernels.h"
#include "rms_norm.h"
#include "rope.h"
#include "swiglu.h"

namespace qlora::QLORA_SIMD {
namespace {

constexpr Kernels table{
    .rms_norm = rms_norm,
    .rms_norm_backward = rms_norm_backward,
    .rms_norm_backward_weight = rms_norm_backward_weight,
    .rope = rope,
    .attention = attention,
    .attention_scratch = attention_scratch,
    .attention_backward = attention_backward,
    .attention_backward_scratch = attention_backward_scratch,
    .swiglu = swiglu,
    .swiglu_backward = swiglu_backward,
    .cross_entropy = cross_entropy,
    .add = add,
    .scale = scale,
    .sum_squares = sum_squares,
    .dropout = dropout,
    .to_bf16 = to_bf16,
    .from_bf16 = from_bf16,
};

[[maybe_unused]] const bool registered = tables<Kernels>.add(Simd::QLORA_SIMD, &table);

}  // namespace
}  // namespace qlora::QLORA_SIMD
