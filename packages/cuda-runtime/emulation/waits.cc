// waits.cc: where threads wait for each other: barriers, warp operations, the end of a thread; and what stops a block.
#include <algorithm>
#include <bit>
#include <cstdarg>
#include <cstring>
#include <utility>

#include "engine.h"

namespace qlora::emu {

void Worker::release_barrier() {
  for (unsigned i = 0; i * 32 < threads; ++i) make_ready(warps[i], std::exchange(warps[i].at_barrier, 0));
  waiting = 0;
  ++block_epoch;
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

// A __syncwarp: what its lanes did before comes before what they do next.
void Worker::sync_lanes(Warp& warp, uint32_t lanes) {
  uint32_t next = 0;
  for (uint32_t rest = lanes; rest; rest &= rest - 1)
    next = std::max(next, thread[warp.index * 32 + unsigned(std::countr_zero(rest))].warp_epoch);
  for (uint32_t rest = lanes; rest; rest &= rest - 1) thread[warp.index * 32 + unsigned(std::countr_zero(rest))].warp_epoch = next + 1;
}

void Worker::complete(Warp& warp, Meeting& meeting, uint32_t except) {
  const uint32_t lanes = std::exchange(meeting.here, 0);
  --warp.meetings;
  if (meeting.combine) meeting.combine(meeting.arguments, lanes);
  else sync_lanes(warp, lanes);
  make_ready(warp, lanes & ~except);
}

void collective(uint32_t mask, void* argument, Combine combine, At at) {
  Thread& now = running();
  Worker& w = worker();
  Warp& warp = warp_of(now);
  const uint32_t bit = 1u << now.lane;
  if (!(mask & bit)) fail(at, "warp operation: lane %u is not in its own mask %08x", now.lane, mask);
  Meeting& meeting = warp.meeting[std::countr_zero(mask)];
  if (!meeting.here) {
    meeting.mask = mask;
    meeting.combine = combine;
    ++warp.meetings;
  } else if (meeting.mask != mask) {
    fail(at, "divergent warp operation: mask %08x meets mask %08x of another lane at %s:%u", mask, meeting.mask,
         meeting.at.file_name(), unsigned(meeting.at.line()));
  } else if (meeting.combine != combine) {
    fail(at, "divergent warp operation: another lane waits in a different one at %s:%u", meeting.at.file_name(),
         unsigned(meeting.at.line()));
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

}  // namespace qlora::emu
