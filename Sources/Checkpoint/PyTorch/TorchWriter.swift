// Writes a PyTorch zip checkpoint as it streams in: a state dict that torch.load(weights_only=True) takes. The same tensors
// give the same bytes: where they lie is TorchArchive's to say, and what a version of torch does otherwise TorchLayout's.

import ByteIO

/// Writes one PyTorch file.
public struct TorchWriter: TensorSink {
  /// Storages stand in the order of their members.
  public var order: [Int] { archive.members.compactMap(\.tensor) }
  /// The bytes of the whole file.
  public var byteCount: Int { archive.byteCount }

  private let archive: TorchArchive
  /// The CRC-32 of each member, as far as it was written.
  private var crcs: [UInt32]

  /// Lays a file out. There is no place for text beside the tensors: `metadata` is not written.
  ///
  /// - Throws: ``CheckpointError`` for types that torch does not have.
  public init(_ tensors: [TensorInfo], metadata: [String: String]) throws { try self.init(tensors, layout: .current) }

  /// Lays a file out as a version of torch does.
  ///
  /// - Throws: ``CheckpointError`` for types that torch does not have.
  package init(_ tensors: [TensorInfo], layout: TorchLayout) throws {
    archive = try TorchArchive(tensors, layout: layout)
    crcs = archive.members.map { $0.bytes.map(CRC32.of) ?? 0 }
  }

  /// Opens a file of this format.
  public static func open(_ file: any ByteSource) throws -> any TensorSource { try TorchFile(file) }

  /// Writes what is no tensor's.
  public func begin(_ file: AtomicFileWriter) throws {
    for (index, member) in archive.members.enumerated() {
      guard let bytes = member.bytes else { continue }
      try file.write(bytes, at: member.dataOffset)
      try writeRecords(of: index, file)
    }
  }

  /// Takes a part of a tensor's values.
  public mutating func write(_ part: RawSpan, at offset: Int, of index: Int, _ file: AtomicFileWriter) throws {
    let place = archive.places[index]
    crcs[place] = CRC32.of(part, after: crcs[place])
    try file.write(part, at: archive.members[place].dataOffset + offset)
  }

  /// Where a tensor's values begin.
  public func start(of index: Int) -> Int? { archive.members[archive.places[index]].dataOffset }

  /// Writes the records around the storages, whose checksums are known only now, and the directory.
  public func finish(_ file: AtomicFileWriter) throws {
    for place in archive.places { try writeRecords(of: place, file) }
    try file.write(archive.directory(crcs), at: archive.directoryOffset)
  }

  private func writeRecords(of index: Int, _ file: AtomicFileWriter) throws {
    let member = archive.members[index]
    try file.write(archive.header(index, crc: crcs[index]), at: member.headerOffset)
    let footer = archive.footer(index, crc: crcs[index])
    if !footer.isEmpty { try file.write(footer, at: member.footerOffset) }
  }
}
