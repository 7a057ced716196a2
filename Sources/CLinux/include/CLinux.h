// What Swift's Glibc module does not show: system calls without a wrapper there, macros of <sys/socket.h>, and the
// kernel's TLS socket options. Every function is the system call of its name and sets errno as that does.
#ifndef TLSD_CLINUX_H
#define TLSD_CLINUX_H

// No _GNU_SOURCE here: with it <sys/select.h> declares another fd_set than the one Swift's Glibc module has seen.
#include <spawn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/types.h>

// openat2(2)
enum {
    CLINUX_RESOLVE_NO_XDEV = 0x01,
    CLINUX_RESOLVE_NO_MAGICLINKS = 0x02,
    CLINUX_RESOLVE_NO_SYMLINKS = 0x04,
    CLINUX_RESOLVE_BENEATH = 0x08,
};
int clinux_openat2(int directory, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve);

// Flags that <fcntl.h> shows only with _GNU_SOURCE
enum {
    CLINUX_O_PATH = 010000000,
    CLINUX_O_TMPFILE = 020200000,
    CLINUX_AT_EMPTY_PATH = 0x1000,
    CLINUX_SPLICE_F_MOVE = 1,
    CLINUX_SPLICE_F_NONBLOCK = 2,
    CLINUX_SPLICE_F_MORE = 4,
    CLINUX_F_SETPIPE_SZ = 1031,
};

// accept4(2) and pipe2(2), close-on-exec and non-blocking; pthread_setname_np(3) of the calling thread
int clinux_accept(int listener);
int clinux_pipe(int ends[2]);
void clinux_name_thread(const char *name);

// prctl(2): PR_SET_DUMPABLE off
int clinux_hide_memory(void);

// splice(2) out of a pipe to an offset
ssize_t clinux_splice(int from, int to, int64_t *to_offset, size_t count, unsigned flags);

// splice(2) again and again, behind `*moved`, which grows: a TLS socket gives one record to a call. Returns what the last
// call returned.
ssize_t clinux_splice_all(int from, int to, size_t count, unsigned flags, size_t *moved);

// getdents64(2)
ssize_t clinux_getdents64(int directory, void *buffer, size_t count);

// syncfs(2)
int clinux_syncfs(int descriptor);

// name_to_handle_at(2), open_by_handle_at(2). `bytes` holds at least 128. Returns 0 or -1.
enum { CLINUX_MAX_HANDLE = 128 };
int clinux_name_to_handle(int directory, const char *path, int flags, int32_t *type, uint8_t *bytes, uint32_t *length, int *mount_id);
int clinux_open_by_handle(int mount, int32_t type, const uint8_t *bytes, uint32_t length, int flags);

// wcwidth(3) in UTF-8: columns a character takes on a terminal; -1 for control characters and what is none
int clinux_columns(uint32_t scalar);

// statfs(2): f_type, and the types that the project knows by name
int clinux_file_system_type(int descriptor, uint64_t *type);
enum clinux_file_system {
    CLINUX_EXT4 = 0xEF53,
    CLINUX_XFS = 0x58465342,
    CLINUX_TMPFS = 0x01021994,
    CLINUX_F2FS = 0xF2F52010u,
    CLINUX_BTRFS = 0x9123683Eu,
    CLINUX_OVERLAYFS = 0x794C7630,
    CLINUX_FUSE = 0x65735546,
};
// statx(2): when an object was made. Returns 1, 0 where the file system does not say, or -1.
int clinux_birth_time(int directory, const char *path, int flags, int64_t *seconds, uint32_t *nanoseconds);

// memfd_create(2), close-on-exec; fallocate(2) with FALLOC_FL_PUNCH_HOLE, the size kept.
int clinux_memory_file(const char *name);
int clinux_punch_hole(int file, int64_t offset, int64_t count);

// llistxattr(2), flistxattr(2)
ssize_t clinux_list_attributes(const char *path, void *names, size_t size);
ssize_t clinux_list_attributes_of(int file, void *names, size_t size);

// posix_spawn(3): the child has no descriptor from `first` on.
int clinux_spawn_close_from(posix_spawn_file_actions_t *actions, int first);

// Descriptor passing, unix(7). `count` at most CLINUX_MAX_PASSED. The receiver gets close-on-exec descriptors.
enum { CLINUX_MAX_PASSED = 4 };
ssize_t clinux_send_descriptors(int socket, const void *bytes, size_t length, const int *descriptors, size_t count);
ssize_t clinux_receive_descriptors(int socket, void *bytes, size_t length, int *descriptors, size_t *count);

// Who is at the other end of an AF_LOCAL socket: SO_PEERCRED. Returns 0 or -1.
int clinux_peer_credentials(int socket, pid_t *pid, uid_t *uid, gid_t *gid);

// Kernel TLS, Documentation/networking/tls.rst
enum clinux_tls_cipher { CLINUX_TLS_AES_128_GCM = 51, CLINUX_TLS_AES_256_GCM = 52, CLINUX_TLS_CHACHA20_POLY1305 = 54 };
enum clinux_tls_direction { CLINUX_TLS_TX = 1, CLINUX_TLS_RX = 2 };
// TCP_ULP "tls"
int clinux_tls_attach(int socket);
// TLS_TX or TLS_RX, version TLS 1.3: `key` has the cipher's length, `iv` the 12 bytes of RFC 8446 section 7.3
int clinux_tls_install(int socket, enum clinux_tls_direction direction, enum clinux_tls_cipher cipher, const uint8_t *key,
                       const uint8_t iv[12], uint64_t sequence);
// How many records went through one direction under its key: the sequence number of getsockopt(TLS_TX | TLS_RX)
int clinux_tls_records(int socket, enum clinux_tls_direction direction, uint64_t *records);
// send(2) of one record of another content type than application data: TLS_SET_RECORD_TYPE
ssize_t clinux_tls_send_record(int socket, uint8_t type, const void *bytes, size_t length, int flags);
// recv(2) with the content type of the record the bytes came from: TLS_GET_RECORD_TYPE. `type` is 23 where the kernel named none.
ssize_t clinux_tls_receive(int socket, void *bytes, size_t length, int flags, uint8_t *type);

// Device numbers: major(3), minor(3), makedev(3)
uint32_t clinux_major(uint64_t device);
uint32_t clinux_minor(uint64_t device);
uint64_t clinux_makedev(uint32_t major, uint32_t minor);

// setgroups(2) of the calling thread alone: glibc's changes every thread
int clinux_set_groups(const uint32_t *groups, size_t count);
// setfsuid(2) and setfsgid(2), of the calling thread alone; EPERM where it did not come about
int clinux_set_file_ids(uint32_t uid, uint32_t gid);
// Capabilities of the calling thread, capabilities(7): whether one is in effect, and to give one up for good
bool clinux_has_capability(unsigned capability);
int clinux_drop_capability(unsigned capability);
// Whether a change of user leaves the capabilities as they are: SECBIT_NO_SETUID_FIXUP
bool clinux_keeps_capabilities(void);
enum clinux_capability {
    CLINUX_CAP_DAC_READ_SEARCH = 2,
    CLINUX_CAP_SETGID = 6,
    CLINUX_CAP_SETUID = 7,
    CLINUX_CAP_SYS_RESOURCE = 24
};

#endif
