// libcrypto: AEADs, digests, X.509. No TLS: an engine links this and never libssl.
#ifndef CCRYPTO_SHIM_H
#define CCRYPTO_SHIM_H
#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/objects.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

// Macros that Swift does not see
static inline unsigned long ccrypto_name_rfc2253(void) { return XN_FLAG_RFC2253; }
static inline size_t ccrypto_bio_bytes(BIO *bio, char **bytes) {
    long count = BIO_get_mem_data(bio, bytes);
    return count > 0 ? (size_t)count : 0;
}

// HMAC-SHA256 (RFC 2104) under a key that is used often: HMAC() would take it apart and fetch the digest each time, which
// for a few bytes is most of the work. libcrypto calls these functions deprecated and has no others without allocations.
struct ccrypto_hmac_key {
    SHA256_CTX inner, outer;
};

// `length` is at most 64. Returns 1, or 0 where libcrypto fails.
static inline int ccrypto_hmac_key_set(struct ccrypto_hmac_key *state, const uint8_t *key, size_t length) {
    uint8_t inner[SHA256_CBLOCK], outer[SHA256_CBLOCK];
    if (length > sizeof inner) return 0;
    for (size_t index = 0; index < sizeof inner; index++) {
        uint8_t byte = index < length ? key[index] : 0;
        inner[index] = byte ^ 0x36;
        outer[index] = byte ^ 0x5c;
    }
    int done = SHA256_Init(&state->inner) && SHA256_Update(&state->inner, inner, sizeof inner)
        && SHA256_Init(&state->outer) && SHA256_Update(&state->outer, outer, sizeof outer);
    OPENSSL_cleanse(inner, sizeof inner);
    OPENSSL_cleanse(outer, sizeof outer);
    return done;
}

// `mac` has room for 32 bytes.
static inline int ccrypto_hmac(const struct ccrypto_hmac_key *state, const void *bytes, size_t count, uint8_t *mac) {
    SHA256_CTX context = state->inner;
    if (!SHA256_Update(&context, bytes, count) || !SHA256_Final(mac, &context)) return 0;
    context = state->outer;
    return SHA256_Update(&context, mac, SHA256_DIGEST_LENGTH) && SHA256_Final(mac, &context);
}
#endif
