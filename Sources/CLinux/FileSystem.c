#define _GNU_SOURCE
#include "CLinux.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/xattr.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

_Static_assert(EXT4_SUPER_MAGIC == CLINUX_EXT4 && XFS_SUPER_MAGIC == CLINUX_XFS, "statfs");
_Static_assert(TMPFS_MAGIC == CLINUX_TMPFS && F2FS_SUPER_MAGIC == CLINUX_F2FS, "statfs");
_Static_assert(BTRFS_SUPER_MAGIC == CLINUX_BTRFS && OVERLAYFS_SUPER_MAGIC == CLINUX_OVERLAYFS, "statfs");
_Static_assert(FUSE_SUPER_MAGIC == CLINUX_FUSE, "statfs");

int clinux_file_system_type(int descriptor, uint64_t *type) {
    struct statfs system;
    if (fstatfs(descriptor, &system) != 0) return -1;
    // f_type is signed, and a number of 32 bits
    *type = (uint32_t)system.f_type;
    return 0;
}

int clinux_birth_time(int directory, const char *path, int flags, int64_t *seconds, uint32_t *nanoseconds) {
    struct statx status;
    if (statx(directory, path, flags | AT_SYMLINK_NOFOLLOW, STATX_BTIME, &status) != 0) return -1;
    if (!(status.stx_mask & STATX_BTIME)) return 0;
    *seconds = status.stx_btime.tv_sec;
    *nanoseconds = status.stx_btime.tv_nsec;
    return 1;
}

int clinux_memory_file(const char *name) { return memfd_create(name, MFD_CLOEXEC); }

int clinux_punch_hole(int file, int64_t offset, int64_t count) {
    return fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, count);
}

int clinux_syncfs(int descriptor) { return syncfs(descriptor); }

ssize_t clinux_list_attributes_of(int file, void *names, size_t size) { return flistxattr(file, names, size); }
ssize_t clinux_list_attributes(const char *path, void *names, size_t size) { return llistxattr(path, names, size); }
