// page_file.cc: the page file on POSIX systems.
#include "page_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <set>

#include "optim.h"

namespace qlora::optim {
namespace {

constexpr char magic[] = "qlora optimiser state pages, version 1\n";

// All bytes, or the error; errno 0 when a read meets the end of the file.
template <class Call>
PageFileError all(const char* name, Call call, uint64_t bytes, uint64_t offset) {
  for (uint64_t done = 0; done < bytes;) {
    const ssize_t n = call(done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return {n < 0 ? errno : 0, name, offset + done};
    done += uint64_t(n);
  }
  return {};
}

PageFileError read_all(int file, uint8_t* to, uint64_t bytes, uint64_t offset) {
  const auto call = [&](uint64_t done) { return pread(file, to + done, bytes - done, off_t(offset + done)); };
  return all("read", call, bytes, offset);
}
PageFileError write_all(int file, const uint8_t* from, uint64_t bytes, uint64_t offset) {
  const auto call = [&](uint64_t done) { return pwrite(file, from + done, bytes - done, off_t(offset + done)); };
  return all("write", call, bytes, offset);
}

// Blocks on the disk for the whole file, so that a full disk is found now.
PageFileError reserve(int file, uint64_t bytes) {
#if defined(__APPLE__)
  fstore_t store = {F_ALLOCATEALL, F_PEOFPOSMODE, 0, off_t(bytes), 0};
  if (fcntl(file, F_PREALLOCATE, &store) == -1) return {errno, "fallocate", 0};
  if (ftruncate(file, off_t(bytes)) == -1) return {errno, "ftruncate", 0};
  return {};
#else
  // Where the file system cannot reserve, glibc writes a byte to every block instead; others say EOPNOTSUPP.
  int code;
  do code = posix_fallocate(file, 0, off_t(bytes));
  while (code == EINTR);
  return code ? PageFileError{code, "fallocate", 0} : PageFileError{};
#endif
}

}  // namespace

// What process.exit() leaves open: it ends the process without destroying JavaScript's objects.
class OpenFiles {
 public:
  ~OpenFiles() {
    while (!files_.empty()) (*files_.begin())->remove();
  }
  void remember(PageFile* file) {
    std::lock_guard lock(mutex_);
    files_.insert(file);
  }
  void forget(PageFile* file) {
    std::lock_guard lock(mutex_);
    files_.erase(file);
  }

