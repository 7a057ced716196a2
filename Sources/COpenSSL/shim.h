// libssl, for the handshake daemons alone. Macros that Swift does not see are given as functions here.
#include <openssl/ssl.h>
