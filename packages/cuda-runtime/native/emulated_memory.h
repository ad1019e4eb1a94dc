// emulated_memory.h: memory of the device "cuda-emu".
#pragma once
#include "driver.h"

namespace qlora::cuda::emulated_memory {

// An unsigned number of the environment, or `otherwise`.
size_t from_environment(const char* name, size_t otherwise);

size_t total();  // bytes that the device has: QLORA_EMU_MEMORY
size_t free();

Status allocate(uintptr_t* result, size_t bytes, bool on_device);
Status release(uintptr_t address);

// Success when [p, p + n) lies inside one live allocation that nothing has written around.
Status range(const void* p, size_t n);

}  // namespace qlora::cuda::emulated_memory
