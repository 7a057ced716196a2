// wcwidth(3) of UTF-8, whatever the process's locale is.
#define _GNU_SOURCE
#include "CLinux.h"

#include <locale.h>
#include <pthread.h>
#include <wchar.h>

static locale_t utf8;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_locale(void) { utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0); }

int clinux_columns(uint32_t scalar) {
    pthread_once(&once, make_locale);
    // Without that locale nothing is known: wide is the guess that never makes a line too long.
    if (!utf8) return scalar < 0x20 ? -1 : scalar < 0x7f ? 1 : 2;
    locale_t before = uselocale(utf8);
    int columns = wcwidth((wchar_t)scalar);
    uselocale(before);
    return columns;
}
