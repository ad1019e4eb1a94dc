// products.cc: products with 4-bit weights beside the machine's own limits, measured in the same rounds.
//   products [m …]      QLORA_THREADS, QLORA_SIMD as everywhere; from the environment also N, K (4096 each),
//                       ROUNDS (15), ROTATE (MB of weights, 100), NESTED (double quantisation, 1), ONLY (part of a name)
// Every round times every contender once, so that what else the machine does meets all alike; printed are medians over
// the rounds of the rate and of the share of the limit in the same round. Rounds in which a thread waited for a
// processor are repeated. Weights rotate through 100 MB: they come from memory.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "machine.h"
#include "products.h"

namespace {

// Wall time, or with one thread that thread's CPU time, which waiting for a processor does not enter.
bool alone = false;
double now() {
  timespec t;
  clock_gettime(alone ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return double(t.tv_sec) + 1e-9 * double(t.tv_nsec);
}
// Seconds that the threads of this process have waited for a processor.
double waited() {
  double total = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream file(task.path() / "schedstat");
    double run = 0, wait = 0;
    if (file >> run >> wait) total += wait * 1e-9;
  }
  return total;
}
double median(std::vector<double> v) { return std::sort(v.begin(), v.end()), v[v.size() / 2]; }
int64_t setting(const char* name, int64_t otherwise) {
  const char* value = std::getenv(name);
  return value ? std::atoll(value) : otherwise;
}

struct Contender {
  std::string name;
  double work;      // operations or bytes per call
  bool memory;      // measured by bytes
  std::function<void()> run;
  int calls = 1;
  std::vector<double> rate{};
};

// Weights of random codes and scales, in both layouts' order: any bits will do for speed.
struct Stored {
  std::vector<uint8_t> codes;
  std::vector<float> scales;           // plain, or per 256 blocks
  std::vector<uint8_t> scale_codes;    // of double quantisation
};

}  // namespace

int main(int argc, char** argv) {
  const int threads = int(setting("QLORA_THREADS", std::thread::hardware_concurrency()));
  qlora::Pool::instance().resize(threads);
  alone = threads == 1;
  const int64_t n = setting("N", 4096), k = setting("K", 4096), rounds = setting("ROUNDS", 15);
  std::vector<int64_t> ms;
  for (int i = 1; i < argc; ++i) ms.push_back(std::atoll(argv[i]));
  if (ms.empty()) ms = {1, 16, 128, 512};
  const Machine& machine = qlora::tables<Machine>.active();

  std::mt19937_64 random(1);
  const bool nested = setting("NESTED", 1);
  const double weight_bytes = double(n) * double(k) * (nested ? 4.127 : 4.5) / 8;
  std::vector<Stored> weights(size_t(double(setting("ROTATE", 100)) * 1e6 / weight_bytes) + 1);
  for (auto& w : weights) {
    w.codes.resize(size_t(n * k / 2 + 64));
    for (size_t i = 0; i + 8 <= w.codes.size(); i += 8) *(uint64_t*)&w.codes[i] = random();
    w.scales.resize(size_t(n * k / 64));
    for (auto& s : w.scales) s = 0.02f + 0.01f * float(random() >> 40) / float(1 << 24);
    w.scale_codes.resize(size_t(n * k / 64));
    for (auto& c : w.scale_codes) c = uint8_t(random());
  }
  std::vector<float> levels(16), memory(size_t(64) << 20);
  for (int i = 0; i < 16; ++i) levels[i] = float(i - 8) / 8;
  const int64_t most = *std::max_element(ms.begin(), ms.end()), wide = std::max(n, k);
  std::vector<float> x(size_t(most * wide)), y(size_t(most * wide));
  for (auto& v : x) v = float(random() >> 40) / float(1 << 24) - 0.5f;

  for (const int64_t m : ms) {
    std::vector<Contender> all;
    all.push_back({"fma peak", 0, false, {}});
    all.push_back({"memory read", double(memory.size()) * 4, true, [&] {
                     const int64_t part = int64_t(memory.size()) / 256;
                     qlora::parallel_for(256, [&](int64_t i) {
                       volatile float sink = machine.read(memory.data() + i * part, part);
                       (void)sink;
                     });
                   }});
    size_t turn = 0;
    const bool by_bytes = m < 8;
    const double work = by_bytes ? weight_bytes : 2.0 * double(m) * double(n) * double(k);
    for (int which = 0; which < 8; ++which) {
      const bool int8 = which & 4, tiled = which & 2, transposed = which & 1;
      const std::string name =
          std::string(tiled ? "tiles " : "rows  ") + (transposed ? "dy·W " : "x·Wᵀ ") + (int8 ? "int8" : "f32 ");
      all.push_back({name, work, by_bytes, [&, int8, tiled, transposed, m] {
                       const Stored& w = weights[turn++ % weights.size()];
                       const uint8_t* codes = w.codes.data() + (64 - uintptr_t(w.codes.data()) % 64) % 64;
                       const qlora::BlockValues scale{w.scales.data(), nested ? w.scale_codes.data() : nullptr,
                                                      memory.data(), 0.01f, nullptr};
                       const qlora::Int8 mode = int8 ? qlora::Int8::general : qlora::Int8::none;
                       qlora::product4({transposed, false, mode, m, x.data(), y.data(),
                                        {n, k, codes, tiled, levels.data(), 127, 0, 64, scale, {}}});
                     }});
    }
    if (const char* only = std::getenv("ONLY"))
      std::erase_if(all, [&](const Contender& c) { return &c > &all[1] && c.name.find(only) == c.name.npos; });
    for (auto& c : all)
      if (c.run) {
        c.run();
        const double begin = now();
        c.run();
        c.calls = std::max(1, int(0.03 / (now() - begin)));
      }
    int dropped = 0;
    for (int64_t r = 0; r < rounds; ++r) {
      const double waited_before = waited(), round_begin = now();
      for (auto& c : all) {
        const double begin = now();
        double work = 0;
        if (!c.run) {
          std::vector<double> done(static_cast<size_t>(threads));
          qlora::parallel_for(threads, [&](int64_t i) { done[size_t(i)] = machine.fma(2000000); });
          for (const double d : done) work += d;
        } else {
          for (int i = 0; i < c.calls; ++i) c.run(), work += c.work;
        }
        c.rate.push_back(work / (now() - begin) * 1e-9);
      }
      if (!alone && waited() - waited_before > 0.04 * (now() - round_begin) && dropped < 4 * rounds) {
        for (auto& c : all) c.rate.pop_back();
        ++dropped, --r;
      }
    }
    std::printf("m = %ld, weights [%ld, %ld], %d threads, %d rounds dropped\n", long(m), long(n), long(k), threads,
                dropped);
    for (const auto& c : all) {
      std::vector<double> share;
      for (size_t i = 0; i < c.rate.size(); ++i) share.push_back(100 * c.rate[i] / all[c.memory ? 1 : 0].rate[i]);
      std::printf("  %-16s %8.1f %s %6.1f %%  (best %.1f)\n", c.name.c_str(), median(c.rate),
                  c.memory ? "GB/s   " : "GFLOP/s", median(share), *std::max_element(c.rate.begin(), c.rate.end()));
    }
    std::fflush(stdout);
  }
}
