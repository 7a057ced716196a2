// What Swift does not see of libtirpc's XDR (its macros) and what it should not have to see (struct rpc_msg's unions):
// memory streams and the headers of RPC messages (RFC 5531 section 9).
//
// Every function works on bytes from anywhere: none reads beyond `length`, none writes beyond `capacity`, none leaves
// anything allocated behind.
#ifndef TLSD_XDR_SHIMS_H
#define TLSD_XDR_SHIMS_H

#include <rpc/rpc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A memory stream that reads `bytes`, one that writes `buffer`, and one with which a type's routine frees what decoding
// allocated. Streams need no destroying.
void tlsd_xdr_read(XDR *stream, const void *bytes, size_t length);
void tlsd_xdr_write(XDR *stream, void *buffer, size_t capacity);
void tlsd_xdr_release(XDR *stream);

// Bytes read or written so far: xdr_getpos(3).
size_t tlsd_xdr_position(XDR *stream);

// RFC 5531 section 8.2: what a credential's or a verifier's body may have.
enum { TLSD_MAX_AUTH = 400 };

// Why a header could not be decoded.
enum {
    // It is not a call (or not a reply), or it breaks a limit.
    TLSD_RPC_MALFORMED = -1,
    // A call of another version of RPC than 2: `xid` and `rpcvers` are set.
    TLSD_RPC_VERSION = -2,
    // The header goes on beyond `length`; so far it is well formed.
    TLSD_RPC_TRUNCATED = -3,
};

// An opaque_auth that lies in the message it was decoded from.
struct tlsd_auth {
    uint32_t flavor;
    uint32_t length;      // at most TLSD_MAX_AUTH
    const uint8_t *body;  // null where length is 0
};

struct tlsd_call {
    uint32_t xid;
    uint32_t rpcvers;
    uint32_t prog;
    uint32_t vers;
    uint32_t proc;
    struct tlsd_auth cred;
    struct tlsd_auth verf;
};

struct tlsd_reply {
    uint32_t xid;
    bool accepted;           // reply_stat: MSG_ACCEPTED or MSG_DENIED
    struct tlsd_auth verf;   // accepted
    uint32_t accept_stat;    // accepted
    uint32_t reject_stat;    // denied
    uint32_t auth_stat;      // denied with AUTH_ERROR
    uint32_t low, high;      // PROG_MISMATCH or RPC_MISMATCH
};

// A call's header with a credential of `cred_flavor` and the verifier AUTH_NONE. Returns its length, or -1 where it
// does not fit or the credential is longer than TLSD_MAX_AUTH.
ssize_t tlsd_encode_call(void *buffer, size_t capacity, uint32_t xid, uint32_t prog, uint32_t vers, uint32_t proc,
                         uint32_t cred_flavor, const void *cred, size_t cred_length);

// Returns the header's length, after which the arguments begin, or one of the reasons above.
ssize_t tlsd_decode_call(const void *bytes, size_t length, struct tlsd_call *call);

// MSG_ACCEPTED. `low` and `high` count with PROG_MISMATCH alone. Returns the header's length or -1.
ssize_t tlsd_encode_reply_accepted(void *buffer, size_t capacity, uint32_t xid, uint32_t verf_flavor, const void *verf,
                                   size_t verf_length, uint32_t accept_stat, uint32_t low, uint32_t high);

// MSG_DENIED: RPC_MISMATCH with `low` and `high`, or AUTH_ERROR with `auth_stat`. Returns the header's length or -1.
ssize_t tlsd_encode_reply_denied(void *buffer, size_t capacity, uint32_t xid, uint32_t reject_stat, uint32_t auth_stat,
                                 uint32_t low, uint32_t high);

// Returns the header's length, after which the results begin, or one of the reasons above.
ssize_t tlsd_decode_reply(const void *bytes, size_t length, struct tlsd_reply *reply);

// AUTH_SYS, RFC 5531 appendix A.
enum { TLSD_MAX_MACHINE = 255, TLSD_MAX_GROUPS = 16 };

struct tlsd_auth_sys {
    uint32_t stamp;
    char machine[TLSD_MAX_MACHINE + 1];
    uint32_t uid;
    uint32_t gid;
    uint32_t count;
    uint32_t groups[TLSD_MAX_GROUPS];
};

// The body of an AUTH_SYS credential. Returns its length or -1.
ssize_t tlsd_encode_auth_sys(void *buffer, size_t capacity, const struct tlsd_auth_sys *parameters);

// Returns 0, or -1 where the bytes are not exactly one AUTH_SYS body.
int tlsd_decode_auth_sys(const void *bytes, size_t length, struct tlsd_auth_sys *parameters);

#endif