 private:
  std::mutex mutex_;
  std::set<PageFile*> files_;
};
static OpenFiles open_files;

Frames::Frames(uint64_t bytes) : bytes(bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory != MAP_FAILED) data = static_cast<uint8_t*>(memory);
}
Frames::~Frames() {
  if (data) munmap(data, bytes);
}

PageFile::PageFile(const std::string& path, uint64_t page_bytes, uint64_t pages, uint32_t frames, bool direct,
                   PageFileError& error)
    : path_(path), page_bytes_(page_bytes), direct_(direct), checksums_(pages), pending_(frames) {
  frames_ = std::make_shared<Frames>(page_bytes * frames);
  if (!frames_->data) error = {ENOMEM, "mmap", 0};
  else error = open(path, direct);
  // Direct transfers wait for the disk, which does several at a time faster; others are copies, one in and one out.
  if (!error.call)
    for (int i = 0; i < (direct ? 4 : 2); ++i) threads_.emplace_back([this] { work(); });
}

PageFileError PageFile::open(const std::string& path, bool direct) {
  int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK;  // O_NONBLOCK: not to hang on a FIFO; regular files ignore it
#if defined(O_DIRECT)
  if (direct) flags |= O_DIRECT;
#else
  if (direct) return {EINVAL, "open", 0};
#endif
  const int file = ::open(path.c_str(), flags, 0600);
  if (file < 0) return {errno, "open", 0};

  Frames line(header);
  PageFileError error;
  struct stat status {};
  bool ours = false;  // from when on the file may be deleted
  if (!line.data) error = {ENOMEM, "mmap", 0};
  else if (fstat(file, &status) < 0) error = {errno, "fstat", 0};
  else if (!S_ISREG(status.st_mode)) error = {EINVAL, "regular", 0};
  else if (flock(file, LOCK_EX | LOCK_NB) < 0) error = {errno, "flock", 0};
  else if (status.st_size > 0 &&
           (read_all(file, line.data, header, 0).call || std::memcmp(line.data, magic, sizeof magic)))
    error = {EEXIST, "magic", 0};
  else {
    ours = true;
    std::memset(line.data, 0, header);
    std::memcpy(line.data, magic, sizeof magic);
    if (ftruncate(file, 0) < 0) error = {errno, "ftruncate", 0};
    if (!error.call) error = write_all(file, line.data, header, 0);
    if (!error.call) error = reserve(file, header + page_bytes_ * checksums_.size());
  }
  if (!error.call) {
    file_ = file;
    open_files.remember(this);
    return error;
  }
  if (ours) unlink(path.c_str());
  close(file);
  return error;
}

PageFile::~PageFile() {
  if (file_ < 0) return;
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  submitted_.notify_all();
  for (auto& thread : threads_) thread.join();
  remove();
  close(file_);
}

// Deletes what is at the path if it is still this file.
void PageFile::remove() {
  open_files.forget(this);
  struct stat mine {}, at {};
  if (!fstat(file_, &mine) && !stat(path_.c_str(), &at) && mine.st_ino == at.st_ino && mine.st_dev == at.st_dev)
    unlink(path_.c_str());
}

void PageFile::submit(bool write, uint32_t frame, uint64_t page, uint64_t bytes) {
  {
    std::lock_guard lock(mutex_);
    ++pending_[frame];
    queue_.push_back({write, frame, page, bytes, false});
  }
  submitted_.notify_one();
}

uint64_t PageFile::wait(uint32_t frame, PageFileError& error) {
  std::unique_lock lock(mutex_);
  uint64_t waited = 0;
  if (pending_[frame]) {
    const auto start = std::chrono::steady_clock::now();
    done_.wait(lock, [&] { return !pending_[frame]; });
    waited = uint64_t(std::chrono::nanoseconds(std::chrono::steady_clock::now() - start).count());
  }
  error = error_;
  return waited;
}

PageFileError PageFile::run(const Operation& operation) {
  const auto sum = tables<Kernels>.active().checksum;
  const uint64_t offset = header + operation.page * page_bytes_;
  uint8_t* frame = frames_->data + operation.frame * page_bytes_;
  // Direct transfers are of whole disk blocks.
  const uint64_t bytes = direct_ ? (operation.bytes + 4095) / 4096 * 4096 : operation.bytes;
  if (operation.write) {
    checksums_[operation.page] = sum(frame, operation.bytes);
    return write_all(file_, frame, bytes, offset);
  }
  PageFileError error = read_all(file_, frame, bytes, offset);
  if (!error.call && sum(frame, operation.bytes) != checksums_[operation.page]) error = {0, "checksum", offset};
  return error;
}

// The first operation that waits for none before it.
std::deque<PageFile::Operation>::iterator PageFile::next() {
  for (auto it = queue_.begin(); it != queue_.end(); ++it) {
    bool free = !it->running;
    for (auto before = queue_.begin(); free && before != it; ++before)
      free = before->frame != it->frame && before->page != it->page;
    if (free) return it;
  }
  return queue_.end();
}

void PageFile::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    auto it = queue_.end();
    submitted_.wait(lock, [&] { return stop_ || (it = next()) != queue_.end(); });
    if (stop_) return;  // what is left need not be done: the file goes
    it->running = true;
    const Operation operation = *it;
    if (!error_.call) {
      lock.unlock();
      const PageFileError error = run(operation);
      lock.lock();
      if (error.call && !error_.call) error_ = error;
    }
    // The deque may have grown and shrunk meanwhile: find the operation by its frame, of which only one runs at a time.
    for (it = queue_.begin(); !it->running || it->frame != operation.frame;) ++it;
    queue_.erase(it);
    --pending_[operation.frame];
    done_.notify_all();
    submitted_.notify_one();  // what waited for this one
  }
}

}  // namespace qlora::optim
