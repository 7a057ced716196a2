#define _GNU_SOURCE
#include "CLinux.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <linux/securebits.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef SOL_TLS
#define SOL_TLS 282
#endif
#ifndef TCP_ULP
#define TCP_ULP 31
#endif

// The kernel's numbers are part of its interface; the header gives them names Swift can see, and this keeps them true.
_Static_assert(RESOLVE_NO_XDEV == CLINUX_RESOLVE_NO_XDEV, "openat2");
_Static_assert(RESOLVE_NO_MAGICLINKS == CLINUX_RESOLVE_NO_MAGICLINKS, "openat2");
_Static_assert(RESOLVE_NO_SYMLINKS == CLINUX_RESOLVE_NO_SYMLINKS, "openat2");
_Static_assert(RESOLVE_BENEATH == CLINUX_RESOLVE_BENEATH, "openat2");
_Static_assert(O_PATH == CLINUX_O_PATH && O_TMPFILE == CLINUX_O_TMPFILE, "open");
_Static_assert(AT_EMPTY_PATH == CLINUX_AT_EMPTY_PATH, "linkat");
_Static_assert(SPLICE_F_MOVE == CLINUX_SPLICE_F_MOVE && SPLICE_F_NONBLOCK == CLINUX_SPLICE_F_NONBLOCK, "splice");
_Static_assert(SPLICE_F_MORE == CLINUX_SPLICE_F_MORE && F_SETPIPE_SZ == CLINUX_F_SETPIPE_SZ, "splice");
_Static_assert(TLS_CIPHER_AES_GCM_128 == CLINUX_TLS_AES_128_GCM, "tls");
_Static_assert(TLS_CIPHER_AES_GCM_256 == CLINUX_TLS_AES_256_GCM, "tls");
_Static_assert(TLS_CIPHER_CHACHA20_POLY1305 == CLINUX_TLS_CHACHA20_POLY1305, "tls");
_Static_assert(TLS_TX == CLINUX_TLS_TX && TLS_RX == CLINUX_TLS_RX, "tls");
_Static_assert(sizeof(struct tls12_crypto_info_aes_gcm_128) == 4 + 8 + 16 + 4 + 8, "tls");
_Static_assert(sizeof(struct tls12_crypto_info_aes_gcm_256) == 4 + 8 + 32 + 4 + 8, "tls");
_Static_assert(sizeof(struct tls12_crypto_info_chacha20_poly1305) == 4 + 12 + 32 + 8, "tls");
_Static_assert(CLINUX_MAX_HANDLE == MAX_HANDLE_SZ, "open_by_handle_at");

int clinux_openat2(int directory, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve) {
    struct open_how how = {.flags = flags, .mode = mode, .resolve = resolve};
    return (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
}

int clinux_accept(int listener) { return accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK); }
int clinux_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC | O_NONBLOCK); }
void clinux_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }

int clinux_hide_memory(void) { return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }

ssize_t clinux_splice(int from, int to, int64_t *to_offset, size_t count, unsigned flags) {
    return splice(from, NULL, to, to_offset, count, flags);
}

ssize_t clinux_splice_all(int from, int to, size_t count, unsigned flags, size_t *moved) {
    ssize_t step = 0;
    while (*moved < count && (step = splice(from, NULL, to, NULL, count - *moved, flags)) > 0) *moved += (size_t)step;
    return step;
}

ssize_t clinux_getdents64(int directory, void *buffer, size_t count) { return getdents64(directory, buffer, count); }

int clinux_name_to_handle(int directory, const char *path, int flags, int32_t *type, uint8_t *bytes, uint32_t *length,
                          int *mount_id) {
    union {
        struct file_handle handle;
        char space[sizeof(struct file_handle) + MAX_HANDLE_SZ];
    } u;
    u.handle.handle_bytes = MAX_HANDLE_SZ;
    if (name_to_handle_at(directory, path, &u.handle, mount_id, flags) != 0) return -1;
    *type = u.handle.handle_type;
    *length = u.handle.handle_bytes;
    memcpy(bytes, u.handle.f_handle, u.handle.handle_bytes);
    return 0;
}

int clinux_open_by_handle(int mount, int32_t type, const uint8_t *bytes, uint32_t length, int flags) {
    union {
        struct file_handle handle;
        char space[sizeof(struct file_handle) + MAX_HANDLE_SZ];
    } u;
    if (length > MAX_HANDLE_SZ) {
        errno = ESTALE;
        return -1;
    }
    u.handle.handle_type = type;
    u.handle.handle_bytes = length;
    memcpy(u.handle.f_handle, bytes, length);
    return open_by_handle_at(mount, &u.handle, flags);
}

