#include "xdr_shims.h"

#include <limits.h>
#include <string.h>

_Static_assert(MAX_AUTH_BYTES == TLSD_MAX_AUTH, "rpc/auth.h");
_Static_assert(MAX_MACHINE_NAME == TLSD_MAX_MACHINE && NGRPS == TLSD_MAX_GROUPS, "rpc/auth_unix.h");
_Static_assert(sizeof(gid_t) == sizeof(uint32_t) && sizeof(uid_t) == sizeof(uint32_t), "AUTH_SYS");

static u_int clamped(size_t length) { return length > INT_MAX ? INT_MAX : (u_int)length; }

void tlsd_xdr_read(XDR *stream, const void *bytes, size_t length) {
    // xdrmem_create takes one type for both directions; a stream that decodes does not write.
    xdrmem_create(stream, (char *)bytes, clamped(length), XDR_DECODE);
}

void tlsd_xdr_write(XDR *stream, void *buffer, size_t capacity) {
    xdrmem_create(stream, buffer, clamped(capacity), XDR_ENCODE);
}

void tlsd_xdr_release(XDR *stream) {
    memset(stream, 0, sizeof *stream);
    stream->x_op = XDR_FREE;
}

size_t tlsd_xdr_position(XDR *stream) { return xdr_getpos(stream); }

