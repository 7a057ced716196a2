// rpcbind(8) as servers use it, by libtirpc's rpcb_set(3) and its like. Not for several threads at once.
#ifndef CRPCBIND_H
#define CRPCBIND_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum { RPCBIND_TEXT = 256 };

// One registration, as rpcbind(8) tells it.
struct rpcbind_entry {
    uint32_t program;
    uint32_t version;
    // The transport of netconfig(5), such as "tcp".
    char netid[16];
    char owner[64];
    // Its socket address; `length` is 0 where this machine's netconfig(5) has no such transport.
    struct sockaddr_storage address;
    socklen_t length;
};

// All registrations: their number, with `*entries` to be freed; -1 with the reason in `reason` where there is no answer.
int rpcbind_list(struct rpcbind_entry **entries, char reason[RPCBIND_TEXT]);

// 1: it is registered. 0: rpcbind refused, since something else is. -1 with the reason.
int rpcbind_set(uint32_t program, uint32_t version, const char *netid, const struct sockaddr *address, socklen_t length,
                char reason[RPCBIND_TEXT]);

// 1: it is registered no more. 0: rpcbind refused, since it is another user's. -1 with the reason.
int rpcbind_unset(uint32_t program, uint32_t version, const char *netid, char reason[RPCBIND_TEXT]);

#endif
