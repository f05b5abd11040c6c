#!/bin/sh
# The main job on the miniature release: a small model that was really trained, published as BELLE publishes.
# Shows each command, then runs it. Fails when one of them does.
set -eu
cd "$(dirname "$0")/.."
tool=${BELLE_TOOLS:-.build/release/belle-tools}
out=demo-output
release=Examples/tiny-belle

step() {
  printf '\n# %s\n' "$1"
  shift
  printf '$ belle-tools'
  printf ' %s' "$@"
  printf '\n'
  "$tool" "$@"
}

rm -rf "$out"
step "The downloaded release: is every file whole?" \
  verify $release/enc --manifest $release/tiny-belle.enc.md5
step "Recover the weights with the original LLaMA weights; every file is held against its digests." \
  decrypt $release/enc $release/llama/consolidated.00.pth $out/tiny-belle --manifest $release/tiny-belle.md5
step "Once more: what is there and right is skipped." \
  decrypt $release/enc $release/llama/consolidated.00.pth $out/tiny-belle
step "The result against the publisher's list." \
  verify $out/tiny-belle --manifest $release/tiny-belle.md5
step "What is in it? The pickle is read, never run." \
  inspect $out/tiny-belle --safety
step "As safetensors; the result is read again and compared." \
  convert $out/tiny-belle $out/tiny-belle-safetensors
step "Both in one pass, from the encrypted files: no pickle reaches the disk." \
  decrypt $release/enc $release/llama/consolidated.00.pth $out/tiny-belle-direct --format safetensors
step "The same model in two containers." \
  compare $out/tiny-belle $out/tiny-belle-safetensors
step "For an adapter the base in Hugging Face's layout." \
  convert $release/llama $out/llama-hf --layout hf
step "A LoRA adapter goes into its base: every tensor of it is used, and the result is computed twice and compared." \
  merge $out/llama-hf $release/adapter $out/llama-merged
printf '["<|im_start|>", "<|im_end|>"]\n' >$out/tokens.json
step "More tokens: tokenizer, embedding, head and configuration in step; what was there stays, byte for byte." \
  extend $out/tiny-belle $out/tokens.json $out/tiny-belle-chat
step "Four bits a weight, calibrated with the corpus that comes along." \
  quantize $out/tiny-belle $out/tiny-belle-4bit --bits 4
step "What did it lose? Both models on the same tokens: perplexity, divergence, how often they agree." \
  evaluate $out/tiny-belle-4bit --text Tests/Fixtures/tiny/llama/tokens.safetensors:evaluation --max-tokens 16384 --reference $out/tiny-belle
printf '\n# The sizes: embedding and head stay as they are, and are most of a model this small.\n'
du -k $out/tiny-belle/*.bin $out/tiny-belle-4bit/*.safetensors
step "For llama.cpp: the same integers in its blocks, value for value." \
  convert $out/tiny-belle-4bit $out/tiny-belle-q4_0.gguf --chat-template belle
step "The quantized model answers. It is tiny: it knows how the language looks, not what to say." \
  generate $out/tiny-belle-q4_0.gguf --chat --prompt 什么是水？ --max-tokens 40

printf '\nDone: the model is in %s/tiny-belle. Real releases work the same way: see README.md.\n' "$out"
