#!/bin/sh
# The scores behind "Results on models" in Documentation/gptq.md: quantizes a small model in several ways, calibrated on the
# same tokens, and evaluates each against the model itself.
#
#   Scripts/quality.sh <model-folder> "<options of quantize>"…     one line a set of options: options, perplexity, mean KL
#                                                                   divergence, top-1 agreement, tab-separated
#
# The folder has tokens.safetensors with the tensors `calibration` and `evaluation`.
set -eu
tool=${BELLE_TOOLS:-$(dirname "$0")/../.build/release/belle-tools}
model=$1
shift
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
for options in "$@"; do
  # The options are several words.
  # shellcheck disable=SC2086
  "$tool" quantize "$model" "$out/q" --force --quiet --calibration "$model/tokens.safetensors:calibration" $options \
    >"$out/log"
  "$tool" evaluate "$out/q" --text "$model/tokens.safetensors:evaluation" --reference "$model" --json --quiet \
    >"$out/scores"
  field() { sed "s/.*\"$1\":\([^,}]*\).*/\1/" "$out/scores"; }
  printf '%s\t%s\t%s\t%s\t%s\n' "$(basename "$model")" "$options" "$(field perplexity)" "$(field kl_mean)" \
    "$(field top1_agreement)"
  rm -rf "$out/q"
done
