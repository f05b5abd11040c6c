// The parsers of bytes from outside, each as something that takes any bytes: the body of a fuzz target, and what the unit
// tests replay findings through. An input must be read or refused with one of our errors; anything else ends the process.

import ByteIO
import Checkpoint
import Checksum
import Foundation
import XorDecrypt

/// A parser of bytes from outside.
public enum FuzzedParser: String, CaseIterable, Sendable {
  /// A safetensors file: header, then all values.
  case safetensors
  /// A PyTorch zip.
  case archive
  /// Pickles: bare, legacy container, and as the `data.pkl` of a sound zip with four storages.
  case pickle
  /// PyTorch's tar container.
  case tar
  /// The index of a sharded folder.
  case index
  /// A list of checksums.
  case manifest
  /// The name of an encrypted file, and the fields of its name again.
  case name

  /// The most bytes of values that one input may make a reader hand over: views may be expanded again and again.
  private static let valueLimit = 32 << 20

  /// Takes an input from libFuzzer.
  public func take(_ input: UnsafeBufferPointer<UInt8>) { unsafe take(Array(input)) }

  /// Takes an input.
  public func take(_ bytes: [UInt8]) {
    switch self {
    case .safetensors: attempt { try readAll(SafetensorsFile(MemoryBytes(bytes, "a.safetensors"))) }
    case .archive, .tar: takeTorch(bytes)
    case .pickle:
      takeTorch(bytes)
      takeTorch(storedZip([("a/data.pkl", bytes)] + (0..<4).map { ("a/data/\($0)", [UInt8](repeating: 1, count: 64)) }))
    case .index: takeIndex(bytes)
    case .manifest:
      attempt {
        let manifest = try Manifest(text: String(decoding: bytes, as: UTF8.self), file: "list")
        for entry in manifest.entries {
          precondition(!entry.path.hasPrefix("/") && !entry.path.split(separator: "/").contains(".."), "a path leads out")
        }
      }
    case .name:
      attempt {
        let name = try EncryptedName(String(decoding: bytes, as: UTF8.self))
        let again = try EncryptedName(name.fileName)
        precondition(again.plainName == name.plainName && again.digest == name.digest, "a name that changes")
      }
    }
  }

  private func takeTorch(_ bytes: [UInt8]) {
    let file = MemoryBytes(bytes, "a.pt")
    attempt { try readAll(TorchFile(file)) }
    attempt { _ = try PickleSurvey(file) }
  }

  /// Reads all tensors and holds them against what the source says of them.
  private func readAll(_ source: any TensorSource) throws {
    try source.verifyChecksums()
    var rest = Self.valueLimit
    for (index, tensor) in source.tensors.enumerated() where tensor.byteCount <= rest {
      var count = 0
      try source.read(index) { count += $0.byteCount }
      precondition(count == tensor.byteCount, "\(tensor.name) gave \(count) of \(tensor.byteCount) bytes")
      rest -= count
    }
  }

  private func takeIndex(_ bytes: [UInt8]) {
    attempt {
      let folder = try Self.shardedFolder.get()
      let path = Folder.join(folder, "model.safetensors.index.json")
      try Data(bytes).write(to: URL(filePath: path))
      try readAll(ShardedFolder(index: path))
    }
  }

  /// Two shards of two tensors each, `a` to `d`, beside which an index may lie.
  private static let shardedFolder = Result<String, any Error> {
    let parent = Folder.kind(of: "/dev/shm") == .folder ? "/dev/shm" : NSTemporaryDirectory()
    let folder = parent + "/belle-fuzz-\(ProcessInfo.processInfo.processIdentifier)"
    try Folder.create(folder)
    for (name, tensors) in [("1.safetensors", "ab"), ("2.safetensors", "cd")] {
      var header = tensors.enumerated().map { index, tensor in
        "\"\(tensor)\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[\(4 * index),\(4 * index + 4)]}"
      }.joined(separator: ",")
      header = "{\(header)}"
      let length = UInt64(header.utf8.count)
      let bytes = (0..<8).map { UInt8(truncatingIfNeeded: length >> (8 * UInt64($0))) } + Array(header.utf8)
      try Data(bytes + [UInt8](repeating: 7, count: 8)).write(to: URL(filePath: Folder.join(folder, name)))
    }
    return folder
  }

  /// Our own errors are answers; others are findings.
  private func attempt(_ body: () throws -> Void) {
    do { try body() } catch is any ToolError {} catch { preconditionFailure("an error that is not ours: \(error)") }
  }
}
