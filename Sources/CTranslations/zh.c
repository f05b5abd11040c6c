// translations/zh.txt, as it is.

#include "translations.h"

#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char text[] = {
#embed "../../translations/zh.txt" suffix(, 0)
};

const unsigned char *belle_translation_zh(void) { return text; }