static uint32_t word(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static size_t padded(size_t length) { return (length + 3) & ~(size_t)3; }

// Steps over one opaque_auth at `*position` and leaves `auth` pointing into the message.
static ssize_t step_over(const uint8_t *bytes, size_t length, size_t *position, struct tlsd_auth *auth) {
    if (length < *position + 8) return TLSD_RPC_TRUNCATED;
    auth->flavor = word(bytes + *position);
    auth->length = word(bytes + *position + 4);
    if (auth->length > TLSD_MAX_AUTH) return TLSD_RPC_MALFORMED;
    if (length < *position + 8 + padded(auth->length)) return TLSD_RPC_TRUNCATED;
    auth->body = auth->length == 0 ? NULL : bytes + *position + 8;
    *position += 8 + padded(auth->length);
    return 0;
}

// libtirpc's routines say only yes or no. What stands before each call of them finds out how long the header is, so
// that they get exactly it, and tells a header that goes on from one that is wrong.

ssize_t tlsd_decode_call(const void *bytes, size_t length, struct tlsd_call *call) {
    const uint8_t *at = bytes;
    size_t position = 24;
    ssize_t failed;
    memset(call, 0, sizeof *call);
    if (length >= 4) call->xid = word(at);
    if (length >= 8 && word(at + 4) != CALL) return TLSD_RPC_MALFORMED;
    if (length >= 12) {
        call->rpcvers = word(at + 8);
        if (call->rpcvers != RPC_MSG_VERSION) return TLSD_RPC_VERSION;
    }
    if (length < position) return TLSD_RPC_TRUNCATED;
    if ((failed = step_over(at, length, &position, &call->cred)) != 0) return failed;
    if ((failed = step_over(at, length, &position, &call->verf)) != 0) return failed;

    XDR stream;
    struct rpc_msg message;
    char cred[MAX_AUTH_BYTES], verf[MAX_AUTH_BYTES];
    memset(&message, 0, sizeof message);
    // Room of our own, so that libtirpc allocates none.
    message.rm_call.cb_cred.oa_base = cred;
    message.rm_call.cb_verf.oa_base = verf;
    tlsd_xdr_read(&stream, bytes, position);
    if (!xdr_callmsg(&stream, &message) || tlsd_xdr_position(&stream) != position) return TLSD_RPC_MALFORMED;
    call->prog = (uint32_t)message.rm_call.cb_prog;
    call->vers = (uint32_t)message.rm_call.cb_vers;
    call->proc = (uint32_t)message.rm_call.cb_proc;
    return (ssize_t)position;
}

ssize_t tlsd_encode_call(void *buffer, size_t capacity, uint32_t xid, uint32_t prog, uint32_t vers, uint32_t proc,
                         uint32_t cred_flavor, const void *cred, size_t cred_length) {
    XDR stream;
    struct rpc_msg message;
    if (cred_length > TLSD_MAX_AUTH) return -1;
    memset(&message, 0, sizeof message);
    message.rm_xid = xid;
    message.rm_direction = CALL;
    message.rm_call.cb_rpcvers = RPC_MSG_VERSION;
    message.rm_call.cb_prog = prog;
    message.rm_call.cb_vers = vers;
    message.rm_call.cb_proc = proc;
    message.rm_call.cb_cred.oa_flavor = (enum_t)cred_flavor;
    message.rm_call.cb_cred.oa_base = (caddr_t)cred;
    message.rm_call.cb_cred.oa_length = (u_int)cred_length;
    message.rm_call.cb_verf.oa_flavor = AUTH_NONE;
    tlsd_xdr_write(&stream, buffer, capacity);
    return xdr_callmsg(&stream, &message) ? (ssize_t)tlsd_xdr_position(&stream) : -1;
}

// The results are the caller's, beyond the header.
static bool_t no_results(XDR *stream, ...) {
    (void)stream;
    return TRUE;
}

static ssize_t encode_reply(void *buffer, size_t capacity, struct rpc_msg *message) {
    XDR stream;
    message->rm_direction = REPLY;
    tlsd_xdr_write(&stream, buffer, capacity);
    return xdr_replymsg(&stream, message) ? (ssize_t)tlsd_xdr_position(&stream) : -1;
}

ssize_t tlsd_encode_reply_accepted(void *buffer, size_t capacity, uint32_t xid, uint32_t verf_flavor, const void *verf,
                                   size_t verf_length, uint32_t accept_stat, uint32_t low, uint32_t high) {
    struct rpc_msg message;
    if (verf_length > TLSD_MAX_AUTH) return -1;
    memset(&message, 0, sizeof message);
    message.rm_xid = xid;
    message.rm_reply.rp_stat = MSG_ACCEPTED;
    message.acpted_rply.ar_verf.oa_flavor = (enum_t)verf_flavor;
    message.acpted_rply.ar_verf.oa_base = (caddr_t)verf;
    message.acpted_rply.ar_verf.oa_length = (u_int)verf_length;
    message.acpted_rply.ar_stat = (enum accept_stat)accept_stat;
    if (accept_stat == SUCCESS) {
        message.acpted_rply.ar_results.proc = (xdrproc_t)no_results;
    } else {
        message.acpted_rply.ar_vers.low = low;
        message.acpted_rply.ar_vers.high = high;
    }
    return encode_reply(buffer, capacity, &message);
}

ssize_t tlsd_encode_reply_denied(void *buffer, size_t capacity, uint32_t xid, uint32_t reject_stat, uint32_t auth_stat,
                                 uint32_t low, uint32_t high) {
    struct rpc_msg message;
    memset(&message, 0, sizeof message);
    message.rm_xid = xid;
    message.rm_reply.rp_stat = MSG_DENIED;
    message.rjcted_rply.rj_stat = (enum reject_stat)reject_stat;
    if (reject_stat == RPC_MISMATCH) {
        message.rjcted_rply.rj_vers.low = low;
        message.rjcted_rply.rj_vers.high = high;
    } else {
        message.rjcted_rply.rj_why = (enum auth_stat)auth_stat;
    }
    return encode_reply(buffer, capacity, &message);
}

ssize_t tlsd_decode_reply(const void *bytes, size_t length, struct tlsd_reply *reply) {
    const uint8_t *at = bytes;
    size_t position = 12;
    ssize_t failed;
    memset(reply, 0, sizeof *reply);
    if (length >= 4) reply->xid = word(at);
    if (length >= 8 && word(at + 4) != REPLY) return TLSD_RPC_MALFORMED;
    if (length < position) return TLSD_RPC_TRUNCATED;
    uint32_t stat = word(at + 8);
    if (stat != MSG_ACCEPTED && stat != MSG_DENIED) return TLSD_RPC_MALFORMED;
    reply->accepted = stat == MSG_ACCEPTED;
    if (reply->accepted && (failed = step_over(at, length, &position, &reply->verf)) != 0) return failed;
    if (length < position + 4) return TLSD_RPC_TRUNCATED;
    uint32_t status = word(at + position);
    position += 4;
    if (reply->accepted) {
        if (status > SYSTEM_ERR) return TLSD_RPC_MALFORMED;
        if (status == PROG_MISMATCH) position += 8;
    } else {
        if (status != RPC_MISMATCH && status != AUTH_ERROR) return TLSD_RPC_MALFORMED;
        position += status == RPC_MISMATCH ? 8 : 4;
    }
    if (length < position) return TLSD_RPC_TRUNCATED;

    XDR stream;
    struct rpc_msg message;
    char verf[MAX_AUTH_BYTES];
    memset(&message, 0, sizeof message);
    if (reply->accepted) {
        message.acpted_rply.ar_verf.oa_base = verf;
        message.acpted_rply.ar_results.proc = (xdrproc_t)no_results;
    }
    tlsd_xdr_read(&stream, bytes, position);
    if (!xdr_replymsg(&stream, &message) || tlsd_xdr_position(&stream) != position) return TLSD_RPC_MALFORMED;
    if (reply->accepted) {
        reply->accept_stat = message.acpted_rply.ar_stat;
        if (status == PROG_MISMATCH) {
            reply->low = (uint32_t)message.acpted_rply.ar_vers.low;
            reply->high = (uint32_t)message.acpted_rply.ar_vers.high;
        }
    } else {
        reply->reject_stat = message.rjcted_rply.rj_stat;
        if (status == RPC_MISMATCH) {
            reply->low = (uint32_t)message.rjcted_rply.rj_vers.low;
            reply->high = (uint32_t)message.rjcted_rply.rj_vers.high;
        } else {
            reply->auth_stat = message.rjcted_rply.rj_why;
        }
    }
    return (ssize_t)position;
}

ssize_t tlsd_encode_auth_sys(void *buffer, size_t capacity, const struct tlsd_auth_sys *parameters) {
    XDR stream;
    struct authunix_parms parms;
    struct tlsd_auth_sys copy = *parameters;
    if (copy.count > TLSD_MAX_GROUPS) return -1;
    copy.machine[TLSD_MAX_MACHINE] = 0;
    memset(&parms, 0, sizeof parms);
    parms.aup_time = copy.stamp;
    parms.aup_machname = copy.machine;
    parms.aup_uid = copy.uid;
    parms.aup_gid = copy.gid;
    parms.aup_len = copy.count;
    parms.aup_gids = copy.groups;
    tlsd_xdr_write(&stream, buffer, capacity);
    return xdr_authunix_parms(&stream, &parms) ? (ssize_t)tlsd_xdr_position(&stream) : -1;
}

int tlsd_decode_auth_sys(const void *bytes, size_t length, struct tlsd_auth_sys *parameters) {
    XDR stream;
    struct authunix_parms parms;
    memset(parameters, 0, sizeof *parameters);
    memset(&parms, 0, sizeof parms);
    // Room of our own, so that libtirpc allocates none; it checks both lengths against the same limits.
    parms.aup_machname = parameters->machine;
    parms.aup_gids = parameters->groups;
    tlsd_xdr_read(&stream, bytes, length);
    if (!xdr_authunix_parms(&stream, &parms) || tlsd_xdr_position(&stream) != length) return -1;
    parameters->stamp = (uint32_t)parms.aup_time;
    parameters->uid = parms.aup_uid;
    parameters->gid = parms.aup_gid;
    parameters->count = parms.aup_len;
    return 0;
}
