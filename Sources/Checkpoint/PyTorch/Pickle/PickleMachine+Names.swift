// The names that a pickle takes from modules, and the opcodes that make objects of classes: every name is held against
// the allow-list (AllowedGlobal) here, and nowhere else.
// Source: CPython, Modules/_pickle.c (load_global, load_stack_global, load_inst, load_obj, load_extension).

import ByteIO

extension PickleMachine {
  /// GLOBAL.
  mutating func global(_ module: String, _ name: String, _ place: Int) throws(CheckpointError) {
    try checkImport(module, name, place)
    guard max(module.utf8.count, name.utf8.count) <= Self.nameLimit else { return try refuse(module, name, place) }
    guard let allowed = AllowedGlobal(module: module, name: name) else { return try refuse(module, name, place) }
    try note(module, name, place, isAllowed: true)
    try push(.global(allowed))
  }

  /// STACK_GLOBAL.
  mutating func stackGlobal(_ place: Int) throws(CheckpointError) {
    let name = try pop(place)
    let module = try pop(place)
    guard let moduleName = graph.string(module), let attribute = graph.string(name) else {
      // Names that are longer than any are told by their beginnings.
      if isSurvey, let module = graph.beginning(module), let name = graph.beginning(name) {
        try note(module, name, place, isAllowed: false)
      }
      throw mismatch(
        "STACK_GLOBAL", expected: "two str of at most \(Self.nameLimit) bytes", found: [module, name], at: place)
    }
    // They are compared and remembered each time, and a memo names them in two bytes.
    try pay(moduleName.utf8.count + attribute.utf8.count)
    try global(moduleName, attribute, place)
  }

  /// INST: a class by its name, called with what lies above the mark.
  mutating func instance(_ argument: PickleArgument, _ place: Int) throws(CheckpointError) {
    let arguments = try popMark(place)
    guard case .names(let module, let name) = argument else { return }
    try checkImport(module, name, place)
    trace?.called()
    guard skipped != nil else {
      // Picklers of Python 2 write it for classes of its old kind, which no name that is known is.
      guard isSurvey || AllowedGlobal(module: module, name: name) == nil else {
        throw failure(
          "the opcode INST calls \(displayName("\(module).\(name)")), which no weight file does", at: place,
          remedy: Self.odd)
      }
      return try refuse(module, name, place)
    }
    try skip(module, name, place)
    let function = try pop(place)
    try call(function, try tuple(arguments), place)
  }

  /// OBJ: a class on the stack, called with what lies above it.
  mutating func object(_ place: Int) throws(CheckpointError) {
    let parts = try popMark(place)
    guard let function = parts.first else {
      throw broken("OBJ: expected a class above MARK, found nothing", at: place)
    }
    trace?.called()
    if case .foreign = graph.nodes[Int(function)] {
      return try call(function, try tuple(parts.dropFirst()), place)
    }
    throw failure(
      "the opcode OBJ makes an object, which no weight file needs", .unsafeGlobal, at: place, remedy: Self.odd)
  }

  /// NEWOBJ_EX: arguments by name are those of no name that weight files use.
  mutating func newObjectWithKeywords(_ place: Int) throws(CheckpointError) {
    let names = try pop(place)
    let arguments = try pop(place)
    let function = try pop(place)
    guard graph.isEmptyDictionary(names) || graph.isUnknown(function) else {
      throw failure(
        "NEWOBJ_EX with keyword arguments, which no weight file needs", at: place, remedy: Self.odd)
    }
    if case .foreign = graph.nodes[Int(function)], !graph.isEmptyDictionary(names) {
      let given = graph.elements(arguments) ?? [arguments]
      try pay(given.count)
      return try call(function, try tuple(given + [names]), place)
    }
    try call(function, arguments, place)
  }

  /// EXT1, EXT2 and EXT4: an object of the registry of copyreg.
  mutating func extensionObject(_ place: Int) throws(CheckpointError) {
    if skipped != nil { return try skip("copyreg", "extension object", place) }
    // Other formats begin so: where it is the first, what is done with it tells.
    guard let trace, trace.opcodeCount == 1 else {
      trace?.called()
      throw Self.ofRegistry(file, at: offset(of: place))
    }
    try push(.unknown)
  }

  static func ofRegistry(_ file: String, at offset: Int) -> CheckpointError {
    CheckpointError(
      .unsafeGlobal, file: file, place: "byte \(offset)",
      reason: "the opcode EXT takes an object from a registry, which no weight file does", remedy: odd)
  }

  /// Stops where no loader goes on: at a module that Python cannot import. torch imports none for a name with `Storage` in
  /// it, which it takes for its own.
  private func checkImport(_ module: String, _ name: String, _ place: Int) throws(CheckpointError) {
    guard module.isEmpty || module.utf8.contains(0), !name.contains("Storage") else { return }
    throw broken(
      "expected the name of a module, found \(module.isEmpty ? "an empty one" : "one with a zero byte")", at: place)
  }

  private func note(_ module: String, _ name: String, _ place: Int, isAllowed: Bool) throws(CheckpointError) {
    guard let trace else { return }
    trace.named(PickleGlobal(named: module, name, at: offset(of: place), isAllowed: isAllowed))
    if trace.names.isCut { throw failure("more names than are listed", .limit, at: place, remedy: Self.odd) }
  }

  /// Refuses a name, or goes on without it.
  private mutating func refuse(_ module: String, _ name: String, _ place: Int) throws(CheckpointError) {
    try note(module, name, place, isAllowed: false)
    guard !isSurvey else { return try push(.unknown) }
    let shown = displayName(String("\(module).\(name)".prefix(200)))
    if skipped != nil {
      guard OtherPickles.kind(of: module)?.isInterrupted != true else { throw unknownName(module, shown, place) }
      return try skip(module, name, place)
    }
    guard max(module.utf8.count, name.utf8.count) <= Self.nameLimit else {
      throw failure("a name of more than \(Self.nameLimit) bytes", .unknownName, at: place, remedy: Self.odd)
    }
    // Only what is known to do something is held against a file.
    if let deed = ActiveNames.deed(of: module, name) {
      throw failure(
        "the pickle names \(shown), which no weight file needs: it \(deed)", .unsafeGlobal, at: place,
        remedy: Self.hostile)
    }
    throw unknownName(module, shown, place)
  }

  /// The refusal of a name that is not known.
  private func unknownName(_ module: String, _ shown: String, _ place: Int) -> CheckpointError {
    guard let kind = OtherPickles.kind(of: module) else {
      return failure(
        "the pickle names \(shown), which is not known here", .unknownName, at: place, remedy: Self.unknown)
    }
    return failure("\(kind.what) (\(shown))", .unknownName, at: place, remedy: kind.remedy)
  }

  /// What to do about a name that is not known.
  static let unknown: Remedy =
    "give \(.skippingUnknown) to read its tensors without it: nothing is run; or ask its publisher for safetensors"
}
