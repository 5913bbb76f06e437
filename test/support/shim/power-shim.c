/*
 * Records what a process asks of the files below one directory, so that a test can work out what
 * a power cut at any moment could have left of them. Loaded with LD_PRELOAD.
 *
 *   SHIM_DIR=<directory> SHIM_TRACE=<file outside it> SHIM_DOOM=<file outside it, of 1 byte>
 *   [SHIM_SYNC_EIO_AT=n] [SHIM_LIE_FROM=n]
 *
 * The real calls are made; the trace gets one record for each that took effect, written before the
 * caller is told. A sync has two records, one before and one behind it: only what was written
 * before the first is durable after the second. Sync n (fsync and fdatasync, files and directories,
 * counted from 1) fails with EIO and is not made, or, from n on, is not made and says it was.
 *
 * When the byte of SHIM_DOOM is not 0, the next call kills the process, once no other call is
 * between its effect and its record: a later process may go on with these files and this trace.
 *
 * A record: the header below, then the path (relative to SHIM_DIR), then the data.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct header {
  uint32_t magic;
  uint8_t kind;
  uint8_t outcome;
  uint16_t path_bytes;
  uint64_t inode;
  /* Of a write or truncate; of a sync what its two records have in common. */
  uint64_t position;
  uint64_t data_bytes;
};

enum { MAGIC = 0x52574f50, FDS_MAX = 4096, VECTORS_MAX = 1024, TRACE_FD_MIN = 900 };
enum { CREATE = 'c', WRITE = 'w', TRUNCATE = 't', RENAME = 'r', UNLINK = 'u', MAKE_DIRECTORY = 'm',
       SYNC_BEGIN = 'b', SYNC_END = 'e' };
enum { NONE = 0, SYNCED = 's', FAILED = 'f', LIED = 'l' };

/* What is known of an open descriptor; the path only of directories, relative. */
struct tracked {
  int is_tracked;
  uint64_t inode;
  char *path;
};

static struct tracked fds[FDS_MAX];
static const char *root;
static size_t root_bytes;
static int trace_fd = -1;
static long eio_at, lie_from;
static atomic_long sync_count;
static atomic_uint sync_token;
static const volatile char *doom;
/* Held for reading from the effect of a call to its record. */
static pthread_rwlock_t calls = PTHREAD_RWLOCK_INITIALIZER;

#define REAL(name) ((__typeof__(&name))real_call(#name))

static void *real_call(const char *name) {
  void *found = dlsym(RTLD_NEXT, name);
  if (found == NULL) abort();
  return found;
}

__attribute__((constructor)) static void start(void) {
  const char *trace = getenv("SHIM_TRACE");
  const char *eio = getenv("SHIM_SYNC_EIO_AT");
  const char *lie = getenv("SHIM_LIE_FROM");
  const char *doom_path = getenv("SHIM_DOOM");
  root = getenv("SHIM_DIR");
  if (root == NULL || trace == NULL || doom_path == NULL) {
    root = NULL;
    return;
  }
  root_bytes = strlen(root);
  eio_at = eio == NULL ? 0 : atol(eio);
  lie_from = lie == NULL ? 0 : atol(lie);
  int fd = REAL(open)(trace, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) abort();
  trace_fd = fcntl(fd, F_DUPFD_CLOEXEC, TRACE_FD_MIN); /* Out of the way of the program's. */
  if (trace_fd < 0) abort();
  close(fd);
  fd = REAL(open)(doom_path, O_RDONLY | O_CLOEXEC);
  doom = mmap(NULL, 1, PROT_READ, MAP_SHARED, fd, 0);
  if (fd < 0 || doom == MAP_FAILED) abort();
  close(fd);
}

