// scheduler.cc: who runs next, and the points where threads wait: barriers, warp collectives, the end of a thread.
#include <bit>
#include <cstdarg>
#include <cstring>
#include <utility>

#include "engine.h"

namespace qlora::emu {
namespace {

Warp& warp_of(const Thread& thread) { return worker().warps[thread.warp]; }

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

void Worker::release_barrier() {
  for (unsigned i = 0; i * 32 < threads; ++i) make_ready(warps[i], std::exchange(warps[i].at_barrier, 0));
  waiting = 0;
  barrier_result = std::exchange(barrier_sum, 0);
}

int barrier(int value, At at) {
  Thread& now = running();
  Worker& w = worker();
  if (w.waiting && (w.barrier.line() != at.line() || w.barrier.column() != at.column() ||
                    std::strcmp(w.barrier.file_name(), at.file_name())))
    fail(at, "divergent __syncthreads: other threads wait at %s:%u", w.barrier.file_name(), unsigned(w.barrier.line()));
  w.barrier = at;
  w.barrier_sum += value;
  warp_of(now).at_barrier |= 1u << now.lane;
  ++w.count.barriers;
  if (++w.waiting == w.live) w.release_barrier();
  wait_turn();
  return w.barrier_result;
}

void Worker::complete(Warp& warp, Meeting& meeting, uint32_t except) {
  const uint32_t lanes = std::exchange(meeting.here, 0);
  --warp.meetings;
  if (meeting.combine) meeting.combine(meeting.arguments, lanes);
  make_ready(warp, lanes & ~except);
}

void collective(uint32_t mask, void* argument, Combine combine, At at) {
  Thread& now = running();
  Worker& w = worker();
  Warp& warp = warp_of(now);
  const uint32_t bit = 1u << now.lane;
  if (!(mask & bit)) fail(at, "warp collective: lane %u is not in its own mask %08x", now.lane, mask);
  Meeting& meeting = warp.meeting[std::countr_zero(mask)];
  if (!meeting.here) {
    meeting.mask = mask;
    meeting.combine = combine;
    ++warp.meetings;
  } else if (meeting.mask != mask || meeting.combine != combine) {
    fail(at, "divergent warp collective: mask %08x meets mask %08x of another lane at %s:%u", mask, meeting.mask,
         meeting.at.file_name(), unsigned(meeting.at.line()));
  }
  ++w.count.collectives;
  meeting.at = at;
  meeting.arguments[now.lane] = argument;
  meeting.here |= bit;
  if (meeting.here != (mask & warp.live)) return wait_turn();
  w.complete(warp, meeting, bit);
  if (w.launch->settings.schedule == Schedule::random) yield();
}

// What a thread leaves behind: those who waited for it go on.
void Worker::ended(Thread& t) {
  perform(t, end_of_thread);
  Warp& warp = warps[t.warp];
  warp.live &= ~(1u << t.lane);
  --live;
  if (waiting && waiting == live) release_barrier();
  for (int i = 0; warp.meetings && i < 32; ++i) {
    Meeting& m = warp.meeting[i];
    if (m.here && m.here == (m.mask & warp.live)) complete(warp, m, 0);
  }
}

void Worker::deadlock() {
  for (unsigned i = 0; i * 32 < threads; ++i)
    for (const Meeting& m : warps[i].meeting)
      if (m.here)
        fail(m.at, "deadlock: lanes %08x of warp %u wait for lanes %08x, %u threads wait at a barrier", m.here, i,
             m.mask & warps[i].live & ~m.here, waiting);
  fail(barrier, "deadlock: %u of %u threads wait at this barrier", waiting, live);
}

void fail(At at, const char* format, ...) {
  Worker& w = worker();
  va_list arguments;
  va_start(arguments, format);
  w.launch->fail(w, self, at, format, arguments);
  va_end(arguments);
  switch_to(running().fiber, w.outside, true);  // the block is abandoned; its stacks are taken back below
  __builtin_unreachable();
}

void Worker::run(Launch& l, uint64_t block) {
  launch = &l;
  grid_dim = l.grid, block_dim = l.block;
  block_index = {unsigned(block % l.grid.x), unsigned(block / l.grid.x % l.grid.y), unsigned(block / l.grid.x / l.grid.y)};
  threads = live = l.block.x * l.block.y * l.block.z;
  waiting = 0, barrier_sum = 0, warps_ready = 0;
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
    t.copy_group = 0;
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
