// args.h: DeviceArgs reads the arguments of an addon's function that works on a device: numbers as Args does, arrays as
// DeviceArray of @qlora/cuda-runtime, { pointer, dtype, length }, with the same checks and messages.
#pragma once
#include "../napi.h"
#include "bf16.h"

namespace qlora::cuda {

template <class T>
inline constexpr const char* dtype = "f32";
template <>
inline constexpr const char* dtype<bf16> = "bf16";
template <>
inline constexpr const char* dtype<int32_t> = "i32";
template <>
inline constexpr const char* dtype<uint8_t> = "u8";
template <>
inline constexpr const char* dtype<int8_t> = "i8";

class DeviceArgs {
 public:
  explicit DeviceArgs(const Napi::CallbackInfo& info) : args_(info), env_(info.Env()) {}

  int64_t size(const char* name) { return args_.size(name); }
  double number(const char* name) { return args_.number(name); }
  bool flag(const char* name) { return args_.flag(name); }
  std::string string(const char* name) { return args_.string(name); }
  void* pointer(const char* name) { return args_.pointer(name); }
  uint64_t product(uint64_t a, uint64_t b, const char* what) { return args_.product(a, b, what); }

  // A device array of T with at least `needed` elements.
  template <class T>
  Span<T> array(const char* name, uint64_t needed) {
    return read<T>(args_.next(), name, needed, "");
  }
  // The same, or null when the argument is null or undefined.
  template <class T>
  Span<T> optional(const char* name, uint64_t needed) {
    const Napi::Value value = args_.next();
    if (value.IsNull() || value.IsUndefined()) return {};
    return read<T>(value, name, needed, " or null");
  }
  // A typed array of the host: tables that kernels take by value.
  template <class T>
  Span<T> host(const char* name, uint64_t needed) {
    return args_.array<T>(name, needed);
  }
  // The same, or null when the argument is null or undefined.
  template <class T>
  Span<T> host_or_null(const char* name, uint64_t needed) {
    return args_.optional<T>(name, needed);
  }
  // True when the next argument is a device array of T; does not consume it.
  template <class T>
  bool next_is() {
    const Napi::Value value = args_.peek();
    return value.IsObject() && type_of(value.As<Napi::Object>()) == dtype<T>;
  }

 private:
  static std::string type_of(Napi::Object object) {
    const Napi::Value type = object.Get("dtype");
    return type.IsString() ? type.As<Napi::String>().Utf8Value() : "";
  }
  template <class T>
  Span<T> read(Napi::Value value, const char* name, uint64_t needed, const char* or_null) {
    if (!value.IsObject() || type_of(value.As<Napi::Object>()) != dtype<T>)
      throw Napi::TypeError::New(env_, std::string(name) + " must be a device array of " + dtype<T> + or_null);
    const Napi::Object object = value.As<Napi::Object>();
    const uint64_t length = uint64_t(object.Get("length").ToNumber().DoubleValue());
    if (length < needed)
      throw Napi::RangeError::New(env_, std::string(name) + " has " + std::to_string(length) + " elements, needs " +
                                            std::to_string(needed));
    bool lossless = false;
    const Napi::Value pointer = object.Get("pointer");  // throws when the memory is freed
    const uint64_t address = pointer.IsBigInt() ? pointer.As<Napi::BigInt>().Uint64Value(&lossless) : 0;
    return {reinterpret_cast<T*>(uintptr_t(address)), length};
  }
  Args args_;
  Napi::Env env_;
};

}  // namespace qlora::cuda
