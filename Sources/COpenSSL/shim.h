// libssl, for the handshake daemons alone. Macros that Swift does not see are given as functions here.
#ifndef COPENSSL_SHIM_H
#define COPENSSL_SHIM_H
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

// TLS 1.3 and nothing else. Returns 1, or 0 where the library cannot.
static inline int copenssl_only_tls13(SSL_CTX *context) {
    return SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1;
}
static inline int copenssl_set_max_version(SSL_CTX *context, int version) {
    return (int)SSL_CTX_set_max_proto_version(context, version);
}
static inline int copenssl_set_min_version(SSL_CTX *context, int version) {
    return (int)SSL_CTX_set_min_proto_version(context, version);
}
// No compression, tickets, renegotiation or session cache; the server's order of suites; nothing read ahead
static inline void copenssl_restrict(SSL_CTX *context) {
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(context, 0);
    SSL_CTX_set_mode(context, SSL_MODE_NO_AUTO_CHAIN);
}
// Adds a certificate to the chain that is sent after the leaf; the context takes a reference of its own.
static inline int copenssl_add_chain(SSL_CTX *context, X509 *certificate) {
    return (int)SSL_CTX_add1_chain_cert(context, certificate);
}
// The server name indication of a client
static inline int copenssl_set_server_name(SSL *ssl, const char *name) {
    return (int)SSL_set_tlsext_host_name(ssl, name);
}
static inline int copenssl_new_ex_index(void) { return SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL); }
// The alert in an info callback's arguments, or -1: one that was read, one that was written
static inline int copenssl_alert_read(int where, int value) { return where == SSL_CB_READ_ALERT ? value & 0xff : -1; }
static inline int copenssl_alert_written(int where, int value) {
    return where == SSL_CB_WRITE_ALERT ? value & 0xff : -1;
}
// A certificate of a chain of X509_STORE_CTX_get0_chain(3), or null
static inline int copenssl_chain_count(X509_STORE_CTX *context) {
    STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(context);
    return chain ? sk_X509_num(chain) : 0;
}
static inline X509 *copenssl_chain_at(X509_STORE_CTX *context, int index) {
    STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(context);
    return chain ? sk_X509_value(chain, index) : NULL;
}
#endif
