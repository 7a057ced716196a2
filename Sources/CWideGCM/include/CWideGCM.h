// AES-GCM by vector registers of 512 bits: Intel's library of ciphers (libIPSec_MB), where the machine has it and the
// processor has VAES and VPCLMULQDQ. libcrypto has such code from version 3.1 on; before, it is several times slower.
#ifndef TLSD_CWIDEGCM_H
#define TLSD_CWIDEGCM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A key, expanded. Two threads may use one at once.
typedef struct wide_gcm_key wide_gcm_key;

// Whether keys can be made here. The library is loaded by the first call.
bool wide_gcm_available(void);

// length: 16 or 32 bytes. NULL where wide_gcm_available() is false, where there is no memory, and for another length.
wide_gcm_key *wide_gcm_key_create(const void *key, size_t length);

// Wipes the key. NULL is nothing.
void wide_gcm_key_destroy(wide_gcm_key *key);

// Encrypts length bytes of data where they lie, and writes the 16 bytes of the tag. The nonce has 12 bytes.
void wide_gcm_seal(const wide_gcm_key *key, const void *nonce, const void *header, size_t header_length, void *data,
                   size_t length, void *tag);

// Decrypts length bytes of data where they lie. False where the 16 bytes of the tag do not fit: data is worthless then.
bool wide_gcm_open(const wide_gcm_key *key, const void *nonce, const void *header, size_t header_length, void *data,
                   size_t length, const void *tag);

#endif