ssize_t clinux_send_descriptors(int socket, const void *bytes, size_t length, const int *descriptors, size_t count) {
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int) * CLINUX_MAX_PASSED)];
    } control = {0};
    struct iovec part = {.iov_base = (void *)bytes, .iov_len = length};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (count > CLINUX_MAX_PASSED) {
        errno = EINVAL;
        return -1;
    }
    if (count > 0) {
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * count);
        memcpy(CMSG_DATA(header), descriptors, sizeof(int) * count);
    }
    return sendmsg(socket, &message, MSG_NOSIGNAL);
}

ssize_t clinux_receive_descriptors(int socket, void *bytes, size_t length, int *descriptors, size_t *count) {
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int) * CLINUX_MAX_PASSED)];
    } control = {0};
    struct iovec part = {.iov_base = bytes, .iov_len = length};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    *count = 0;
    ssize_t received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    if (received < 0) return -1;
    for (struct cmsghdr *h = CMSG_FIRSTHDR(&message); h; h = CMSG_NXTHDR(&message, h)) {
        if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS) continue;
        size_t here = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < here; i++) {
            int descriptor;
            memcpy(&descriptor, CMSG_DATA(h) + i * sizeof(int), sizeof(int));
            if (*count < CLINUX_MAX_PASSED)
                descriptors[(*count)++] = descriptor;
            else
                close(descriptor);
        }
    }
    return received;
}

int clinux_peer_credentials(int socket, pid_t *pid, uid_t *uid, gid_t *gid) {
    struct ucred peer;
    socklen_t length = sizeof peer;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return -1;
    *pid = peer.pid;
    *uid = peer.uid;
    *gid = peer.gid;
    return 0;
}

int clinux_tls_attach(int socket) { return setsockopt(socket, IPPROTO_TCP, TCP_ULP, "tls", sizeof "tls"); }

// What the options TLS_TX and TLS_RX have: <linux/tls.h> gives each suite its own structure.
union tls_crypto {
    struct tls_crypto_info info;
    struct tls12_crypto_info_aes_gcm_128 aes128;
    struct tls12_crypto_info_aes_gcm_256 aes256;
    struct tls12_crypto_info_chacha20_poly1305 chacha;
};

int clinux_tls_install(int socket, enum clinux_tls_direction direction, enum clinux_tls_cipher cipher, const uint8_t *key,
                       const uint8_t iv[12], uint64_t sequence) {
    union tls_crypto crypto = {0};
    uint8_t rec_seq[8];
    socklen_t length;
    for (int i = 0; i < 8; i++) rec_seq[i] = (uint8_t)(sequence >> (56 - 8 * i));
    crypto.info.version = TLS_1_3_VERSION;
    crypto.info.cipher_type = (uint16_t)cipher;
    switch (cipher) {
        case CLINUX_TLS_AES_128_GCM:
            memcpy(crypto.aes128.key, key, sizeof crypto.aes128.key);
            memcpy(crypto.aes128.salt, iv, 4);
            memcpy(crypto.aes128.iv, iv + 4, 8);
            memcpy(crypto.aes128.rec_seq, rec_seq, 8);
            length = sizeof crypto.aes128;
            break;
        case CLINUX_TLS_AES_256_GCM:
            memcpy(crypto.aes256.key, key, sizeof crypto.aes256.key);
            memcpy(crypto.aes256.salt, iv, 4);
            memcpy(crypto.aes256.iv, iv + 4, 8);
            memcpy(crypto.aes256.rec_seq, rec_seq, 8);
            length = sizeof crypto.aes256;
            break;
        case CLINUX_TLS_CHACHA20_POLY1305:
            memcpy(crypto.chacha.key, key, sizeof crypto.chacha.key);
            memcpy(crypto.chacha.iv, iv, 12);
            memcpy(crypto.chacha.rec_seq, rec_seq, 8);
            length = sizeof crypto.chacha;
            break;
        default:
            errno = EINVAL;
            return -1;
    }
    int result = setsockopt(socket, SOL_TLS, direction, &crypto, length);
    int error = errno;
    explicit_bzero(&crypto, sizeof crypto);
    errno = error;
    return result;
}

