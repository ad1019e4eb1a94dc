// page_file_addon.h: the page file as a JavaScript class: checks, memory as one ArrayBuffer, errors with call and
// offset.
#pragma once
#include <cerrno>
#include <cstring>

#include "page_file.h"
#include "qlora/napi.h"

namespace qlora::optim {

// new PageFile(path, pageBytes, pages, frames, direct)
//   .memory()   .read(frame, page, bytes)   .write(frame, page, bytes)   .wait(frame)   .close()
class PageFileAddon : public Napi::ObjectWrap<PageFileAddon> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "PageFile",
                       {InstanceMethod<&PageFileAddon::memory>("memory"),
                        InstanceMethod<&PageFileAddon::transfer<false>>("read"),
                        InstanceMethod<&PageFileAddon::transfer<true>>("write"),
                        InstanceMethod<&PageFileAddon::wait>("wait"),
                        InstanceMethod<&PageFileAddon::close>("close")});
  }

  explicit PageFileAddon(const Napi::CallbackInfo& info) : ObjectWrap(info) {
    Args args(info);
    const std::string path = args.string("path");
    const uint64_t page_bytes = uint64_t(args.size("pageBytes"));
    if (page_bytes == 0 || page_bytes % 4096)
      refuse("pageBytes must be a multiple of 4096, got " + std::to_string(page_bytes));
    const uint64_t pages = uint64_t(args.size("pages")), frames = uint64_t(args.size("frames"));
    args.product(page_bytes, pages + 1, "pages");
    if (frames < 1 || frames > 1u << 30) refuse("frames must be 1 to 2^30, got " + std::to_string(frames));
    args.product(page_bytes, frames, "frames");
    PageFileError error;
    file_ = std::make_unique<PageFile>(path, page_bytes, pages, uint32_t(frames), args.flag("direct"), error);
    if (error.call) {
      file_.reset();
      fail(error);
    }
  }

 private:
  [[noreturn]] void refuse(const std::string& message) { throw Napi::RangeError::New(Env(), message); }
  [[noreturn]] void fail(const PageFileError& error) {
    Napi::Error failure = Napi::Error::New(Env(), error.code ? std::strerror(error.code) : "unexpected bytes");
    failure.Set("errno", Napi::Number::New(Env(), error.code));
    failure.Set("call", Napi::String::New(Env(), error.call));
    failure.Set("offset", Napi::Number::New(Env(), double(error.offset)));
    const bool no_space = error.code == ENOSPC || error.code == EDQUOT || error.code == EFBIG;
    failure.Set("noSpace", Napi::Boolean::New(Env(), no_space));
    failure.Set("locked", Napi::Boolean::New(Env(), error.code == EWOULDBLOCK));
    throw failure;
  }
  PageFile& file() {
    if (!file_) throw Napi::TypeError::New(Env(), "the page file is closed");
    return *file_;
  }
  uint32_t frame(Args& args) {
    const int64_t frame = args.size("frame");
    const uint32_t count = file().frame_count();
    if (frame >= count) refuse("frame must be below " + std::to_string(count) + ", got " + std::to_string(frame));
    return uint32_t(frame);
  }

  // All frames, one after another. The memory outlives both this object and the buffer, whichever goes last.
  Napi::Value memory(const Napi::CallbackInfo&) {
    auto* owner = new std::shared_ptr<Frames>(file().frames());
    return Napi::ArrayBuffer::New(Env(), (*owner)->data, (*owner)->bytes,
                                  [](Napi::Env, void*, std::shared_ptr<Frames>* owner) { delete owner; }, owner);
  }
  template <bool Write>
  void transfer(const Napi::CallbackInfo& info) {
    Args args(info);
    const uint32_t frame = this->frame(args);
    const uint64_t page = uint64_t(args.size("page")), bytes = uint64_t(args.size("bytes"));
    if (page >= file().pages() || bytes > file().page_bytes())
      refuse("page " + std::to_string(page) + " or bytes " + std::to_string(bytes) + " out of range");
    file().submit(Write, frame, page, bytes);
  }
  // Milliseconds waited.
  Napi::Value wait(const Napi::CallbackInfo& info) {
    Args args(info);
    PageFileError error;
    const uint64_t waited = file().wait(frame(args), error);
    if (error.call) fail(error);
    return Napi::Number::New(Env(), double(waited) * 1e-6);
  }
  void close(const Napi::CallbackInfo&) { file_.reset(); }

  std::unique_ptr<PageFile> file_;
};

}  // namespace qlora::optim
