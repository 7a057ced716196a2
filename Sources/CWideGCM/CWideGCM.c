#include "CWideGCM.h"

#if defined(__x86_64__) && __has_include(<intel-ipsec-mb.h>)

#include <dlfcn.h>
#include <intel-ipsec-mb.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { tag_length = 16 };

struct wide_gcm_key {
    // First, since its vectors are read as aligned ones
    struct gcm_key_data expanded;
    aes_gcm_enc_dec_t seal, open;
};

static pthread_once_t loaded = PTHREAD_ONCE_INIT;
static IMB_MGR *manager;

// The structures below are those of the header, so the library must be of the same major version
#define HEADER_MAJOR (IMB_VERSION_NUM >> 16)

static void load(void) {
    static const uint64_t needed = IMB_FEATURE_AVX512_SKX | IMB_FEATURE_VAES | IMB_FEATURE_VPCLMULQDQ;
    char name[] = "libIPSec_MB.so.N";
    name[sizeof name - 2] = (char)('0' + HEADER_MAJOR);
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) return;
    unsigned (*version)(void) = (unsigned (*)(void))dlsym(library, "imb_get_version");
    IMB_MGR *(*allocate)(uint64_t) = (IMB_MGR * (*)(uint64_t)) dlsym(library, "alloc_mb_mgr");
    void (*release)(IMB_MGR *) = (void (*)(IMB_MGR *))dlsym(library, "free_mb_mgr");
    void (*initialize)(IMB_MGR *) = (void (*)(IMB_MGR *))dlsym(library, "init_mb_mgr_avx512");
    if (version == NULL || allocate == NULL || release == NULL || initialize == NULL) return;
    if (version() >> 16 != HEADER_MAJOR) return;
    IMB_MGR *made = allocate(0);
    if (made == NULL) return;
    // Asked before it is initialized, which is an error without the processor's features
    if ((made->features & needed) == needed) initialize(made);
    bool tested = (made->features & IMB_FEATURE_SELF_TEST) == 0 || (made->features & IMB_FEATURE_SELF_TEST_PASS) != 0;
    if ((made->features & needed) == needed && made->imb_errno == 0 && tested && made->gcm128_enc != NULL)
        manager = made;
    else
        release(made);
}

bool wide_gcm_available(void) {
    pthread_once(&loaded, load);
    return manager != NULL;
}

wide_gcm_key *wide_gcm_key_create(const void *key, size_t length) {
    if ((length != 16 && length != 32) || !wide_gcm_available()) return NULL;
    wide_gcm_key *made = aligned_alloc(64, (sizeof *made + 63) / 64 * 64);
    if (made == NULL) return NULL;
    if (length == 16) {
        manager->gcm128_pre(key, &made->expanded);
        made->seal = manager->gcm128_enc;
        made->open = manager->gcm128_dec;
    } else {
        manager->gcm256_pre(key, &made->expanded);
        made->seal = manager->gcm256_enc;
        made->open = manager->gcm256_dec;
    }
    return made;
}

void wide_gcm_key_destroy(wide_gcm_key *key) {
    if (key == NULL) return;
    explicit_bzero(key, sizeof *key);
    free(key);
}

void wide_gcm_seal(const wide_gcm_key *key, const void *nonce, const void *header, size_t header_length, void *data,
                   size_t length, void *tag) {
    struct gcm_context_data context;
    key->seal(&key->expanded, &context, data, data, length, nonce, header, header_length, tag, tag_length);
}

bool wide_gcm_open(const wide_gcm_key *key, const void *nonce, const void *header, size_t header_length, void *data,
                   size_t length, const void *tag) {
    struct gcm_context_data context;
    uint8_t made[tag_length];
    key->open(&key->expanded, &context, data, data, length, nonce, header, header_length, made, tag_length);
    return CRYPTO_memcmp(made, tag, tag_length) == 0;
}

#else

bool wide_gcm_available(void) {
    return false;
}

wide_gcm_key *wide_gcm_key_create(const void *key, size_t length) {
    (void)key, (void)length;
    return NULL;
}

void wide_gcm_key_destroy(wide_gcm_key *key) {
    (void)key;
}

// No key can be made, so nobody calls these
void wide_gcm_seal(const wide_gcm_key *key, const void *nonce, const void *header, size_t header_length, void *data,
                   size_t length, void *tag) {
    (void)key, (void)nonce, (void)header, (void)header_length, (void)data, (void)length, (void)tag;
    __builtin_trap();
}

bool wide_gcm_open(const wide_gcm_key *key, const void *nonce, const void *header, size_t header_length, void *data,
                   size_t length, const void *tag) {
    (void)key, (void)nonce, (void)header, (void)header_length, (void)data, (void)length, (void)tag;
    return false;
}

#endif
