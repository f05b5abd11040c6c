// The files of checksums/: lists of digests, and what is known of releases. That folder names their sources.
// Compiled in as they are, so that the program knows them wherever it is installed; a test fails where a file of the
// folder is missing here.

#include "embedded_files.h"

#pragma clang diagnostic ignored "-Wc23-extensions"

static const belle_embedded_file files[] = {
    {"BELLE-LLaMA-13B-2M-enc.enc.md5", (const unsigned char[]){
#embed "../../checksums/BELLE-LLaMA-13B-2M-enc.enc.md5" suffix(, 0)
    }},
    {"BELLE-LLaMA-13B-2M-enc.enc.sha256", (const unsigned char[]){
#embed "../../checksums/BELLE-LLaMA-13B-2M-enc.enc.sha256" suffix(, 0)
    }},
    {"BELLE-LLaMA-13B-2M-enc.sha256", (const unsigned char[]){
#embed "../../checksums/BELLE-LLaMA-13B-2M-enc.sha256" suffix(, 0)
    }},
    {"BELLE-LLaMA-7B-0.6M-enc.enc.md5", (const unsigned char[]){
#embed "../../checksums/BELLE-LLaMA-7B-0.6M-enc.enc.md5" suffix(, 0)
    }},
    {"BELLE-LLaMA-7B-0.6M-enc.md5", (const unsigned char[]){
#embed "../../checksums/BELLE-LLaMA-7B-0.6M-enc.md5" suffix(, 0)
    }},
    {"BELLE-LLaMA-7B-0.6M-enc.sha256", (const unsigned char[]){
#embed "../../checksums/BELLE-LLaMA-7B-0.6M-enc.sha256" suffix(, 0)
    }},
    {"BELLE-LLaMA-7B-2M-enc.enc.md5", (const unsigned char[]){
#embed "../../checksums/BELLE-LLaMA-7B-2M-enc.enc.md5" suffix(, 0)
    }},
    {"BELLE-LLaMA-7B-2M-enc.enc.sha256", (const unsigned char[]){
#embed "../../checksums/BELLE-LLaMA-7B-2M-enc.enc.sha256" suffix(, 0)
    }},
    {"BELLE-LLaMA-7B-2M-enc.md5", (const unsigned char[]){
#embed "../../checksums/BELLE-LLaMA-7B-2M-enc.md5" suffix(, 0)
    }},
    {"BELLE-LLaMA-7B-2M-enc.sha256", (const unsigned char[]){
#embed "../../checksums/BELLE-LLaMA-7B-2M-enc.sha256" suffix(, 0)
    }},
    {"BELLE-LLaMA-7B-2M-gptq-enc.enc.md5", (const unsigned char[]){
#embed "../../checksums/BELLE-LLaMA-7B-2M-gptq-enc.enc.md5" suffix(, 0)
    }},
    {"BELLE-LLaMA-7B-2M-gptq-enc.enc.sha256", (const unsigned char[]){
#embed "../../checksums/BELLE-LLaMA-7B-2M-gptq-enc.enc.sha256" suffix(, 0)
    }},
    {"BELLE-LLaMA-7B-2M-gptq-enc.sha256", (const unsigned char[]){
#embed "../../checksums/BELLE-LLaMA-7B-2M-gptq-enc.sha256" suffix(, 0)
    }},
    {"BELLE-LLaMA-EXT-13B.enc.md5", (const unsigned char[]){
#embed "../../checksums/BELLE-LLaMA-EXT-13B.enc.md5" suffix(, 0)
    }},
    {"BELLE-LLaMA-EXT-13B.enc.sha256", (const unsigned char[]){
#embed "../../checksums/BELLE-LLaMA-EXT-13B.enc.sha256" suffix(, 0)
    }},
    {"BELLE-LLaMA-EXT-13B.sha256", (const unsigned char[]){
#embed "../../checksums/BELLE-LLaMA-EXT-13B.sha256" suffix(, 0)
    }},
    {"BELLE-LLaMA-EXT-7B.enc.md5", (const unsigned char[]){
#embed "../../checksums/BELLE-LLaMA-EXT-7B.enc.md5" suffix(, 0)
    }},
    {"BELLE-LLaMA-EXT-7B.enc.sha256", (const unsigned char[]){
#embed "../../checksums/BELLE-LLaMA-EXT-7B.enc.sha256" suffix(, 0)
    }},
    {"BELLE-LLaMA-EXT-7B.md5", (const unsigned char[]){
#embed "../../checksums/BELLE-LLaMA-EXT-7B.md5" suffix(, 0)
    }},
    {"BELLE-LLaMA-EXT-7B.sha256", (const unsigned char[]){
#embed "../../checksums/BELLE-LLaMA-EXT-7B.sha256" suffix(, 0)
    }},
    {"BELLE-on-Open-Datasets.enc.sha256", (const unsigned char[]){
#embed "../../checksums/BELLE-on-Open-Datasets.enc.sha256" suffix(, 0)
    }},
    {"BELLE-on-Open-Datasets.sha256", (const unsigned char[]){
#embed "../../checksums/BELLE-on-Open-Datasets.sha256" suffix(, 0)
    }},
    {"BELLE-plain.sha256", (const unsigned char[]){
#embed "../../checksums/BELLE-plain.sha256" suffix(, 0)
    }},
    {"Chinese-LLaMA-Alpaca.sha256", (const unsigned char[]){
#embed "../../checksums/Chinese-LLaMA-Alpaca.sha256" suffix(, 0)
    }},
    {"LLaMA-HF.sha256", (const unsigned char[]){
#embed "../../checksums/LLaMA-HF.sha256" suffix(, 0)
    }},
    {"LLaMA-originals.md5", (const unsigned char[]){
#embed "../../checksums/LLaMA-originals.md5" suffix(, 0)
    }},
    {"LLaMA-originals.sha256", (const unsigned char[]){
#embed "../../checksums/LLaMA-originals.sha256" suffix(, 0)
    }},
    {"Llama-2-originals.md5", (const unsigned char[]){
#embed "../../checksums/Llama-2-originals.md5" suffix(, 0)
    }},
    {"TechGPT-7B.enc.md5", (const unsigned char[]){
#embed "../../checksums/TechGPT-7B.enc.md5" suffix(, 0)
    }},
    {"TechGPT-7B.md5", (const unsigned char[]){
#embed "../../checksums/TechGPT-7B.md5" suffix(, 0)
    }},
    {"derived/BELLE-LLaMA-13B-2M-enc.enc.md5", (const unsigned char[]){
#embed "../../checksums/derived/BELLE-LLaMA-13B-2M-enc.enc.md5" suffix(, 0)
    }},
    {"derived/BELLE-LLaMA-13B-2M-enc.md5", (const unsigned char[]){
#embed "../../checksums/derived/BELLE-LLaMA-13B-2M-enc.md5" suffix(, 0)
    }},
    {"derived/BELLE-LLaMA-7B-0.6M-enc.enc.md5", (const unsigned char[]){
#embed "../../checksums/derived/BELLE-LLaMA-7B-0.6M-enc.enc.md5" suffix(, 0)
    }},
    {"derived/BELLE-LLaMA-7B-0.6M-enc.md5", (const unsigned char[]){
#embed "../../checksums/derived/BELLE-LLaMA-7B-0.6M-enc.md5" suffix(, 0)
    }},
    {"derived/BELLE-LLaMA-7B-2M-enc.enc.md5", (const unsigned char[]){
#embed "../../checksums/derived/BELLE-LLaMA-7B-2M-enc.enc.md5" suffix(, 0)
    }},
    {"derived/BELLE-LLaMA-7B-2M-enc.md5", (const unsigned char[]){
#embed "../../checksums/derived/BELLE-LLaMA-7B-2M-enc.md5" suffix(, 0)
    }},
    {"derived/BELLE-LLaMA-7B-2M-gptq-enc.enc.md5", (const unsigned char[]){
#embed "../../checksums/derived/BELLE-LLaMA-7B-2M-gptq-enc.enc.md5" suffix(, 0)
    }},
    {"derived/BELLE-LLaMA-7B-2M-gptq-enc.md5", (const unsigned char[]){
#embed "../../checksums/derived/BELLE-LLaMA-7B-2M-gptq-enc.md5" suffix(, 0)
    }},
    {"derived/BELLE-LLaMA-EXT-13B.md5", (const unsigned char[]){
#embed "../../checksums/derived/BELLE-LLaMA-EXT-13B.md5" suffix(, 0)
    }},
    {"derived/BELLE-on-Open-Datasets.md5", (const unsigned char[]){
#embed "../../checksums/derived/BELLE-on-Open-Datasets.md5" suffix(, 0)
    }},
    {"derived/LLaMA-originals.md5", (const unsigned char[]){
#embed "../../checksums/derived/LLaMA-originals.md5" suffix(, 0)
    }},
    {"header-vectors.json", (const unsigned char[]){
#embed "../../checksums/header-vectors.json" suffix(, 0)
    }},
    {"lawyer-llama-13b-beta1.0.sha256", (const unsigned char[]){
#embed "../../checksums/lawyer-llama-13b-beta1.0.sha256" suffix(, 0)
    }},
    {"models.json", (const unsigned char[]){
#embed "../../checksums/models.json" suffix(, 0)
    }},
    {"point-alpaca-7B.enc.md5", (const unsigned char[]){
#embed "../../checksums/point-alpaca-7B.enc.md5" suffix(, 0)
    }},
    {"point-alpaca-7B.md5", (const unsigned char[]){
#embed "../../checksums/point-alpaca-7B.md5" suffix(, 0)
    }},
    {"point-alpaca-7B.sha256", (const unsigned char[]){
#embed "../../checksums/point-alpaca-7B.sha256" suffix(, 0)
    }},
    {"releases.json", (const unsigned char[]){
#embed "../../checksums/releases.json" suffix(, 0)
    }},
    {"repositories.json", (const unsigned char[]){
#embed "../../checksums/repositories.json" suffix(, 0)
    }},
    {0, 0},
};

const belle_embedded_file *belle_embedded_checksums(void) { return files; }
