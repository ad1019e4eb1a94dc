// kernel_emu.h: kernel.h for the emulator. Every launch has run when it returns; streams keep their order by that.
#pragma once
#include <cstring>
#include <type_traits>

#include "emu.h"
#include "emu_intrinsics.h"
#include "ptx_emu.h"

namespace qlora::cuda {

inline int current_device() { return 0; }

struct Shape {
  dim3 grid, block;
  size_t shared = 0;        // bytes of dynamic shared memory
  Stream stream = nullptr;
  emu::At at = emu::At::current();  // where it is launched, for messages
};

// Runs kernel<<<shape>>>(arguments). What the emulator caught is in the text of the status.
template <class... P>
Status launch(void (*kernel)(P...), const Shape& shape, std::type_identity_t<P>... arguments) {
  auto call = [&] { kernel(arguments...); };
  const bool ok = emu::launch(
      shape.at, shape.grid, shape.block, shape.shared, [](const void* f) { (*static_cast<const decltype(call)*>(f))(); }, &call);
  if (ok) return {};
  return {719, "cudaErrorLaunchFailure", emu::last_message()};
}

inline Status copy(void* to, const void* from, size_t bytes, Stream) { return std::memmove(to, from, bytes), Status{}; }
inline Status fill(void* to, int byte, size_t bytes, Stream) { return std::memset(to, byte, bytes), Status{}; }

}  // namespace qlora::cuda
