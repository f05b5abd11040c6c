// Packed modules: parts, shapes, zero points, scales and groups, against each other and against the configuration.
// Sources: GPTQModel, nn_modules/qlinear (shapes, g_idx) and utils/model.py (versions of zero points); vLLM,
// quantization/auto_gptq.py (g_idx is read only where desc_act is true).

import ByteIO
import Checkpoint
import Packed

extension Doctor {
  /// What the packed tensors say of all modules together.
  private struct Tally {
    /// The bits of a module's integers.
    var bits: [(name: String, bits: Int)] = []
    /// Groups of a module and its inputs.
    var groups: [(name: String, inputs: Int, count: Int)] = []
    /// Stored zero points that are the middle of the range, the middle less one, and others.
    var middle = 0
    var lessOne = 0
    var others = 0
    var unsorted: [String] = []
    var uneven: [String] = []
  }

  private static let parts = ["qweight", "qzeros", "zeros", "scales", "g_idx"]

  /// Looks at all packed modules.
  ///
  /// - Returns: whether they can be unpacked.
  func examinePacked(_ source: any TensorSource) -> Bool {
    var names: [String: Int] = [:]
    for (index, info) in source.tensors.enumerated() {
      if names.updateValue(index, forKey: info.name) != nil {
        add(.error, .duplicateTensor, displayName(info.name), "it is there twice", nil)
      }
    }
    var modules: Set<String> = []
    for name in names.keys {
      for part in Self.parts where name.hasSuffix("." + part) { modules.insert(String(name.dropLast(part.count + 1))) }
    }
    let before = findings.filter { $0.severity == .error }.count
    var tally = Tally()
    for module in modules.sorted() { examine(module, names, source, &tally) }
    examine(tally)
    return findings.filter { $0.severity == .error }.count == before
      || !findings.contains { [.missingPart, .badPart, .bitsDenied, .groupOutOfRange].contains($0.code) }
  }

  private func examine(_ module: String, _ names: [String: Int], _ source: any TensorSource, _ tally: inout Tally) {
    let place = displayName(module)
    // GPTQ-for-LLaMA's form of March 2023: zero points times scales.
    let isEarly = names[module + ".zeros"] != nil && names[module + ".qzeros"] == nil
    let needed = ["qweight", isEarly ? "zeros" : "qzeros", "scales"] + (facts.isBELLE ? [] : ["g_idx"])
    let missing = needed.filter { names["\(module).\($0)"] == nil }
    // Older files have no g_idx: engines compute it then.
    for part in missing where part != "g_idx" {
      add(
        .error, .missingPart, place, "expected \(place).\(part) beside its other parts, and it is not there",
        "look for it in the publisher's files")
    }
    if names[module + ".weight"] != nil {
      add(
        .error, .duplicateTensor, place + ".weight", "the module is packed, and its weight is there too",
        "which one counts depends on the engine: remove the weight")
    }
    guard !isEarly else { return examineEarly(module, names, source) }
    guard let weights = names[module + ".qweight"], let zeros = names[module + ".qzeros"],
      let scales = names[module + ".scales"]
    else { return }
    let (weightInfo, zeroInfo, scaleInfo) = (source.tensors[weights], source.tensors[zeros], source.tensors[scales])
    for (part, info, types) in [
      ("qweight", weightInfo, [DType.i32]), ("qzeros", zeroInfo, [.i32]), ("scales", scaleInfo, [.f16, .bf16, .f32]),
    ] where !types.contains(info.dtype) || info.shape.count != 2 || info.shape.contains(0) {
      let wanted = types.map(\.rawValue).joined(separator: ", ")
      return add(
        .error, .badPart, place,
        "\(part) is \(info.dtype.rawValue) \(info.shape); expected \(wanted) in two dimensions, none of them 0",
        "compare the file with the publisher's; other ways of packing are not read")
    }
    let (outputs, groups) = (weightInfo.shape[1], scaleInfo.shape[0])
    guard scaleInfo.shape[1] == outputs, zeroInfo.shape[0] == groups else {
      return add(
        .error, .badPart, place,
        "qweight \(weightInfo.shape), qzeros \(zeroInfo.shape) and scales \(scaleInfo.shape) do not fit each other",
        "compare the file with the publisher's; other ways of packing are not read")
    }
    let index = names[module + ".g_idx"].map { source.tensors[$0].shape }
    let fitting = { (inputs: Int?) in GPTQForm.bits(weightInfo.shape, zeros: zeroInfo.shape, inputs: inputs) }
    // Where g_idx fits none, it is told below.
    var candidates = fitting(index?.count == 1 ? index?[0] : nil)
    if candidates.isEmpty { candidates = fitting(nil) }
    let stated = facts.quantization?.said(of: module)?.bits ?? []
    guard let bits = candidates.first(where: stated.contains) ?? candidates.first else {
      return add(
        .error, .badPart, place,
        "qzeros \(zeroInfo.shape) do not fit \(outputs) outputs; expected zero points of 2, 3, 4 or 8 bits",
        "compare the file with the publisher's; other ways of packing are not read")
    }
    let inputs = weightInfo.shape[0] * 32 / bits
    tally.bits.append((module, bits))
    tally.groups.append((module, inputs, groups))
    facts.outDivisor = gcd(facts.outDivisor, outputs)
    facts.inDivisor = gcd(facts.inDivisor, inputs)
    do {
      try examineScales(module, source, scales)
      try countZeros(source, zeros, outputs: outputs, bits: bits, &tally)
      if let index = names[module + ".g_idx"] {
        try examineGroups(module, source, index, inputs: inputs, groups: groups, &tally)
      }
    } catch { add(error, .unreadableFile, path) }
  }

