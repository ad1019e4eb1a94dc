// page_file.h: pages of a file moved to and from frames in memory by threads of its own, while the caller computes.
//
// Operations on the same frame or the same page run in the order of their submission, so a write and then a read into
// the same frame need no waiting in between. After the first failure nothing further is done; every wait reports it.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace qlora::optim {

// errno 0 with call "read": the file ended early; with call "checksum": the bytes are not those that were written.
struct PageFileError {
  int code = 0;
  const char* call = nullptr;
  uint64_t offset = 0;  // in the file
};

// Page-aligned memory, zero at first, given back to the system with its last owner.
struct Frames {
  explicit Frames(uint64_t bytes);
  ~Frames();
  uint8_t* data = nullptr;  // null when there was no memory
  uint64_t bytes;
};

class PageFile {
 public:
  static constexpr uint64_t header = 4096;  // a line that says what the file is; pages follow
  // Creates the file, locks it and reserves header + pages · page_bytes on the disk. An existing file is overwritten
  // only when it is such a file and no one holds its lock. Not opened when error.call is set.
  PageFile(const std::string& path, uint64_t page_bytes, uint64_t pages, uint32_t frames, bool direct,
           PageFileError& error);
  ~PageFile();  // ends the threads after the operations they are at, deletes the file

  const std::shared_ptr<Frames>& frames() const { return frames_; }
  uint64_t page_bytes() const { return page_bytes_; }
  uint64_t pages() const { return checksums_.size(); }
  uint32_t frame_count() const { return uint32_t(pending_.size()); }

  // The first `bytes` of a page to or from the start of a frame.
  void submit(bool write, uint32_t frame, uint64_t page, uint64_t bytes);
  // Returns when nothing is left to do on the frame; nanoseconds waited.
  uint64_t wait(uint32_t frame, PageFileError& error);

 private:
  struct Operation {
    bool write;
    uint32_t frame;
    uint64_t page, bytes;
    bool running = false;
  };
  std::deque<Operation>::iterator next();
  friend class OpenFiles;
  void remove();
  PageFileError open(const std::string& path, bool direct);
  PageFileError run(const Operation& operation);
  void work();

  const std::string path_;
  const uint64_t page_bytes_;
  const bool direct_;
  int file_ = -1;
  std::shared_ptr<Frames> frames_;
  std::vector<uint64_t> checksums_;  // of each page as last written

  std::mutex mutex_;
  std::condition_variable submitted_, done_;
  std::deque<Operation> queue_;    // in the order of submission; those under way stay until they are done
  std::vector<uint32_t> pending_;  // operations left for each frame
  PageFileError error_;
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace qlora::optim
