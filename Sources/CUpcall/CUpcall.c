#include "CUpcall.h"

#include <arpa/inet.h>
#include <rpc/rpc.h>
#include <rpc/svc_auth.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

// Both programs have the same procedures: the numbers are in both .x files.
_Static_assert(TLSCD_NULL == TLSSD_NULL && TLSCD_CONNECT == TLSSD_CONNECT && TLSCD_DISCONNECT == TLSSD_DISCONNECT &&
                   TLSCD_REKEY == TLSSD_REKEY && TLSCD_ENDED == TLSSD_ENDED,
               "tlscd.x and tlssd.x");

// Bytes of each of a session's two buffers, which it keeps as long as it lives; longer messages go in fragments. libtirpc's
// own choice is 9000.
enum { BUFFER = 1024 };

struct upcall_client {
    CLIENT *rpc;
};

upcall_client *upcall_client_create(int socket, uint32_t program, uint32_t version) {
    struct sockaddr_un address = {.sun_family = AF_LOCAL};
    struct netbuf remote = {.maxlen = sizeof address, .len = sizeof address, .buf = &address};
    upcall_client *client = calloc(1, sizeof *client);
    if (client == NULL) return NULL;
    client->rpc = clnt_vc_create(socket, &remote, program, version, BUFFER, BUFFER);
    if (client->rpc == NULL) {
        free(client);
        return NULL;
    }
    clnt_control(client->rpc, CLSET_FD_CLOSE, NULL);
    return client;
}

void upcall_client_destroy(upcall_client *client) {
    clnt_destroy(client->rpc);
    free(client);
}

static struct timeval milliseconds_to_time(uint32_t milliseconds) {
    return (struct timeval){.tv_sec = milliseconds / 1000, .tv_usec = milliseconds % 1000 * 1000};
}

static int call(upcall_client *client, uint32_t procedure, xdrproc_t encode, const void *arguments, xdrproc_t decode,
                void *result, uint32_t milliseconds) {
    // libtirpc reads the arguments and does not change them.
    return clnt_call(client->rpc, procedure, encode, (void *)arguments, decode, result, milliseconds_to_time(milliseconds));
}

int upcall_null(upcall_client *client, uint32_t milliseconds) {
    return call(client, TLSCD_NULL, (xdrproc_t)xdr_void, NULL, (xdrproc_t)xdr_void, NULL, milliseconds);
}

int upcall_connect(upcall_client *client, const tls_connect_args *arguments, tls_connect_res *result, uint32_t milliseconds) {
    memset(result, 0, sizeof *result);
    return call(client, TLSCD_CONNECT, (xdrproc_t)xdr_tls_connect_args, arguments, (xdrproc_t)xdr_tls_connect_res, result,
                milliseconds);
}

int upcall_rekey(upcall_client *client, const tls_rekey_args *arguments, tls_rekey_res *result, uint32_t milliseconds) {
    memset(result, 0, sizeof *result);
    return call(client, TLSCD_REKEY, (xdrproc_t)xdr_tls_rekey_args, arguments, (xdrproc_t)xdr_tls_rekey_res, result,
                milliseconds);
}

void upcall_free_connect(tls_connect_res *result) {
    if (result->status == TLS_SECURED) {
        tls_session *session = &result->tls_connect_res_u.session;
        if (session->client_secret.tls_secret_val != NULL)
            explicit_bzero(session->client_secret.tls_secret_val, session->client_secret.tls_secret_len);
        if (session->server_secret.tls_secret_val != NULL)
            explicit_bzero(session->server_secret.tls_secret_val, session->server_secret.tls_secret_len);
    }
    xdr_free((xdrproc_t)xdr_tls_connect_res, (char *)result);
}

void upcall_free_rekey(tls_rekey_res *result) { xdr_free((xdrproc_t)xdr_tls_rekey_res, (char *)result); }

const char *upcall_reason(int status) { return clnt_sperrno((enum clnt_stat)status); }

struct upcall_server {
    SVCXPRT *transport;
};

upcall_server *upcall_server_create(int socket) {
    upcall_server *server = calloc(1, sizeof *server);
    if (server == NULL) return NULL;
    server->transport = svc_fd_create(socket, BUFFER, BUFFER);
    if (server->transport == NULL) {
        free(server);
        return NULL;
    }
    return server;
}

void upcall_server_destroy(upcall_server *server) {
    SVC_DESTROY(server->transport);
    free(server);
}