int clinux_tls_records(int socket, enum clinux_tls_direction direction, uint64_t *records) {
    union tls_crypto crypto = {0};
    socklen_t length = sizeof crypto.info;
    // The kernel wants the length of the suite's own structure, and tells the suite to who asks for the head alone.
    if (getsockopt(socket, SOL_TLS, direction, &crypto, &length) != 0) return -1;
    const unsigned char *rec_seq;
    switch (crypto.info.cipher_type) {
        case TLS_CIPHER_AES_GCM_128: length = sizeof crypto.aes128, rec_seq = crypto.aes128.rec_seq; break;
        case TLS_CIPHER_AES_GCM_256: length = sizeof crypto.aes256, rec_seq = crypto.aes256.rec_seq; break;
        case TLS_CIPHER_CHACHA20_POLY1305: length = sizeof crypto.chacha, rec_seq = crypto.chacha.rec_seq; break;
        default: errno = EINVAL; return -1;
    }
    int result = getsockopt(socket, SOL_TLS, direction, &crypto, &length);
    int error = errno;
    uint64_t count = 0;
    for (int i = 0; i < 8; i++) count = count << 8 | rec_seq[i];
    // The key comes with it, and nobody here wants it.
    explicit_bzero(&crypto, sizeof crypto);
    errno = error;
    if (result == 0) *records = count;
    return result;
}

ssize_t clinux_tls_send_record(int socket, uint8_t type, const void *bytes, size_t length, int flags) {
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(uint8_t))];
    } control = {0};
    struct iovec part = {.iov_base = (void *)bytes, .iov_len = length};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.space};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_TLS;
    header->cmsg_type = TLS_SET_RECORD_TYPE;
    header->cmsg_len = CMSG_LEN(sizeof(uint8_t));
    *CMSG_DATA(header) = type;
    message.msg_controllen = header->cmsg_len;
    return sendmsg(socket, &message, flags | MSG_NOSIGNAL);
}

ssize_t clinux_tls_receive(int socket, void *bytes, size_t length, int flags, uint8_t *type) {
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(uint8_t))];
    } control = {0};
    struct iovec part = {.iov_base = bytes, .iov_len = length};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.space};
    *type = 23;
    ssize_t received = recvmsg(socket, &message, flags);
    if (received < 0) return -1;
    for (struct cmsghdr *h = CMSG_FIRSTHDR(&message); h; h = CMSG_NXTHDR(&message, h))
        if (h->cmsg_level == SOL_TLS && h->cmsg_type == TLS_GET_RECORD_TYPE) *type = *CMSG_DATA(h);
    return received;
}

uint32_t clinux_major(uint64_t device) { return major(device); }
uint32_t clinux_minor(uint64_t device) { return minor(device); }
uint64_t clinux_makedev(uint32_t major, uint32_t minor) { return makedev(major, minor); }

int clinux_set_groups(const uint32_t *groups, size_t count) { return (int)syscall(SYS_setgroups, count, groups); }

int clinux_set_file_ids(uint32_t uid, uint32_t gid) {
    // They return what was before and never an error: -1, which is nobody, asks what is now.
    syscall(SYS_setfsgid, gid);
    syscall(SYS_setfsuid, uid);
    if ((uint32_t)syscall(SYS_setfsgid, -1) == gid && (uint32_t)syscall(SYS_setfsuid, -1) == uid) return 0;
    errno = EPERM;
    return -1;
}

static int capabilities(struct __user_cap_data_struct data[2]) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    return (int)syscall(SYS_capget, &header, data);
}

bool clinux_has_capability(unsigned capability) {
    struct __user_cap_data_struct data[2];
    return capability < 64 && capabilities(data) == 0 && (data[capability / 32].effective >> capability % 32 & 1) != 0;
}

int clinux_drop_capability(unsigned capability) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    if (capability >= 64 || capabilities(data) != 0) return -1;
    data[capability / 32].effective &= ~(1U << capability % 32);
    data[capability / 32].permitted &= ~(1U << capability % 32);
    return (int)syscall(SYS_capset, &header, data);
}

bool clinux_keeps_capabilities(void) { return (prctl(PR_GET_SECUREBITS) & SECBIT_NO_SETUID_FIXUP) != 0; }

int clinux_spawn_close_from(posix_spawn_file_actions_t *actions, int first) {
    return posix_spawn_file_actions_addclosefrom_np(actions, first);
}
