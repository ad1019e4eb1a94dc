// pool.h: a fork-join thread pool. parallel_for(n, f) runs f(0) … f(n-1), each exactly once, and returns when all are done.
// Which thread runs which index is unspecified, so kernels divide work by problem size alone and write disjoint outputs:
// results then do not depend on the number of threads. Each begins with its own share of consecutive indices, the same from call
// to call, so that what it wrote is read again by the same core; who is done helps the others.
//
// Calls from inside a task, or while another JS thread is using the pool, run in the caller: always correct, never a deadlock.
//
// Addons of one process share it where the linker lets them (ELF: gcc makes `pool` below unique to the process): a step goes from
// one addon to the next, and the threads of one would be in the way of the other's. A class of another layout needs another number.
#pragma once
#include <atomic>
#include <cstdint>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

#if defined(__GNUC__)
#define QLORA_SHARED [[gnu::visibility("default")]]
#else
#define QLORA_SHARED
#endif

namespace qlora {
inline namespace pool2 {

class QLORA_SHARED Pool {
 public:
  static Pool& instance() {
    static Pool pool;
    return pool;
  }
  ~Pool() { resize(1); }

  int threads() const { return int(workers_.size()) + 1; }

  // As resize, unless a number was set before.
  void start(int threads) {
    if (!started_.exchange(true)) resize(threads);
  }

  // Threads used from now on, the caller's included (1 … 1024). Waits for running work.
  void resize(int threads) {
    std::lock_guard lock(mutex_);
    started_.store(true);
    stop_.store(true);
    wake();
    for (auto& worker : workers_) worker.join();
    workers_.clear();
    stop_.store(false);
    shares_ = std::vector<Share>(size_t(threads));
    for (int i = 1; i < threads; ++i) workers_.emplace_back([this, i] { work(i); });
  }

  template <class F>
  void run(int64_t tasks, F&& f) {
    auto call = [](void* context, int64_t i) { (*static_cast<std::remove_reference_t<F>*>(context))(i); };
    std::unique_lock lock(mutex_, std::defer_lock);
    if (tasks < 2 || inside() || !lock.try_lock() || workers_.empty()) {
      for (int64_t i = 0; i < tasks; ++i) f(i);
      return;
    }
    // Close the tickets before the job changes, so that a worker that read an old one cannot take an index of the new job.
    epoch_ += 2;
    for (Share& share : shares_) share.ticket.store(epoch_ << 32 | closed, std::memory_order_relaxed);
    function_.store(call, std::memory_order_release);
    context_.store((void*)&f, std::memory_order_release);
    tasks_.store(tasks, std::memory_order_release);
    done_.store(0, std::memory_order_relaxed);
    for (Share& share : shares_) share.ticket.store((epoch_ + 1) << 32, std::memory_order_release);
    wake();
    take(0);
    for (int spin = 0; done_.load(std::memory_order_acquire) != tasks; ++spin)
      if (spin < spins) pause(); else std::this_thread::yield();
  }

 private:
  static constexpr uint64_t closed = 0xffffffffu;
  static constexpr int spins = 10000;  // some 200 µs: from one operation of a step to the next, nobody has to be woken

  // True while this thread runs a task.
  static bool& inside() {
    thread_local bool flag = false;
    return flag;
  }
  static void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }
  void wake() {
    signal_.fetch_add(1);
    signal_.notify_all();
  }

  // Takes indices of the current job until none is left, of the share `own` first.
  void take(size_t own) {
    inside() = true;
    const size_t count = shares_.size();
    for (size_t i = 0; i < count; ++i) take_from((own + i) % count);
    inside() = false;
  }

  void take_from(size_t number) {
    Share& share = shares_[number];
    for (;;) {
      uint64_t ticket = share.ticket.load(std::memory_order_acquire);
      auto function = function_.load(std::memory_order_relaxed);
      void* context = context_.load(std::memory_order_relaxed);
      const int64_t tasks = tasks_.load(std::memory_order_relaxed), count = int64_t(shares_.size());
      const int64_t index = tasks * int64_t(number) / count + int64_t(ticket & closed);
      if ((ticket & closed) == closed || index >= tasks * int64_t(number + 1) / count) break;
      if (!share.ticket.compare_exchange_strong(ticket, ticket + 1)) continue;
      function(context, index);
      done_.fetch_add(1, std::memory_order_release);
    }
  }

  void work(size_t own) {
    uint32_t seen = signal_.load();
    while (!stop_.load()) {
      take(own);
      for (int spin = 0; spin < spins && signal_.load(std::memory_order_relaxed) == seen; ++spin) pause();
      signal_.wait(seen);
      seen = signal_.load();
    }
  }

  // A share's next index and the job it belongs to, in one word.
  struct alignas(64) Share {
    std::atomic<uint64_t> ticket{closed};
  };

  std::mutex mutex_;
  std::vector<std::thread> workers_;
  std::atomic<bool> started_{false}, stop_{false};
  std::atomic<uint32_t> signal_{0};
  std::vector<Share> shares_{1};
  uint64_t epoch_ = 0;  // of the caller that holds the mutex
  std::atomic<void (*)(void*, int64_t)> function_{nullptr};
  std::atomic<void*> context_{nullptr};
  std::atomic<int64_t> tasks_{0}, done_{0};
};

}  // namespace pool2

template <class F>
void parallel_for(int64_t tasks, F&& f) {
  Pool::instance().run(tasks, f);
}

// The same, in the caller alone unless the work is worth waking the others for.
template <class F>
void parallel_if(bool worth, int64_t tasks, F&& f) {
  if (worth) return parallel_for(tasks, f);
  for (int64_t i = 0; i < tasks; ++i) f(i);
}

}  // namespace qlora
