// scheduler.cc: who runs next, and a block from beginning to end.
#include <bit>
#include <utility>

#include "engine.h"

namespace qlora::emu {
namespace {

void begin_thread();

void continue_with(Worker& w, Fiber& from, Thread& next, bool done = false) {
  if (!next.fiber.resume) prepare(next.fiber, w.stacks.take(), begin_thread);
  ++w.count.switches;
  self = &next;
  switch_to(from, next.fiber, done);
}

// The first function on a fiber's stack: runs threads until one that was suspended has to go on elsewhere.
void begin_thread() {
  Worker& w = worker();
  arrived(w.outside);
  for (;;) {
    w.launch->call(w.launch->arguments);
    Thread& ended = running();
    w.ended(ended);
    Thread* next = w.pick(&warp_of(ended));
    if (!next && w.live) w.deadlock();
    char* stack = std::exchange(ended.fiber.stack, nullptr);
    if (next && !next->fiber.resume) {  // not begun: it takes over this stack
      next->fiber.stack = stack;
      next->fiber.stack_size = stack_bytes;
      next->fiber.resume = stack;  // begun
      self = next;
      continue;
    }
    w.stacks.give(stack);
    if (next) continue_with(w, ended.fiber, *next, true);
    else switch_to(ended.fiber, w.outside, true);
  }
}

}  // namespace

__thread Self* self = nullptr;

uint32_t Worker::draw(uint32_t below) {  // xorshift64*
  random ^= random >> 12, random ^= random << 25, random ^= random >> 27;
  return uint32_t((random * 0x2545f4914f6cdd1dull) >> 32) % below;
}

void Worker::make_ready(Warp& warp, uint32_t lanes) {
  if (!lanes) return;
  warp.ready |= lanes;
  warps_ready |= 1u << warp.index;
}

// Forward and reverse stay in a warp while it has ready lanes. Random follows ranks drawn per block and changes them now
// and then (probabilistic concurrency testing, Burckhardt et al. 2010): some warps run far ahead while others starve.
Thread* Worker::pick(Warp* current) {
  if (!warps_ready) return nullptr;
  const Schedule schedule = launch->settings.schedule;
  auto choose = [&](uint32_t set, const uint8_t* rank) {
    if (schedule == Schedule::forward) return std::countr_zero(set);
    if (schedule == Schedule::reverse) return 31 - std::countl_zero(set);
    int best = std::countr_zero(set);
    for (uint32_t rest = set & (set - 1); rest; rest &= rest - 1)
      if (rank[std::countr_zero(rest)] < rank[best]) best = std::countr_zero(rest);
    return best;
  };
  if (schedule == Schedule::random && draw(32) == 0) {
    std::swap(warp_rank[draw(32)], warp_rank[draw(32)]);
    std::swap(lane_rank[draw(32)], lane_rank[draw(32)]);
  }
  if (!current || !current->ready || schedule == Schedule::random) current = &warps[choose(warps_ready, warp_rank)];
  const int lane = choose(current->ready, lane_rank);
  current->ready &= ~(1u << lane);
  if (!current->ready) warps_ready &= ~(1u << current->index);
  return &thread[current->index * 32 + unsigned(lane)];
}

void wait_turn() {
  Thread& now = running();
  Worker& w = worker();
  Thread* next = w.pick(&warp_of(now));
  if (!next) w.deadlock();
  if (next != &now) continue_with(w, now.fiber, *next);
}

void yield() {
  Thread& now = running();
  worker().make_ready(warp_of(now), 1u << now.lane);
  wait_turn();
}

void Worker::run(Launch& l, uint64_t block) {
  launch = &l;
  grid_dim = l.grid, block_dim = l.block;
  block_index = {unsigned(block % l.grid.x), unsigned(block / l.grid.x % l.grid.y), unsigned(block / l.grid.x / l.grid.y)};
  threads = live = l.block.x * l.block.y * l.block.z;
  waiting = 0, barrier_sum = 0, warps_ready = 0;
  ++block_epoch;
  shared = memory.begin(l.shared);
  random = (l.settings.seed + 1) * 0x9e3779b97f4a7c15ull ^ (block + 1) * 0xd1b54a32d192ed03ull;
  for (int i = 0; i < 32; ++i) warp_rank[i] = lane_rank[i] = uint8_t(i);
  for (int i = 31; i > 0; --i) {
    std::swap(warp_rank[i], warp_rank[draw(uint32_t(i) + 1)]);
    std::swap(lane_rank[i], lane_rank[draw(uint32_t(i) + 1)]);
  }
  for (unsigned i = 0; i * 32 < threads; ++i) {
    Warp& warp = warps[i];
    const unsigned lanes = threads - i * 32 < 32 ? threads - i * 32 : 32;
    if (warp.meetings)
      for (Meeting& m : warp.meeting) m.here = 0;
    warp.index = i, warp.meetings = 0, warp.at_barrier = 0, warp.ready = 0;
    warp.live = lanes == 32 ? ~0u : (1u << lanes) - 1;
    make_ready(warp, warp.live);
  }
  for (unsigned i = 0; i < threads; ++i) {
    Thread& t = thread[i];
    t.thread_index = {i % l.block.x, i / l.block.x % l.block.y, i / l.block.x / l.block.y};
    t.lane = i % 32, t.warp = i / 32, t.place = this;
    t.fiber.resume = nullptr;
    t.copies.clear();
    t.copy_group = 0, t.warp_epoch = 0;
  }
  ++count.blocks, count.threads += threads;
  continue_with(*this, outside, *pick(nullptr));
  const char* what;
  size_t bytes, at;
  if (!l.failed && memory.overrun(what, bytes, at))
    l.fail(*this, "wrote outside %zu bytes of %s shared memory, at byte %td", bytes, what, std::ptrdiff_t(at));
  for (unsigned i = 0; l.failed && i < threads; ++i)
    if (char* stack = std::exchange(thread[i].fiber.stack, nullptr)) stacks.give(stack);
  self = nullptr;
}

}  // namespace qlora::emu
