// What is told of a place that begins as a pickle, and what is prose or another format: any bytes may begin with a few
// opcodes, and a text that begins with a c names a module.

import ByteIO

extension PickleSurveyor {
  /// What was found in a place that begins as a pickle.
  struct Finding {
    let trace: PickleTrace
    /// The byte of the file where it begins.
    let start: Int
    /// Why it broke off.
    let error: CheckpointError?
    /// Whether there is a STOP.
    let isComplete: Bool
    /// Whether the last opcode is the end of its file or member.
    let endsItsPart: Bool
    /// Whether its file or member has a name that pickles have.
    let isCalledPickle: Bool
    /// The bytes of its opcodes.
    let bytes: ArraySlice<UInt8>
  }

  /// Judges what was found.
  mutating func record(_ finding: Finding) throws {
    let trace = finding.trace
    guard trace.opcodeCount > 0 else { return }
    guard budget.takePickle() else { throw Exhausted() }
    survey.pickles.append(
      PickleSurvey.Pickle(
        offset: finding.start, end: trace.end, opcodeCount: trace.opcodeCount, isComplete: finding.isComplete))
    if trace.names.isCut { budget.exhaustNames() }
    guard let error = finding.error else {
      let named = finding.imported
      // A text whose lines read like names of modules that do not exist, or msgpack.
      if named.isEmpty, !trace.names.isEmpty || trace.beginsWithExtension && trace.callCount == 0 { return }
      survey.hasPickle = true
      named.forEach { survey.names.add($0) }
      if trace.beginsWithExtension { try add(PickleMachine.ofRegistry(file.path, at: finding.start)) }
      return
    }
    let isStopped = error.code == .malformedPickle || error.code == .truncated
    if !isStopped || trace.callCount > 0 {
      // It broke a rule of this machine, which a loader may not have; or it was run until it broke off. A few opcodes
      // that call nothing are how any bytes may begin.
      guard trace.callCount > 0 || !trace.names.isEmpty || trace.opcodeCount > 3 else { return }
      // msgpack begins so; as a pickle it leads nowhere.
      if trace.beginsWithExtension, trace.callCount == 0, !finding.isComplete, trace.names.isEmpty,
        trace.namesBehind.isEmpty
      {
        return
      }
      survey.hasPickle = true
      trace.names.all.forEach { survey.names.add($0) }
      // A loader may have gone on.
      if !isStopped { trace.namesBehind.all.forEach { survey.names.add($0) } }
      return try add(error)
    }
    // Nothing was called; the modules were imported all the same.
    let imported = finding.imported
    guard !imported.isEmpty else { return }
    survey.hasPickle = true
    imported.forEach { survey.names.add($0) }
    try add(error)
  }
}

extension PickleSurveyor.Finding {
  /// The names whose modules a loader imports, as far as these are not the words of a text.
  ///
  /// To import a module is to run it, and a file of its name may lie beside: so every name counts where something was
  /// called, in a binary pickle, in a file whose name is a pickle's, and where the last byte is the pickle's STOP. In other
  /// texts those count that exist wherever there is Python, and torch's.
  var imported: [PickleGlobal] {
    let names = trace.names.all
    if trace.callCount > 0 || trace.isBinary { return names }
    let isPickle = isCalledPickle || isComplete && endsItsPart || !isText
    return names.filter { Self.exists($0) || isPickle && Self.isPath($0.module) }
  }

  /// Whether its bytes are a text's: UTF-8 without control characters.
  private var isText: Bool {
    bytes.allSatisfy { $0 >= 0x20 && $0 != 0x7F || (0x09...0x0D).contains($0) }
      && String(validating: bytes, as: UTF8.self) != nil
  }

  /// Whether a module exists wherever there is Python or torch.
  private static func exists(_ global: PickleGlobal) -> Bool {
    let package = String(global.module.prefix { $0 != "." })
    return global.isAllowed || StandardModules.all.contains(package)
      || ["torch", "numpy", "__torch__"].contains(package)
  }

  /// Whether a module could be one: other formats begin as a pickle does, too, and then name what no file is called.
  private static func isPath(_ module: String) -> Bool {
    module.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0 != "\u{7F}" && $0 != "/" }
  }
}
