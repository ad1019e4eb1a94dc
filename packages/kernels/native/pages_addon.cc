// pages_addon.cc: preferHugePages.
#include "qlora/napi.h"
#include "qlora/pages.h"

void export_pages(Napi::Env env, Napi::Object exports) {
  exports["preferHugePages"] = Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
    const auto bytes = qlora::Args(info).array<uint8_t>("bytes", 0);
    qlora::prefer_huge_pages(bytes.data, int64_t(bytes.length));
  });
}
