// handover.h: how far two cores are from each other.
#pragma once
#include <atomic>
#include <chrono>
#include <thread>

// Nanoseconds that a cache line takes from one core to another, written there and read here: some 30 within a cache that both share,
// several times as many beyond. 0 where no second core answers.
inline double handover() {
  using Clock = std::chrono::steady_clock;
  alignas(128) std::atomic<uint32_t> ball{0};
  std::atomic<bool> over{false};
  std::thread other([&] {
    for (uint32_t mine = 1; !over.load(std::memory_order_relaxed);)
      if (ball.load(std::memory_order_acquire) == mine) ball.store(mine + 1, std::memory_order_release), mine += 2;
  });
  ball.store(1);
  uint32_t throws = 0;
  const auto start = Clock::now();
  const auto late = [&] { return Clock::now() - start > std::chrono::milliseconds(20); };
  const auto back = [&](uint32_t expected) {
    for (int spin = 1; ball.load(std::memory_order_acquire) != expected; ++spin)
      if (spin % 1024 == 0 && late()) return false;
    return true;
  };
  while (throws < 100000 && back(throws + 2)) {
    throws += 2;
    ball.store(throws + 1, std::memory_order_release);
  }
  const double nanoseconds = std::chrono::duration<double, std::nano>(Clock::now() - start).count();
  over.store(true);
  other.join();
  return throws > 1000 ? nanoseconds / throws : 0;
}
