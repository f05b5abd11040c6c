// Which engines load the model, and why not.
// Sources: transformers, quantizers/quantizer_gptq.py and modeling_gguf_pytorch_utils.py; vLLM, quantization/auto_gptq.py
// and tests/quantization/test_gptq_v2.py (4 and 8 bits, symmetric, on Marlin's kernels; groups of 32, 64, 128 or whole rows,
// outputs in multiples of 64); GPTQModel, quantization/config.py and models/loader.py (an asymmetric model in version 1 must
// be its own); optimum, gptq/quantizer.py; llama.cpp, README (GGUF only).

import ByteIO
import Checkpoint
import Packed

extension Doctor {
  func verdicts() -> [EngineVerdict] {
    ["transformers", "vllm", "gptqmodel", "llama.cpp"].map { engine in
      // What an engine cannot read at all is said first; what is wrong besides then matters to nobody.
      if let reason = obstacle(engine) { return EngineVerdict(engine: engine, loads: false, reason: reason) }
      let errors = findings.filter { $0.severity == .error && concerns($0, engine) }
      if let first = errors.first {
        let codes = unique(errors.map(\.code.rawValue)).joined(separator: ", ")
        return EngineVerdict(
          engine: engine, loads: false, reason: "\(displayName(first.place)): \(first.message) [\(codes)]")
      }
      let reason = unknown(engine)
      return EngineVerdict(engine: engine, loads: reason == nil ? true : nil, reason: reason)
    }
  }

  /// Whether an error is one for an engine.
  private func concerns(_ finding: Finding, _ engine: String) -> Bool {
    switch (engine, finding.code) {
    // GPTQModel reads quantize_config.json before config.json.
    case ("gptqmodel", .missingQuantization): facts.quantization == nil
    // vLLM looks for files by their endings, and takes an index only with safetensors; its embedding knows no padding.
    case ("vllm", .leftOverIndex), ("vllm", .tokenOutOfRange): false
    // Where an engine needs the file, that it is missing is a finding of its own.
    case (_, .unfinishedFile): false
    case (_, .misnamedFile): facts.hasMisnamedWeights
    default: true
    }
  }

  /// Why it cannot be told whether an engine loads the model; nil where it can.
  private func unknown(_ engine: String) -> Remedy? {
    if let first = findings.first(where: { $0.severity == .notJudged }) { return "\(first.message)" }
    if facts.form == .huggingFace, facts.configuration == nil, facts.adapter != .unmerged {
      return "config.json could not be used, so the tensors were not held against it"
    }
    // Source: vLLM, model_loader/default_loader.py (without an index it takes every file of the container).
    if engine == "vllm", facts.hasRivalParts {
      return "without an index it reads the files of both sets, and of two tensors of one name it keeps the last"
    }
    if let reason = unknown(engine, facts.configuration) { return reason }
    guard let settings = facts.quantization, facts.isPacked else { return nil }
    // Its weights may be right all the same, and a tokenizer is soon beside them.
    if engine == "gptqmodel", findings.contains(where: { $0.code == .missingTokenizer }) {
      return "it asks for the tokenizer before it looks at the weights, and there is none"
    }
    if let program = settings.program { return "it needs what \(program) adds to it" }
    if settings.isPlanar, engine != "gptqmodel" { return "it depends on its version whether it knows gptq_p" }
    return nil
  }

  /// Why it cannot be told whether an engine computes what the configuration says; nil where it can.
  private func unknown(_ engine: String, _ configuration: ModelConfiguration?) -> Remedy? {
    guard let configuration, ["transformers", "gptqmodel"].contains(engine) else { return nil }
    if !configuration.family.isInTransformers, facts.form != .gguf {
      return
        "transformers has no \(configuration.family.className): it runs the publisher's code, where that lies beside the model "
        + "and fits its version"
    }
    if engine == "transformers", facts.form == .gguf, let tensor = configuration.rotaryDivisors.first {
      return "it depends on its version whether it divides frequencies by \(tensor.info.name)"
    }
    return nil
  }

  /// Whether this program writes the model as GGUF, by its configuration and its tokenizer.
  func fitsGGUF(_ configuration: ModelConfiguration, _ model: Model) throws -> Bool {
    _ = try configuration.ggufValues(file: path)
    _ = try model.vocabulary().ggufValues(rows: configuration.vocabularySize, file: path)
    return true
  }

  /// Where a GGUF file of the model is to be had.
  private var ggufRemedy: Remedy {
    if findings.contains(where: { $0.severity == .error }) { return "mend the errors above first" }
    guard facts.fitsGGUF, facts.foreign == nil else {
      // Without a tokenizer nobody makes one, and of Meta's layout llama.cpp's program knows nothing.
      if findings.contains(where: { $0.code == .missingTokenizer }) {
        return "put its tokenizer beside the weights, then \(.converting(.gguf))"
      }
      let other: Remedy = "llama.cpp's convert_hf_to_gguf.py may make one"
      return facts.form == .meta ? "of what \(.converting(.huggingFace(nil))) writes \(other)" : other
    }
    return facts.isScattered ? "\(.converting(.gguf)) with \(.losing) makes one" : "\(.converting(.gguf))"
  }

  private func unique(_ values: [String]) -> [String] {
    var seen: Set<String> = []
    return values.filter { seen.insert($0).inserted }
  }