static void enter(void) {
  pthread_rwlock_rdlock(&calls);
  if (*doom == 0) return;
  pthread_rwlock_unlock(&calls);
  pthread_rwlock_wrlock(&calls);
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

static void leave(void) { pthread_rwlock_unlock(&calls); }

/*
 * The path below the root, without a leading slash; NULL when it is elsewhere. Claims on the lock are
 * hard links, and mean nothing to whoever comes after a power cut.
 */
static const char *below_root(const char *path) {
  if (root == NULL || path == NULL || strncmp(path, root, root_bytes) != 0) return NULL;
  if (strstr(path + root_bytes, "/LOCK.claim.") != NULL) return NULL;
  if (path[root_bytes] == '\0') return path + root_bytes;
  return path[root_bytes] == '/' ? path + root_bytes + 1 : NULL;
}

static struct tracked *tracked(int fd) {
  return fd >= 0 && fd < FDS_MAX && fds[fd].is_tracked ? &fds[fd] : NULL;
}

static void record(struct header header, const char *path, const struct iovec *data, int count) {
  struct iovec parts[VECTORS_MAX + 2];
  int saved = errno;
  ssize_t total = sizeof header;
  if (count > VECTORS_MAX) abort();
  header.magic = MAGIC;
  header.path_bytes = path == NULL ? 0 : strlen(path);
  header.data_bytes = 0;
  parts[0] = (struct iovec){&header, sizeof header};
  parts[1] = (struct iovec){(void *)(path == NULL ? "" : path), header.path_bytes};
  for (int at = 0; at < count; at++) {
    parts[at + 2] = data[at];
    header.data_bytes += data[at].iov_len;
  }
  total += header.path_bytes + header.data_bytes;
  if (REAL(writev)(trace_fd, parts, count + 2) != total) abort(); /* A trace with a hole is none. */
  errno = saved;
}

static int opened(int fd, const char *path, int flags, int is_new) {
  const char *name = below_root(path);
  struct stat stat;
  if (fd < 0) return fd;
  if (fd >= FDS_MAX || fstat(fd, &stat) != 0) abort();
  int is_directory = S_ISDIR(stat.st_mode);
  fds[fd] = (struct tracked){1, stat.st_ino, is_directory ? strdup(name) : NULL};
  if (is_new) record((struct header){.kind = CREATE, .inode = stat.st_ino}, name, NULL, 0);
  if (!is_new && (flags & O_TRUNC) != 0)
    record((struct header){.kind = TRUNCATE, .inode = stat.st_ino}, NULL, NULL, 0);
  return fd;
}

static int creates(const char *path, int flags) {
  struct stat stat;
  return (flags & O_CREAT) != 0 && lstat(path, &stat) != 0;
}

#define OPEN(name)                                                                                 \
  int name(const char *path, int flags, ...) {                                                     \
    va_list rest;                                                                                  \
    va_start(rest, flags);                                                                         \
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;                               \
    va_end(rest);                                                                                  \
    if (below_root(path) == NULL) return REAL(name)(path, flags, mode);                            \
    enter();                                                                                       \
    int is_new = creates(path, flags);                                                             \
    int fd = opened(REAL(name)(path, flags, mode), path, flags, is_new);                           \
    leave();                                                                                       \
    return fd;                                                                                     \
  }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                                               \
  int name(int at, const char *path, int flags, ...) {                                             \
    va_list rest;                                                                                  \
    va_start(rest, flags);                                                                         \
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;                               \
    va_end(rest);                                                                                  \
    if (below_root(path) == NULL) return REAL(name)(at, path, flags, mode);                        \
    enter();                                                                                       \
    int is_new = creates(path, flags);                                                             \
    int fd = opened(REAL(name)(at, path, flags, mode), path, flags, is_new);                       \
    leave();                                                                                       \
    return fd;                                                                                     \
  }
OPENAT(openat)
OPENAT(openat64)

int close(int fd) {
  struct tracked *file = tracked(fd);
  if (file != NULL) {
    free(file->path);
    *file = (struct tracked){0};
  }
  return REAL(close)(fd);
}

static ssize_t wrote(int fd, const struct iovec *data, int count, ssize_t taken, off64_t position) {
  const struct tracked *file = tracked(fd);
  struct iovec parts[VECTORS_MAX];
  size_t left = taken;
  int used = 0;
  if (taken <= 0) return taken;
  for (int at = 0; at < count && left > 0 && used < VECTORS_MAX; at++) {
    size_t bytes = data[at].iov_len < left ? data[at].iov_len : left;
    parts[used++] = (struct iovec){data[at].iov_base, bytes};
    left -= bytes;
  }
  if (position < 0) position = lseek64(fd, 0, SEEK_CUR) - taken;
  struct header header = {.kind = WRITE, .inode = file->inode, .position = position};
  record(header, NULL, parts, used);
  return taken;
}

#define MAKE_CALL(type, fd, call)                                                                  \
  if (tracked(fd) == NULL) return call;                                                            \
  enter();                                                                                         \
  type result

ssize_t write(int fd, const void *from, size_t bytes) {
  MAKE_CALL(ssize_t, fd, REAL(write)(fd, from, bytes));
  struct iovec part = {(void *)from, bytes};
  result = wrote(fd, &part, 1, REAL(write)(fd, from, bytes), -1);
  leave();
  return result;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  MAKE_CALL(ssize_t, fd, REAL(writev)(fd, parts, count));
  result = wrote(fd, parts, count, REAL(writev)(fd, parts, count), -1);
  leave();
  return result;
}

#define PWRITE(name, offset)                                                                       \
  ssize_t name(int fd, const void *from, size_t bytes, offset position) {                          \
    MAKE_CALL(ssize_t, fd, REAL(name)(fd, from, bytes, position));                                 \
    struct iovec part = {(void *)from, bytes};                                                     \
    result = wrote(fd, &part, 1, REAL(name)(fd, from, bytes, position), position);                 \
    leave();                                                                                       \
    return result;                                                                                 \
  }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define PWRITEV(name, offset)                                                                      \
  ssize_t name(int fd, const struct iovec *parts, int count, offset position) {                    \
    MAKE_CALL(ssize_t, fd, REAL(name)(fd, parts, count, position));                                \
    result = wrote(fd, parts, count, REAL(name)(fd, parts, count, position), position);            \
    leave();                                                                                       \
    return result;                                                                                 \
  }
PWRITEV(pwritev, off_t)
PWRITEV(pwritev64, off64_t)

#define FTRUNCATE(name, offset)                                                                    \
  int name(int fd, offset bytes) {                                                                 \
    MAKE_CALL(int, fd, REAL(name)(fd, bytes));                                                     \
    struct header header = {.kind = TRUNCATE, .inode = fds[fd].inode, .position = bytes};          \
    result = REAL(name)(fd, bytes);                                                                \
    if (result == 0) record(header, NULL, NULL, 0);                                                \
    leave();                                                                                       \
    return result;                                                                                 \
  }
FTRUNCATE(ftruncate, off_t)
FTRUNCATE(ftruncate64, off64_t)

static void record_sync(const struct tracked *file, struct header header) {
  enter();
  record(header, file->path, NULL, 0);
  leave();
}

/* A kill between the sync and its second record leaves a sync that nobody was told of. */
static int synced(int fd, int (*sync)(int)) {
  const struct tracked *file = tracked(fd);
  if (file == NULL) return sync(fd);
  long number = atomic_fetch_add(&sync_count, 1) + 1;
  uint64_t token = (uint64_t)getpid() << 32 | atomic_fetch_add(&sync_token, 1);
  struct header header = {.kind = SYNC_BEGIN, .inode = file->inode, .position = token};
  int result = 0;
  record_sync(file, header);
  header.kind = SYNC_END;
  if (number == eio_at) {
    header.outcome = FAILED;
    result = -1;
  } else if (lie_from > 0 && number >= lie_from) {
    header.outcome = LIED;
  } else {
    result = sync(fd);
    header.outcome = result == 0 ? SYNCED : FAILED;
  }
  record_sync(file, header);
  if (number == eio_at) errno = EIO;
  return result;
}

int fsync(int fd) { return synced(fd, REAL(fsync)); }

int fdatasync(int fd) { return synced(fd, REAL(fdatasync)); }

int rename(const char *from, const char *to) {
  const char *name = below_root(from), *target = below_root(to);
  if (name == NULL && target == NULL) return REAL(rename)(from, to);
  if (name == NULL || target == NULL) abort(); /* In or out of the directory: not ours. */
  struct iovec part = {(void *)target, strlen(target)};
  enter();
  int result = REAL(rename)(from, to);
  if (result == 0) record((struct header){.kind = RENAME}, name, &part, 1);
  leave();
  return result;
}

int unlink(const char *path) {
  const char *name = below_root(path);
  if (name == NULL) return REAL(unlink)(path);
  enter();
  int result = REAL(unlink)(path);
  if (result == 0) record((struct header){.kind = UNLINK}, name, NULL, 0);
  leave();
  return result;
}

int mkdir(const char *path, mode_t mode) {
  const char *name = below_root(path);
  if (name == NULL) return REAL(mkdir)(path, mode);
  enter();
  int result = REAL(mkdir)(path, mode);
  if (result == 0) record((struct header){.kind = MAKE_DIRECTORY}, name, NULL, 0);
  leave();
  return result;
}
