// cublas_addon.h: cublas() for JavaScript: which cuBLAS the products of this addon use.
#pragma once
#include <napi.h>

#include "cublas.h"

namespace qlora::cuda {

// Adds cublas(): { path, version, reason }, each a string or null. Opens the library if no product has done so yet.
inline void export_cublas(Napi::Env env, Napi::Object exports) {
  const auto call = [](const Napi::CallbackInfo& info) {
    const cublas::Info found = cublas::info();
    const auto text = [&](const std::string& value) -> Napi::Value {
      return value.empty() ? info.Env().Null() : Napi::Value(Napi::String::New(info.Env(), value));
    };
    Napi::Object result = Napi::Object::New(info.Env());
    result["path"] = text(found.path);
    result["version"] = text(found.version);
    result["reason"] = text(found.reason);
    return result;
  };
  exports["cublas"] = Napi::Function::New(env, call);
}

}  // namespace qlora::cuda