  /// Why an engine does not find the model's file by its name; nil where it does.
  ///
  /// transformers asks for four names, GPTQModel for safetensors called `model` or as AutoGPTQ called them, vLLM for endings.
  private func unfound(_ engine: String) -> Remedy? {
    guard let (name, isTorch) = facts.entry else { return nil }
    let isNamed = Self.transformersNames.contains(name)
    let called: Remedy = "and this is called \(displayName(name))"
    let remedy: Remedy =
      isTorch || PartName(name) != nil || ShardedFolder.isIndex(name)
      ? "\(.converting(.folder)) writes it under names that it finds" : "rename it to model.safetensors"
    switch engine {
    case "transformers" where !isNamed:
      return "it looks for model.safetensors, pytorch_model.bin and their indexes, \(called): \(remedy)"
    case "gptqmodel" where isTorch: return "it reads safetensors only: \(.converting(.folder)) writes it so"
    case "gptqmodel" where !isNamed && !name.hasPrefix("gptq_model-"):
      return "it looks for model.safetensors and its index, \(called): \(remedy)"
    case "vllm" where isTorch && ![".bin", ".pt", ".json"].contains(where: name.hasSuffix):
      return "it looks for .safetensors, .bin and .pt files, \(called): \(remedy)"
    default: return nil
    }
  }

  /// Why an engine cannot load such a model, even where nothing is wrong with it; nil where it can.
  private func obstacle(_ engine: String) -> Remedy? {
    if facts.adapter == .alone || facts.adapter == .empty { return "this is an adapter, not a model" }
    // What it reads and what it lacks is to be asked of the merged model.
    if facts.adapter == .unmerged { return nil }
    let isBroken = findings.contains { $0.severity == .error }
    if facts.form == .unknown || facts.form == .other {
      let isKnown = isBroken || findings.contains { $0.severity == .notJudged }
      return isKnown ? nil : "the checkpoint could not be read"
    }
    switch (engine, facts.form) {
    case ("llama.cpp", .gguf): return nil
    case ("llama.cpp", _): return "it reads GGUF only: \(ggufRemedy)"
    case (_, .ggml):
      return "it does not read the files that llama.cpp had before GGUF: \(.converting(.folder)) makes a folder"
    case ("gptqmodel", .gguf): return "it reads GPTQ folders, not GGUF"
    case ("transformers", .gguf), ("vllm", .gguf):
      guard let family = facts.configuration?.family, !family.ggufReaders.contains(engine) else { return nil }
      return "its GGUF loader does not know \(family.title)"
    case (_, .meta): return "it reads Hugging Face's layout: \(.converting(.huggingFace(nil)))"
    case ("gptqmodel", .huggingFace) where !facts.isPacked:
      if facts.foreign != nil { return nil }
      return facts.configuration == nil || isBroken
        ? "it has no GPTQ or AWQ weights" : "it has no GPTQ or AWQ weights: \(.quantizing) makes them"
    case (_, .huggingFace): break
    case (_, .gguf): return "it does not read GGUF"
    case (_, .unknown), (_, .other): return nil
    }
    if facts.isBELLE {
      return
        "this is the form of BELLE's and GPTQ-for-LLaMA's scripts: \(.converting(.folder)) makes a GPTQ folder"
    }
    if let reason = unfound(engine) { return reason }
    guard facts.isPacked else { return nil }
    if facts.isAWQ {
      // vLLM takes what the form takes; transformers hands packed models to GPTQModel's modules.
      let sizes = [-1, 16, 32, 64, 96, 128, 192, 256, 384, 512]
      guard ["gptqmodel", "transformers"].contains(engine), let size = facts.groupSize, !sizes.contains(size) else {
        return nil
      }
      return
        "it takes groups of \(sizes.dropFirst().map(String.init).joined(separator: ", ")) or whole rows, and these have \(size)"
    }
    let isVersion1 = facts.quantization?.version ?? .first == .first
    switch engine {
    case "vllm":
      if let bits = facts.allBits.sorted().first(where: { ![4, 8].contains($0) }) {
        return "it takes 4 and 8 bits, and these are \(bits)"
      }
      if !facts.isSymmetric { return "it takes symmetric grids, and these have zero points of their own" }
      if let size = facts.groupSize, ![-1, 32, 64, 128].contains(size) {
        return "it takes groups of 32, 64, 128 or whole rows, and these have \(size)"
      }
      if facts.outDivisor % 64 != 0 { return "it takes outputs in multiples of 64" }
    case "gptqmodel", "transformers":
      // transformers hands packed models to GPTQModel's modules through optimum, which makes version 2 of all of them.
      let isItsOwn = facts.quantization?.meta?.quantizer.contains { $0.lowercased().hasPrefix("gptqmodel") } ?? false
      if engine == "gptqmodel", isVersion1, !facts.isSymmetric, !isItsOwn {
        return
          "it takes asymmetric grids in version 1 from itself only: \(.converting(.gptqVersion2))"
      }
      // auto-round's `extra_config` is read by what auto-round adds.
      if engine == "transformers", let settings = facts.quantization, settings.variesByModule, settings.program == nil,
        facts.hasOtherGroups || settings.bits.map({ facts.allBits != [$0] }) ?? false
      {
        return
          "it takes the same bits and groups for all modules, and knows nothing of dynamic: GPTQModel's own loader does"
      }
      if facts.inDivisor % 32 != 0 || facts.outDivisor % 32 != 0 {
        return "it takes inputs and outputs in multiples of 32"
      }
    default: break
    }
    return nil
  }
}
