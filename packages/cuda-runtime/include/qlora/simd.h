// simd.h: which instruction set the kernels run with; chosen once, overridable by QLORA_SIMD=scalar|avx2|avx512|neon.
//
// A package keeps one table of kernels per instruction set. Each *_<set>.cc file registers its table:
//     const bool registered = qlora::tables<Kernels>.add(qlora::Simd::avx512, &table);
// and callers ask for the active one: qlora::tables<Kernels>.active().
#pragma once
#include <cstdlib>
#include <cstring>

namespace qlora {

enum class Simd { scalar, neon, avx2, avx512, count };
inline constexpr const char* simd_names[] = {"scalar", "neon", "avx2", "avx512"};

// True when this processor can run the set. avx512 means F, BW, DQ, VL and VBMI (Ice Lake, Zen 4 and later).
inline bool simd_supported(Simd simd) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (simd == Simd::avx2) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (simd == Simd::avx512)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vbmi");
  return simd == Simd::scalar;
#elif defined(__aarch64__)
  return simd == Simd::scalar || simd == Simd::neon;
#else
  return simd == Simd::scalar;
#endif
}

template <class Table>
class Tables {
 public:
  bool add(Simd simd, const Table* table) { return tables_[int(simd)] = table, true; }
  bool has(Simd simd) const { return tables_[int(simd)] && simd_supported(simd); }

  const Table& active() {
    if (!active_) choose(std::getenv("QLORA_SIMD"));
    return *active_;
  }
  Simd simd() { return active(), simd_; }

  // Picks the named set, or the best one this processor has when the name is null or not available here.
  bool choose(const char* name) {
    for (int i = 0; name && i < int(Simd::count); ++i)
      if (!std::strcmp(name, simd_names[i]) && has(Simd(i))) return use(Simd(i));
    for (int i = int(Simd::count) - 1; i >= 0; --i)
      if (has(Simd(i))) return use(Simd(i)), name == nullptr;
    return false;
  }

 private:
  bool use(Simd simd) { return active_ = tables_[int(simd)], simd_ = simd, true; }
  const Table* tables_[int(Simd::count)]{};
  const Table* active_ = nullptr;
  Simd simd_ = Simd::scalar;
};

template <class Table>
inline constinit Tables<Table> tables{};

}  // namespace qlora
