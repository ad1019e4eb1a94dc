// backend_emu.cc: this addon's kernels run on the emulator; its settings and counters for JavaScript.
#include "qlora/cuda/addon.h"
#include "qlora/cuda/emu_engine.h"

namespace qlora::cuda {
namespace {

// setEmulation(schedule: "forward" | "reverse" | "random", copies: "lazy" | "eager", seed): for the launches that follow.
void set_emulation(const Napi::CallbackInfo& info) {
  Args args(info);
  emu::Settings next;
  const std::string schedule = args.string("schedule"), copies = args.string("copies");
  if (schedule == "reverse") next.schedule = emu::Schedule::reverse;
  else if (schedule == "random") next.schedule = emu::Schedule::random;
  else if (schedule != "forward")
    throw Napi::RangeError::New(info.Env(), "schedule must be forward, reverse or random, got " + schedule);
  if (copies != "lazy" && copies != "eager")
    throw Napi::RangeError::New(info.Env(), "copies must be lazy or eager, got " + copies);
  next.lazy_copies = copies == "lazy";
  next.seed = uint64_t(args.size("seed"));
  emu::settings() = next;
}

// emulationStatistics() → { launches, blocks, … } since the last call
Napi::Value emulation_statistics(const Napi::CallbackInfo& info) {
  const emu::Statistics s = emu::statistics();
  Napi::Object result = Napi::Object::New(info.Env());
  auto add = [&](const char* name, uint64_t value) { result[name] = Napi::Number::New(info.Env(), double(value)); };
  add("launches", s.launches), add("blocks", s.blocks), add("threads", s.threads), add("switches", s.switches);
  add("barriers", s.barriers), add("collectives", s.collectives), add("bankConflicts", s.bank_conflicts);
  return result;
}

}  // namespace

const char* const backend = "emu";

void export_backend(Napi::Env env, Napi::Object exports) {
  exports["cudaBackend"] = Napi::String::New(env, backend);
  exports["setEmulation"] = Napi::Function::New(env, set_emulation);
  exports["emulationStatistics"] = Napi::Function::New(env, emulation_statistics);
}

}  // namespace qlora::cuda
