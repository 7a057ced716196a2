#include "CRpcbind.h"

#include <netconfig.h>
#include <rpc/rpc.h>
#include <rpc/rpcb_clnt.h>
#include <rpc/rpcb_prot.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// rpc_createerr is where the functions of rpcbind(3) leave what failed; nothing else clears it.
static int failed(char reason[RPCBIND_TEXT]) {
    enum clnt_stat status = rpc_createerr.cf_stat;
    if (status == RPC_SUCCESS) return 0;
    int error = rpc_createerr.cf_error.re_errno;
    if (error != 0)
        snprintf(reason, RPCBIND_TEXT, "%s: %s", clnt_sperrno(status), strerror(error));
    else
        snprintf(reason, RPCBIND_TEXT, "%s", clnt_sperrno(status));
    return -1;
}

static struct netconfig *transport(const char *netid, char reason[RPCBIND_TEXT]) {
    memset(&rpc_createerr, 0, sizeof rpc_createerr);
    struct netconfig *found = getnetconfigent(netid);
    if (found == NULL) snprintf(reason, RPCBIND_TEXT, "/etc/netconfig has no transport '%s'", netid);
    return found;
}

static void copy(char *target, size_t room, const char *text) { snprintf(target, room, "%s", text == NULL ? "" : text); }

static void locate(struct rpcbind_entry *entry, const char *universal) {
    struct netconfig *config = getnetconfigent(entry->netid);
    if (config == NULL) return;
    struct netbuf *address = universal == NULL ? NULL : uaddr2taddr(config, universal);
    if (address != NULL) {
        if (address->len <= sizeof entry->address) {
            memcpy(&entry->address, address->buf, address->len);
            entry->length = address->len;
        }
        free(address->buf);
        free(address);
    }
    freenetconfigent(config);
}

int rpcbind_list(struct rpcbind_entry **entries, char reason[RPCBIND_TEXT]) {
    *entries = NULL;
    // By rpcbind's socket in the file system: it is asked who may reach it, and there is no port to be on a network.
    struct netconfig *local = transport("local", reason);
    if (local == NULL) return -1;
    rpcblist *list = rpcb_getmaps(local, "localhost");
    freenetconfigent(local);
    // Nothing registered is no answer either: rpcbind itself always is.
    if (list == NULL) {
        if (failed(reason) == 0) snprintf(reason, RPCBIND_TEXT, "no answer");
        return -1;
    }
    int count = 0;
    for (rpcblist *item = list; item != NULL; item = item->rpcb_next) count++;
    *entries = calloc((size_t)count, sizeof **entries);
    if (*entries == NULL) {
        snprintf(reason, RPCBIND_TEXT, "no memory");
        count = -1;
    }
    struct rpcbind_entry *entry = *entries;
    for (rpcblist *item = list; item != NULL && count >= 0; item = item->rpcb_next, entry++) {
        entry->program = (uint32_t)item->rpcb_map.r_prog;
        entry->version = (uint32_t)item->rpcb_map.r_vers;
        copy(entry->netid, sizeof entry->netid, item->rpcb_map.r_netid);
        copy(entry->owner, sizeof entry->owner, item->rpcb_map.r_owner);
        locate(entry, item->rpcb_map.r_addr);
    }
    xdr_free((xdrproc_t)xdr_rpcblist_ptr, &list);
    return count;
}

int rpcbind_set(uint32_t program, uint32_t version, const char *netid, const struct sockaddr *address, socklen_t length,
                char reason[RPCBIND_TEXT]) {
    struct netconfig *config = transport(netid, reason);
    if (config == NULL) return -1;
    // libtirpc reads the address and does not change it.
    struct netbuf bytes = {.maxlen = length, .len = length, .buf = (void *)address};
    bool_t done = rpcb_set(program, version, config, &bytes);
    freenetconfigent(config);
    return done ? 1 : failed(reason);
}

int rpcbind_unset(uint32_t program, uint32_t version, const char *netid, char reason[RPCBIND_TEXT]) {
    struct netconfig *config = transport(netid, reason);
    if (config == NULL) return -1;
    bool_t done = rpcb_unset(program, version, config);
    freenetconfigent(config);
    return done ? 1 : failed(reason);
}
