// The upcall between an engine and a handshake daemon, over an AF_LOCAL connection, by libtirpc (rpc_clnt_create(3),
// rpc_svc_create(3)): what Swift cannot say itself, since xdrproc_t has a variable argument list and the rest are macros.
#ifndef TLSD_CUPCALL_H
#define TLSD_CUPCALL_H

#include "tlscd.h"
#include "tlshandshake.h"
#include "tlssd.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The engine's end. `socket` is connected and blocking and belongs to the handle from then on. Null: no memory.
typedef struct upcall_client upcall_client;
upcall_client *upcall_client_create(int socket, uint32_t program, uint32_t version);
void upcall_client_destroy(upcall_client *client);

// One call; `milliseconds` to wait for its answer. Returns 0 (RPC_SUCCESS) or another clnt_stat, for which
// upcall_reason() has words. What a result holds is freed by upcall_free_connect() and upcall_free_rekey().
int upcall_null(upcall_client *client, uint32_t milliseconds);
int upcall_connect(upcall_client *client, const tls_connect_args *arguments, tls_connect_res *result, uint32_t milliseconds);
int upcall_rekey(upcall_client *client, const tls_rekey_args *arguments, tls_rekey_res *result, uint32_t milliseconds);
void upcall_free_connect(tls_connect_res *result);
void upcall_free_rekey(tls_rekey_res *result);
const char *upcall_reason(int status);
// The call ENDED where it is the next thing on the engine's socket, which does not wait: its reason, for free(3), or null.
char *upcall_take_ended(int socket, uint32_t program, uint32_t version);

// The daemon's end. `socket` belongs to the handle from then on, but for upcall_server_descriptor() to look at.
typedef struct upcall_server upcall_server;
upcall_server *upcall_server_create(int socket);
void upcall_server_destroy(upcall_server *server);

enum upcall_kind {
    UPCALL_END = 0,         // the connection is over, or its bytes are no call
    UPCALL_ANSWERED = 1,    // NULL, or a call that was answered with an RPC error
    UPCALL_CONNECT = 2,     // `connect` is filled in
    UPCALL_REKEY = 3,       // `rekey` is filled in
    UPCALL_DISCONNECT = 4,  // answered; the session is over
};
struct upcall_request {
    enum upcall_kind kind;
    tls_connect_args connect;
    tls_rekey_args rekey;
};
// Reads one call. Blocks until a whole record is there, libtirpc's own limit of 35 seconds at most.
void upcall_server_receive(upcall_server *server, uint32_t program, uint32_t version, struct upcall_request *request);
void upcall_request_free(struct upcall_request *request);
bool upcall_server_answer_connect(upcall_server *server, const tls_connect_res *result);
bool upcall_server_answer_rekey(upcall_server *server, const tls_rekey_res *result);
// Makes the call ENDED on the daemon's socket, which does not wait. False where it cannot be sent whole.
bool upcall_send_ended(int socket, uint32_t program, uint32_t version, char *reason);

#endif
