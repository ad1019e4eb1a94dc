// napi.h: arguments in, typed arrays out. An addon function reads its arguments in order through Args, which checks type
// and length once and throws TypeError or RangeError naming the argument and the numbers.
#pragma once
#include <napi.h>

#include <cstdint>
#include <string>

#include "pool.h"
#include "simd.h"

namespace qlora {

template <class T>
inline constexpr napi_typedarray_type array_type = napi_float32_array;
template <>
inline constexpr napi_typedarray_type array_type<uint8_t> = napi_uint8_array;
template <>
inline constexpr napi_typedarray_type array_type<int8_t> = napi_int8_array;
template <>
inline constexpr napi_typedarray_type array_type<uint16_t> = napi_uint16_array;
template <>
inline constexpr napi_typedarray_type array_type<int32_t> = napi_int32_array;
template <>
inline constexpr napi_typedarray_type array_type<uint32_t> = napi_uint32_array;
template <>
inline constexpr napi_typedarray_type array_type<double> = napi_float64_array;
template <class T>
inline constexpr const char* array_name = "Float32Array";
template <>
inline constexpr const char* array_name<uint8_t> = "Uint8Array";
template <>
inline constexpr const char* array_name<int8_t> = "Int8Array";
template <>
inline constexpr const char* array_name<uint16_t> = "Uint16Array";
template <>
inline constexpr const char* array_name<int32_t> = "Int32Array";
template <>
inline constexpr const char* array_name<uint32_t> = "Uint32Array";
template <>
inline constexpr const char* array_name<double> = "Float64Array";

// A borrowed typed array: valid for the length of one synchronous call.
template <class T>
struct Span {
  T* data = nullptr;
  uint64_t length = 0;
  operator T*() const { return data; }
};

class Args {
 public:
  explicit Args(const Napi::CallbackInfo& info) : info_(info), env_(info.Env()) {}

  // The next argument: a number of elements, 0 … 2^53.
  int64_t size(const char* name) {
    const double value = number(name);
    if (!(value >= 0) || value > 9007199254740992.0 || value != double(int64_t(value)))
      throw Napi::RangeError::New(env_, std::string(name) + " must be a whole number ≥ 0, got " + std::to_string(value));
    return int64_t(value);
  }
  double number(const char* name) {
    Napi::Value value = next();
    if (!value.IsNumber()) throw Napi::TypeError::New(env_, std::string(name) + " must be a number");
    return value.As<Napi::Number>().DoubleValue();
  }
  bool flag(const char* name) {
    Napi::Value value = next();
    if (!value.IsBoolean()) throw Napi::TypeError::New(env_, std::string(name) + " must be a boolean");
    return value.As<Napi::Boolean>().Value();
  }
  std::string string(const char* name) {
    Napi::Value value = next();
    if (!value.IsString()) throw Napi::TypeError::New(env_, std::string(name) + " must be a string");
    return value.As<Napi::String>().Utf8Value();
  }
  // An address or handle passed as bigint, 0n for null.
  void* pointer(const char* name) {
    Napi::Value value = next();
    if (!value.IsBigInt()) throw Napi::TypeError::New(env_, std::string(name) + " must be a bigint");
    bool lossless = false;
    const uint64_t address = value.As<Napi::BigInt>().Uint64Value(&lossless);
    if (!lossless) throw Napi::RangeError::New(env_, std::string(name) + " must fit 64 bits");
    return reinterpret_cast<void*>(uintptr_t(address));
  }
  // A typed array of T with at least `needed` elements.
  template <class T>
  Span<T> array(const char* name, uint64_t needed) {
    Napi::Value value = next();
    if (!is<T>(value)) throw Napi::TypeError::New(env_, std::string(name) + " must be a " + array_name<T>);
    return view<T>(value, name, needed);
  }
  // The same, or null when the argument is null or undefined.
  template <class T>
  Span<T> optional(const char* name, uint64_t needed) {
    Napi::Value value = next();
    if (value.IsNull() || value.IsUndefined()) return {};
    if (!is<T>(value)) throw Napi::TypeError::New(env_, std::string(name) + " must be a " + array_name<T> + " or null");
    return view<T>(value, name, needed);
  }
  // True when the next argument is a typed array of T; does not consume it.
  template <class T>
  bool next_is() {
    return is<T>(info_[at_]);
  }
  // a · b, refusing what does not fit.
  uint64_t product(uint64_t a, uint64_t b, const char* what) {
    uint64_t result;
    if (__builtin_mul_overflow(a, b, &result) || result > (uint64_t(1) << 53))
      throw Napi::RangeError::New(env_, std::string(what) + " is too large: " + std::to_string(a) + " × " + std::to_string(b));
    return result;
  }

  // The next argument as it is, consumed or not: for readers of other kinds of arrays (cuda/args.h).
  Napi::Value next() { return info_[at_++]; }
  Napi::Value peek() const { return info_[at_]; }

 private:
  template <class T>
  bool is(Napi::Value value) {
    return value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == array_type<T>;
  }
  template <class T>
  Span<T> view(Napi::Value value, const char* name, uint64_t needed) {
    napi_typedarray_type type;
    size_t length = 0;
    void* data = nullptr;  // already includes the byte offset; null when the buffer is detached
    napi_get_typedarray_info(env_, value, &type, &length, &data, nullptr, nullptr);
    if (length < needed)
      throw Napi::RangeError::New(env_, std::string(name) + " has " + std::to_string(length) + " elements, needs " +
                                            std::to_string(needed));
    return {static_cast<T*>(data), length};
  }
  const Napi::CallbackInfo& info_;
  Napi::Env env_;
  size_t at_ = 0;
};

// Adds threads(), setThreads(n), and startThreads(n), which leaves a number that was set before. For packages with kernel
// tables: simd(), setSimd(name), simds().
inline void export_threads(Napi::Env env, Napi::Object exports) {
  exports["threads"] = Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), Pool::instance().threads());
  });
  static constexpr auto count = [](const Napi::CallbackInfo& info) {
    const int64_t n = Args(info).size("threads");
    if (n < 1 || n > 1024) throw Napi::RangeError::New(info.Env(), "threads must be 1 to 1024, got " + std::to_string(n));
    return int(n);
  };
  exports["setThreads"] =
      Napi::Function::New(env, [](const Napi::CallbackInfo& info) { Pool::instance().resize(count(info)); });
  exports["startThreads"] =
      Napi::Function::New(env, [](const Napi::CallbackInfo& info) { Pool::instance().start(count(info)); });
}

// All tables of a package always run with the same set.
template <class First, class... Others>
void export_simd(Napi::Env env, Napi::Object exports, First& first, Others&... others) {
  exports["simd"] = Napi::Function::New(
      env, [&first](const Napi::CallbackInfo& info) { return Napi::String::New(info.Env(), simd_names[int(first.simd())]); });
  exports["setSimd"] = Napi::Function::New(env, [&](const Napi::CallbackInfo& info) {
    const std::string name = Args(info).string("simd");
    if (!(first.choose(name.c_str()) & (others.choose(name.c_str()) & ... & true)))
      throw Napi::RangeError::New(info.Env(), "simd: " + name + " is not available here");
  });
  exports["simds"] = Napi::Function::New(env, [&first](const Napi::CallbackInfo& info) {
    Napi::Array names = Napi::Array::New(info.Env());
    for (int i = 0; i < int(Simd::count); ++i)
      if (first.has(Simd(i))) names[names.Length()] = Napi::String::New(info.Env(), simd_names[i]);
    return names;
  });
}

}  // namespace qlora
