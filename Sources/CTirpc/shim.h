// libtirpc: XDR and ONC RPC (rpc(3)). The include path comes from pkg-config.
#include <rpc/rpc.h>