  /// Looks at a module whose zero points are not packed. How its integers are packed is seen when it is unpacked.
  private func examineEarly(_ module: String, _ names: [String: Int], _ source: any TensorSource) {
    guard let scales = names[module + ".scales"] else { return }
    do { try examineScales(module, source, scales) } catch { add(error, .badPart, path) }
  }

  private func gcd(_ a: Int, _ b: Int) -> Int { b == 0 ? a : gcd(b, a % b) }

  private func examineScales(_ module: String, _ source: any TensorSource, _ index: Int) throws {
    let values = try source.floats(index)
    let broken = values.count { !$0.isFinite }
    if broken > 0 {
      add(
        .error, .badScales, displayName(module), "\(broken) of its \(values.count) scales are NaN or infinite",
        "its output will be NaN: quantize or download the model again")
    }
    examineZeroScales(module, values)
  }

  private func examineZeroScales(_ module: String, _ values: [Float]) {
    let zero = values.count { $0 == 0 }
    guard zero > 0 else { return }
    add(
      .warning, .zeroScales, displayName(module), "\(zero) of its \(values.count) scales are 0",
      "the weights of these groups are 0: where they were not before, the scale was too small for half precision")
  }

  private func countZeros(
    _ source: any TensorSource, _ index: Int, outputs: Int, bits: Int, _ tally: inout Tally
  ) throws {
    let bytes = try source.allBytes(index)
    let words = stride(from: 0, to: bytes.count, by: 4).map { at in
      (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[at + $1]) << UInt32(8 * $1) }
    }
    let middle = UInt8(1) << UInt8(bits - 1)
    let width = source.tensors[index].shape[1]
    for group in 0..<source.tensors[index].shape[0] {
      let fields = PackedWords.unpacked(
        Array(words[group * width..<(group + 1) * width]), ofRows: 0..<1, rows: 1, columns: outputs, bits: bits)
      for value in fields {
        if value == middle {
          tally.middle += 1
        } else if value == middle - 1 {
          tally.lessOne += 1
        } else {
          tally.others += 1
        }
      }
    }
  }

  private func examineGroups(
    _ module: String, _ source: any TensorSource, _ index: Int, inputs: Int, groups: Int, _ tally: inout Tally
  ) throws {
    let info = source.tensors[index]
    let place = displayName(module)
    guard info.dtype == .i32 || info.dtype == .i64, info.shape == [inputs] else {
      return add(
        .error, .badPart, place, "g_idx is \(info.dtype.rawValue) \(info.shape); expected I32 or I64 [\(inputs)]",
        "compare the file with the publisher's")
    }
    let bytes = try source.allBytes(index)
    let size = info.dtype == .i32 ? 4 : 8
    var counts = [Int](repeating: 0, count: groups)
    var last = 0
    var isSorted = true
    for input in 0..<inputs {
      var value: UInt64 = 0
      for byte in 0..<size { value |= UInt64(bytes[input * size + byte]) << UInt64(8 * byte) }
      let group = size == 4 ? Int(Int32(truncatingIfNeeded: value)) : Int(Int64(bitPattern: value))
      guard group >= 0, group < groups else {
        return add(
          .error, .groupOutOfRange, place, "g_idx names group \(group) for input \(input), and there are \(groups)",
          "compare the file with the publisher's: GPU kernels would read past its scales")
      }
      isSorted = isSorted && group >= last
      last = group
      counts[group] += 1
    }
    if !isSorted { tally.unsorted.append(module) }
    let size0 = (inputs + groups - 1) / groups
    // All groups are full, but for the last one that has members.
    if counts.dropLast().contains(where: { $0 != size0 }) { tally.uneven.append(module) }
  }

  /// Looks at modules that are not in GPTQ's own form: what their form checks, then scales and groups.
  ///
  /// - Returns: the weights that they stand for; nil where they cannot be unpacked, which is a finding then.
  func examineByForm(_ source: any TensorSource) -> (any TensorSource)? {
    facts.isAWQ = PackedCheckpoint.isAWQ(source, facts.quantization)
    do {
      let packed = try PackedCheckpoint.ofModel(source, facts.quantization)
      var tally = Tally()
      for (index, info) in packed.tensors.enumerated() {
        guard let weights = try packed.packedLinear(index) else { continue }
        let module = String(info.name.dropLast(".weight".count))
        examineZeroScales(module, weights.scales)
        tally.bits.append((module, weights.bits))
        tally.groups.append((module, weights.inFeatures, weights.groupCount))
        facts.outDivisor = gcd(facts.outDivisor, weights.outFeatures)
        facts.inDivisor = gcd(facts.inDivisor, weights.inFeatures)
        facts.isSymmetric = facts.isSymmetric && weights.isSymmetric
        facts.isScattered = facts.isScattered || weights.groupSize == nil
      }
      examineBits(tally)
      examineGroupSizes(tally)
      return packed
    } catch {
      add(error, .badPart, path)
      return nil
    }
  }

  /// What only all modules together tell.
  private func examine(_ tally: Tally) {
    examineBits(tally)
    examineGroupSizes(tally)
    examineVersion(tally)
    examineOrder(tally)
  }

  /// Where settings name one number for all modules and some modules have others.
  private static let byModule: Remedy =
    "where it was quantized with others for some modules, quantize_config.json must say so (GPTQModel's dynamic): ask its publisher"

  /// Bits, against the configuration's.
  private func examineBits(_ tally: Tally) {
    facts.allBits = Set(tally.bits.map(\.bits))
    facts.bits = facts.allBits.count == 1 ? facts.allBits.first : facts.quantization?.bits ?? facts.allBits.max()
    // A module of 7 planar bits is held in 8.
    guard let settings = facts.quantization, !(settings.isPlanar && settings.bits == 7) else { return }
    let wrong = tally.bits.filter { module in
      guard let said = settings.said(of: module.name), !said.bits.isEmpty else { return false }
      return !said.bits.contains(module.bits)
    }
    guard let first = wrong.first else { return }
    guard !settings.variesByModule, let stated = settings.bits else {
      let said = settings.said(of: first.name)?.bits.sorted().map(String.init).joined(separator: " or ") ?? ""
      return add(
        .error, .bitsDenied, displayName(first.name),
        "its shapes are those of \(first.bits) bits, and the settings say \(said) for it: so it is in \(wrong.count) of "
          + "\(tally.bits.count) modules", Self.byModule)
    }
    let isAll = wrong.count == tally.bits.count && facts.allBits.count == 1
    add(
      .error, .bitsDenied, displayName(first.name),
      isAll
        ? "the shapes of all modules are those of \(first.bits) bits, and the configuration says \(stated)"
        : "its shapes are those of \(first.bits) bits, and the configuration says \(stated) for all: so it is in "
          + "\(wrong.count) of \(tally.bits.count) modules",
      isAll ? "set bits to \(first.bits) in config.json and quantize_config.json" : Self.byModule)
  }

  /// Groups, against the configuration's.
  private func examineGroupSizes(_ tally: Tally) {
    let settings = facts.quantization
    let fits = { (stated: Int, module: (name: String, inputs: Int, count: Int)) in
      let size = stated == -1 ? module.inputs : stated
      return size > 0 && module.inputs / size + (module.inputs % size == 0 ? 0 : 1) == module.count
    }
    if let settings {
      facts.hasOtherGroups = settings.groupSize.map { size in tally.groups.contains { !fits(size, $0) } } ?? false
      let wrong = tally.groups.filter { module in
        guard let said = settings.said(of: module.name), !said.groupSizes.isEmpty else { return false }
        return !said.groupSizes.contains { fits($0, module) }
      }
      if let first = wrong.first {
        let stated = settings.said(of: first.name)?.groupSizes.sorted().map(String.init).joined(separator: " or ") ?? ""
        let sizes = Set(tally.groups.map { $0.count == 1 ? -1 : ($0.inputs + $0.count - 1) / $0.count })
        add(
          .error, .groupSizeDenied, displayName(first.name),
          "it has \(first.count) groups for \(first.inputs) inputs, and the configuration says group_size \(stated)"
            + (wrong.count > 1 ? "; so it is in \(wrong.count - 1) modules more" : ""),
          sizes.count == 1 && !settings.variesByModule ? "set group_size to \(sizes.first ?? -1)" : Self.byModule)
      }
    }
    let first = tally.groups.first { $0.count > 1 }
    facts.groupSize = settings?.groupSize ?? first.map { ($0.inputs + $0.count - 1) / $0.count } ?? -1
  }

  /// The order of groups, which engines do not look at everywhere.
  private func examineOrder(_ tally: Tally) {
    if facts.quantization?.actOrder == false, let first = tally.unsorted.first {
      add(
        .error, .groupsUnsorted, displayName(first),
        "g_idx is in the order of activations, and desc_act is false: engines that believe it ignore g_idx"
          + (tally.unsorted.count > 1 ? "; so it is in \(tally.unsorted.count - 1) modules more" : ""),
        "set desc_act to true in config.json and quantize_config.json")
    }
    facts.isScattered = !tally.unsorted.isEmpty || !tally.uneven.isEmpty
    if let first = tally.uneven.first {
      add(
        .error, .groupsUneven, displayName(first),
        "its groups have different numbers of inputs, and kernels that take them for equal compute other weights"
          + (tally.uneven.count > 1 ? "; so it is in \(tally.uneven.count - 1) modules more" : ""),
        "\(.dequantizing) writes the weights as numbers, by g_idx as it is")
    }
  }

  /// Tells the version of the zero points from themselves: a symmetric grid has its middle everywhere.
  private func examineVersion(_ tally: Tally) {
    let all = tally.middle + tally.lessOne + tally.others
    guard all > 0 else { return }
    let settings = facts.quantization
    let stated = settings?.version ?? .first
    let isVersion2 = tally.middle == all
    let isVersion1 = tally.lessOne == all
    facts.isSymmetric = isVersion1 || isVersion2
    if isVersion2, stated == .first, settings?.isSymmetric != false {
      add(
        .error, .zeroPointVersion, path,
        "all zero points are stored as they are, as in gptq_v2, and the configuration says \(settings?.format ?? "nothing")",
        "set checkpoint_format to gptq_v2, or every weight is off by one step")
    } else if isVersion1, stated == .second, settings?.isSymmetric != false {
      add(
        .error, .zeroPointVersion, path,
        "all zero points are stored less one, as in version 1, and the configuration says gptq_v2",
        "set checkpoint_format to gptq, or every weight is off by one step")
    } else if settings?.isSymmetric == true, !isVersion1, !isVersion2 {
      add(
        .error, .symmetryDenied, path,
        "sym is true, and \(stated == .second ? all - tally.middle : all - tally.lessOne) of \(all) zero points are not in "
          + "the middle: engines that believe it ignore them", "set sym to false")
    }
  }
}