void upcall_server_receive(upcall_server *server, uint32_t program, uint32_t version, struct upcall_request *request) {
    // libtirpc decodes credential and verifier into the caller's space, as svc_getreq_common does.
    char space[3 * MAX_AUTH_BYTES];
    struct rpc_msg message = {0};
    struct svc_req call = {0};
    SVCXPRT *transport = server->transport;
    memset(request, 0, sizeof *request);
    message.rm_call.cb_cred.oa_base = space;
    message.rm_call.cb_verf.oa_base = space + MAX_AUTH_BYTES;
    call.rq_clntcred = space + 2 * MAX_AUTH_BYTES;
    request->kind = UPCALL_END;
    if (!SVC_RECV(transport, &message)) return;
    request->kind = UPCALL_ANSWERED;
    call.rq_xprt = transport;
    call.rq_prog = message.rm_call.cb_prog;
    call.rq_vers = message.rm_call.cb_vers;
    call.rq_proc = message.rm_call.cb_proc;
    call.rq_cred = message.rm_call.cb_cred;
    enum auth_stat refused = _authenticate(&call, &message);
    if (refused != AUTH_OK) {
        svcerr_auth(transport, refused);
        return;
    }
    if (call.rq_prog != program) {
        svcerr_noprog(transport);
        return;
    }
    if (call.rq_vers != version) {
        svcerr_progvers(transport, version, version);
        return;
    }
    switch (call.rq_proc) {
        case TLSCD_NULL:
            svc_sendreply(transport, (xdrproc_t)xdr_void, NULL);
            return;
        case TLSCD_CONNECT:
            if (svc_getargs(transport, (xdrproc_t)xdr_tls_connect_args, &request->connect))
                request->kind = UPCALL_CONNECT;
            else
                svcerr_decode(transport);
            return;
        case TLSCD_REKEY:
            if (svc_getargs(transport, (xdrproc_t)xdr_tls_rekey_args, &request->rekey))
                request->kind = UPCALL_REKEY;
            else
                svcerr_decode(transport);
            return;
        case TLSCD_DISCONNECT:
            svc_sendreply(transport, (xdrproc_t)xdr_void, NULL);
            request->kind = UPCALL_DISCONNECT;
            return;
        default:
            svcerr_noproc(transport);
            return;
    }
}

void upcall_request_free(struct upcall_request *request) {
    xdr_free((xdrproc_t)xdr_tls_connect_args, (char *)&request->connect);
}

bool upcall_server_answer_connect(upcall_server *server, const tls_connect_res *result) {
    return svc_sendreply(server->transport, (xdrproc_t)xdr_tls_connect_res, (void *)result);
}

bool upcall_server_answer_rekey(upcall_server *server, const tls_rekey_res *result) {
    return svc_sendreply(server->transport, (xdrproc_t)xdr_tls_rekey_res, (void *)result);
}

// A record mark, a call's header without credentials, and the reason
enum { ENDED_SPACE = 4 + 128 + TLS_MAXREASON };

static void ended_call(struct rpc_msg *message, char *space) {
    memset(message, 0, sizeof *message);
    message->rm_direction = CALL;
    message->rm_call.cb_rpcvers = RPC_MSG_VERSION;
    message->rm_call.cb_proc = TLSCD_ENDED;
    message->rm_call.cb_cred.oa_base = space;
    message->rm_call.cb_verf.oa_base = space + MAX_AUTH_BYTES;
}

bool upcall_send_ended(int socket, uint32_t program, uint32_t version, char *reason) {
    char space[2 * MAX_AUTH_BYTES];
    char bytes[ENDED_SPACE];
    struct rpc_msg message;
    tls_ended ended = {.reason = reason};
    XDR out;
    ended_call(&message, space);
    message.rm_call.cb_prog = program;
    message.rm_call.cb_vers = version;
    xdrmem_create(&out, bytes + 4, sizeof bytes - 4, XDR_ENCODE);
    bool encoded = xdr_callmsg(&out, &message) && xdr_tls_ended(&out, &ended);
    uint32_t count = xdr_getpos(&out);
    xdr_destroy(&out);
    if (!encoded) return false;
    uint32_t mark = htonl(count | 0x80000000);
    memcpy(bytes, &mark, sizeof mark);
    return send(socket, bytes, count + 4, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)count + 4;
}

char *upcall_take_ended(int socket, uint32_t program, uint32_t version) {
    char space[2 * MAX_AUTH_BYTES];
    char bytes[ENDED_SPACE];
    struct rpc_msg message;
    tls_ended ended = {0};
    XDR in;
    ssize_t count = recv(socket, bytes, sizeof bytes, MSG_DONTWAIT);
    if (count <= 4) return NULL;
    ended_call(&message, space);
    xdrmem_create(&in, bytes + 4, count - 4, XDR_DECODE);
    bool decoded = xdr_callmsg(&in, &message) && message.rm_call.cb_prog == program &&
                   message.rm_call.cb_vers == version && message.rm_call.cb_proc == TLSCD_ENDED &&
                   xdr_tls_ended(&in, &ended);
    xdr_destroy(&in);
    if (!decoded) xdr_free((xdrproc_t)xdr_tls_ended, (char *)&ended);
    return decoded ? ended.reason : NULL;
}
