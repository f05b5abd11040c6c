// The members of zips and tars as a survey looks at them, and what is told without being looked into: TorchScript, which
// is a program, archives in archives, and what is compressed.
// Sources: torch/csrc/jit/serialization (import.cpp, flatbuffer); torch/serialization.py; CPython, Lib/zipfile.py.

import ByteIO

extension PickleSurveyor {
  /// Looks through what a file is as an archive, or tells of it.
  mutating func lookThroughArchives(_ head: [UInt8]) throws {
    if head.starts(with: [0x50, 0x4B, 3, 4]) || head.starts(with: [0x50, 0x4B, 5, 6]) {
      try attempt { try $0.lookThroughZip(ZipArchive($0.file)) }
    } else {
      // Behind something else: Python's zipfile reads it.
      try attempt { surveyor in
        for start in try ZipArchive.starts(in: surveyor.file) {
          try surveyor.attempt { try $0.lookThroughZip(ZipArchive(FilePart($0.file, from: start))) }
        }
      }
    }
    if TarArchive.isTar(head) { try attempt { try $0.lookThroughTar() } }
    if TorchScript.isMobile(head) {
      survey.isProgram = true
      try addProgram("a flatbuffer of torch's mobile interpreter")
    }
    if let name = Compression.name(of: head) {
      try add(
        CheckpointError(
          .unknownFormat, file: file.path, reason: "it is compressed (\(name)), and what is in it was not looked at",
          remedy: "decompress it, and look at what comes out"))
    }
  }

  private mutating func addProgram(_ what: String) throws {
    try add(
      CheckpointError(
        .unsupportedPickle, file: file.path,
        reason: "this is TorchScript: it holds a program (\(what)), not only weights",
        remedy: "ask its publisher for the weights alone, as safetensors"))
  }

  /// What kind of archive some bytes begin, which a loader of the one around it does not open.
  static func archive(_ head: [UInt8]) -> String? {
    if head.starts(with: [0x50, 0x4B, 3, 4]) { return "zip" }
    return TarArchive.isTar(head) ? "tar" : Compression.name(of: head)
  }

  // MARK: Zip

  private mutating func lookThroughZip(_ archive: ZipArchive) throws {
    // Storages of a pickle are values, where they have the size that it declares; they may look like anything but numpy's
    // arrays, which numpy tells by their first bytes in whatever zip. torch's names of them are numbers: what is called
    // otherwise another loader may open.
    var values: Set<String> = []
    let isPickle = { (name: String) in name.lowercased().hasSuffix(".pkl") }
    for name in archive.names where isPickle(name) {
      guard let member = archive.members[name], let graph = try lookAt(member, in: archive) else { continue }
      // `archive/data.pkl` keeps them in `archive/data/`.
      let folder = name.dropLast(4) + "/"
      for storage in graph.storages
      where storage.values == nil && storage.key.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
        let (size, overflow) = storage.wholeCount.multipliedReportingOverflow(by: storage.dtype.byteCount ?? 1)
        if !overflow, archive.members[folder + storage.key]?.size == size { values.insert(folder + storage.key) }
      }
    }
    for name in archive.names where !isPickle(name) {
      guard let member = archive.members[name] else { continue }
      if values.contains(name) {
        let head = try archive.bytes(of: member, at: 0, count: NpyHeader.magic.count)
        guard head == NpyHeader.magic else { continue }
      }
      try lookAt(member, in: archive)
    }
    guard let program = TorchScript.program(in: archive) else { return }
    survey.isProgram = survey.globals.allSatisfy { $0.isAllowed || $0.module.hasPrefix("__torch__") }
    try addProgram(displayName(program))
  }

  @discardableResult private mutating func lookAt(_ member: ZipMember, in archive: ZipArchive) throws
    -> PickleGraph?
  {
    try lookAt(SurveyPart(member, in: archive, budget), member: member.name)
  }

  // MARK: Tar

  private mutating func lookThroughTar() throws {
    let archive = try TarArchive(file)
    for (name, range) in archive.members.sorted(by: { $0.value.lowerBound < $1.value.lowerBound }) {
      try lookAt(SurveyPart(file, range, name: name), member: name)
    }
    // torch's own has pickles between the values, too.
    guard !TarArchive.membersOfTorch.isDisjoint(with: archive.members.keys) else { return }
    let trace = PickleTrace()
    defer {
      survey.hasPickle = true
      survey.names.merge(trace.names)
    }
    _ = try TarContainer(file, trace: trace)
  }
}
