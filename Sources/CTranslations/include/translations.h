// Texts of other languages that the program carries in itself.
#ifndef BELLE_TRANSLATIONS_H
#define BELLE_TRANSLATIONS_H

// translations/zh.txt, with a zero behind it.
const unsigned char *belle_translation_zh(void);

#endif
