// codebook.cc: a codebook sorted for encoding (src/ranks.ts).
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "codec.h"

namespace qlora::nf4 {

Codebook prepare(const float* level) {
  Codebook c{};
  std::copy_n(level, 16, c.level);
  std::iota(c.order, c.order + 16, uint8_t(0));
  std::stable_sort(c.order, c.order + 16, [level](uint8_t a, uint8_t b) { return level[a] < level[b]; });
  c.ordered = std::is_sorted(c.order, c.order + 16);
  for (int j = 0; j < 15; ++j) c.pivot[j] = float((double(level[c.order[j]]) + double(level[c.order[j + 1]])) / 2);
  c.pivot[15] = std::numeric_limits<float>::infinity();
  for (int i = 0; i < 256; ++i) c.remap[i] = uint8_t(c.order[i >> 4] << 4 | c.order[i & 15]);
  c.zero = c.order[std::count_if(c.pivot, c.pivot + 15, [](float pivot) { return 0.0f > pivot; })];

  int rank = 0;
  c.cells = true;
  for (int cell = 0; cell < 32 && rank < 16; ++cell) {
    auto inside = [&](int j) { return j < 15 && int(std::fma(c.pivot[j], 15.9999f, 16.0f)) == cell; };
    c.cell_code[cell] = c.cell_code[cell + 32] = c.order[rank];
    c.cell_pivot[cell] = c.pivot[15];
    if (inside(rank)) {
      c.cell_pivot[cell] = c.pivot[rank++];
      c.cell_code[cell + 32] = c.order[rank];
    }
    c.cells &= !inside(rank);
  }
  c.cells &= rank == 15 && c.pivot[0] >= -1 && c.pivot[14] < 1;  // others have no cell
  return c;
}

}  // namespace qlora::nf4
