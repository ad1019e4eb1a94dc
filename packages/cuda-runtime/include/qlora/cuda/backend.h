// backend.h: what the kernels of this addon were compiled for; addon.cmake links the definition that fits.
#pragma once

namespace qlora::cuda {

extern const char* const backend;  // "cuda" (by nvcc), "emu" (for the emulator), or "none": there was no nvcc

}  // namespace qlora::cuda
