// The texts of calibration/, the built-in corpus, and of calibration/held-out/.
// Compiled in as they are, so that the program knows them wherever it is installed; a test fails where a file of the
// folder is missing here.

#include "embedded_files.h"

#pragma clang diagnostic ignored "-Wc23-extensions"

static const belle_embedded_file files[] = {
    {"code-1.txt", (const unsigned char[]){
#embed "../../calibration/code-1.txt" suffix(, 0)
    }},
    {"dialogues-1.txt", (const unsigned char[]){
#embed "../../calibration/dialogues-1.txt" suffix(, 0)
    }},
    {"dialogues-2.txt", (const unsigned char[]){
#embed "../../calibration/dialogues-2.txt" suffix(, 0)
    }},
    {"dialogues-3.txt", (const unsigned char[]){
#embed "../../calibration/dialogues-3.txt" suffix(, 0)
    }},
    {"en-1.txt", (const unsigned char[]){
#embed "../../calibration/en-1.txt" suffix(, 0)
    }},
    {"en-2.txt", (const unsigned char[]){
#embed "../../calibration/en-2.txt" suffix(, 0)
    }},
    {"en-3.txt", (const unsigned char[]){
#embed "../../calibration/en-3.txt" suffix(, 0)
    }},
    {"mixed-1.txt", (const unsigned char[]){
#embed "../../calibration/mixed-1.txt" suffix(, 0)
    }},
    {"zh-1.txt", (const unsigned char[]){
#embed "../../calibration/zh-1.txt" suffix(, 0)
    }},
    {"zh-2.txt", (const unsigned char[]){
#embed "../../calibration/zh-2.txt" suffix(, 0)
    }},
    {"zh-3.txt", (const unsigned char[]){
#embed "../../calibration/zh-3.txt" suffix(, 0)
    }},
    {"zh-4.txt", (const unsigned char[]){
#embed "../../calibration/zh-4.txt" suffix(, 0)
    }},
    {0, 0},
};

const belle_embedded_file *belle_embedded_calibration(void) { return files; }

static const belle_embedded_file held_out[] = {
    {"code.txt", (const unsigned char[]){
#embed "../../calibration/held-out/code.txt" suffix(, 0)
    }},
    {"dialogues.txt", (const unsigned char[]){
#embed "../../calibration/held-out/dialogues.txt" suffix(, 0)
    }},
    {"en.txt", (const unsigned char[]){
#embed "../../calibration/held-out/en.txt" suffix(, 0)
    }},
    {"zh.txt", (const unsigned char[]){
#embed "../../calibration/held-out/zh.txt" suffix(, 0)
    }},
    {0, 0},
};

const belle_embedded_file *belle_embedded_held_out(void) { return held_out; }
