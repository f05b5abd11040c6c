// Which modules are packed, against what the settings say: GPTQModel and optimum put modules with packed weights wherever the
// settings leave none out, look for their tensors, and find none; and the other way round.
// Sources: GPTQModel, quantization/config.py (`dynamic_get`) and utils/model.py (`make_quant`); optimum, gptq/quantizer.py.

import ByteIO
import Checkpoint
import Packed

extension Doctor {
  /// Holds the modules that are packed, and the head, against the settings.
  func examinePacking(_ source: any TensorSource, _ configuration: ModelConfiguration?) {
    guard let settings = facts.quantization, !facts.isBELLE else { return }
    let names = Set(source.tensors.map(\.name))
    let isPacked = { (module: String) in names.contains(module + ".qweight") }
    let isPlain = { (module: String) in names.contains(module + ".weight") && !isPacked(module) }
    let tensors = configuration.map { ModelTensors(unchecked: $0, source) }
    let head = tensors?.name(.head) ?? "lm_head"
    var (plain, packed): ([String], [String]) = ([], [])
    if let tensors, let configuration {
      for layer in 0..<configuration.layerCount {
        for module in tensors.groups(layer: layer).flatMap(\.modules).map(\.name) {
          if isPlain(module), settings.said(of: module)?.mayBePlain == false { plain.append(module) }
        }
      }
    }
    for info in source.tensors where info.name.hasSuffix(".qweight") {
      let module = String(info.name.dropLast(".qweight".count))
      if settings.said(of: module)?.mayBePacked == false { packed.append(module) }
    }
    tell(
      plain, "its weight is not packed, and the settings do not leave it out: engines look for packed tensors there",
      settings.method == "awq"
        ? "where that is meant, quantization_config in config.json must name it in modules_to_not_convert"
        : "where that is meant, quantize_config.json and config.json must say so, as in "
          + "\"dynamic\": {\"-:^\(Self.escaped(plain))$\": {}}")
    tell(
      packed, "it is packed, and the settings leave it out: engines look for a plain weight there",
      "take the pattern that fits it out of dynamic in quantize_config.json and config.json")
    guard settings.method ?? "gptq" == "gptq" else { return }
    examineHead(head, settings, isPacked: isPacked(head), isPlain: isPlain(head))
  }

  private static func escaped(_ names: [String]) -> String {
    names.first.map { $0.replacing(".", with: "\\\\.") } ?? ""
  }

  private func tell(_ modules: [String], _ what: String, _ remedy: Remedy) {
    guard let first = modules.first else { return }
    add(
      .error, .packingDenied, displayName(first),
      what + (modules.count > 1 ? "; so it is with \(modules.count - 1) modules more" : ""), remedy)
  }

  /// The head, which only a key of its own says to be packed.
  private func examineHead(_ head: String, _ settings: QuantizationSettings, isPacked: Bool, isPlain: Bool) {
    let isSaid = settings.saysHeadIsPacked(head)
    let place = displayName(head)
    if isPacked, !isSaid {
      add(
        .error, .packingDenied, place,
        "the head is packed, and lm_head is \(settings.includesHead.map(String.init) ?? "not said"): engines look for a plain "
          + "weight there", "set lm_head to true in quantize_config.json and config.json")
    } else if !isPacked, isSaid, settings.said(of: head)?.mayBePlain != true {
      add(
        .error, .packingDenied, place,
        "lm_head is true, and \(isPlain ? "the head is not packed" : "there is no packed head"): engines look for packed "
          + "tensors there", "set lm_head to false in quantize_config.json and config.json")
    }
  }
}
