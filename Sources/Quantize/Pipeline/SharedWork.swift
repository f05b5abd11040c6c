// The work folder, for all ranks: rank 0 alone reads and writes it, and the others learn from it what they need. So it may
// lie on a disk that only rank 0 has, and another number of ranks goes on with it.
//
// What is finished is known to all without asking, because all finish the same things in the same order.

import ByteIO
import Checkpoint
import Foundation
import LinearAlgebra
import Ranks

/// A work folder that ranks share.
final class SharedWork {
  /// The folder itself, on rank 0.
  let folder: WorkFolder?
  /// Whether there is earlier work that is gone on with.
  let isResumed: Bool
  private let ranks: any Ranks
  private var known: Set<String>
  private var gradientLayers: Set<Int>

  /// Opens or makes the folder of a plan; called by all.
  ///
  /// - Parameters:
  ///   - layers: how many the model has.
  ///   - names: those that groups may be finished under.
  init(
    _ path: String, plan: [String: String], resumes: Bool, layers: Int, names: [String], ranks: any Ranks
  ) throws {
    self.ranks = ranks
    let folder = ranks.isFirst ? try WorkFolder(path, plan: plan, resumes: resumes) : nil
    self.folder = folder
    // What is there, as one text: names a line.
    let text = try ranks.broadcast {
      guard let folder else { return [] }
      var lines = [folder.isResumed ? "resumed" : "new"]
      lines += try names.filter { try folder.finished($0) != nil }.map { "finished " + $0 }
      lines += try (0..<layers).filter { try folder.gradients(layer: $0) != nil }.map { "gradients \($0)" }
      return Array(lines.joined(separator: "\n").utf8)
    }
    let lines = String(decoding: text, as: UTF8.self).split(separator: "\n").map { $0.split(separator: " ") }
    isResumed = lines.first?.first == "resumed"
    known = Set(lines.filter { $0[0] == "finished" }.map { String($0[1]) })
    gradientLayers = Set(lines.filter { $0[0] == "gradients" }.compactMap { Int($0[1]) })
  }

  /// Where files without a name go: beside the work, or where this machine keeps what is temporary.
  var scratchFolder: String {
    folder?.path ?? ProcessInfo.processInfo.environment["TMPDIR"].flatMap { $0.isEmpty ? nil : $0 } ?? "/var/tmp"
  }

  // MARK: Groups

  /// Whether a group is finished.
  func isFinished(_ name: String) -> Bool { known.contains(name) }

  /// A finished group's reports; called by all.
  func reports(of name: String) throws -> [ModuleReport] {
    let text = try ranks.broadcast { try [UInt8](JSONEncoder().encode(finishedHere(name).reports)) }
    return try JSONDecoder().decode([ModuleReport].self, from: Data(text))
  }

  /// A finished group's tensors; called by all.
  func tensors(of name: String) throws -> any TensorSource {
    guard ranks.count > 1 else { return try finishedHere(name).source }
    let source = try folder.map { _ in try finishedHere(name).source }
    let head = try ranks.broadcast { try [UInt8](JSONEncoder().encode((source?.tensors ?? []).map(Head.init))) }
    let heads = try JSONDecoder().decode([Head].self, from: Data(head))
    return try TensorView(
      heads.enumerated().map { index, head in
        let bytes = try ranks.broadcast { try source?.allBytes(index) ?? [] }
        return TensorView.Entry(head.name, DType(rawValue: head.dtype) ?? .u8, head.shape, bytes)
      })
  }

  /// What a tensor is.
  private struct Head: Codable {
    let name: String
    let dtype: String
    let shape: [Int]

    init(_ info: TensorInfo) { (name, dtype, shape) = (info.name, info.dtype.rawValue, info.shape) }
  }

  private func finishedHere(_ name: String) throws -> (source: SafetensorsFile, reports: [ModuleReport]) {
    guard let finished = try folder?.finished(name) else {
      throw QuantizeError(
        .otherPlan, file: folder?.path, reason: "\(name) is missing", remedy: "begin again with \(.beginningAgain)")
    }
    return finished
  }

  /// Writes a finished group; called by all, and tensors and reports are rank 0's.
  func finish(_ name: String, _ tensors: [TensorView.Entry], _ reports: [ModuleReport]) throws {
    try folder?.finish(name, tensors, reports)
    known.insert(name)
  }

  // MARK: States

  /// Writes streams at the input of a layer, and removes older ones; called by all.
  func save(_ streams: [(name: String, stream: StateStream)], layer: Int) throws {
    let streams = streams.sorted { $0.name < $1.name }
    guard let folder else {
      for (_, stream) in streams {
        try stream.share.contribute(rowBytes: 4 * stream.hiddenSize) { try stream.bytes(of: $0) }
      }
      return
    }
    try folder.save(
      TensorView(
        streams.map { name, stream in
          let share = stream.share
          let info = TensorInfo(
            name: name, dtype: .f32, shape: [share.rows, stream.hiddenSize], file: "",
            byteCount: 4 * share.rows * stream.hiddenSize)
          return TensorView.Entry(
            info,
            .computed { GatheredRows(share, rowBytes: 4 * stream.hiddenSize) { try stream.bytes(of: $0) } })
        }), layer: layer)
  }

  /// Fills streams with the states of the latest layer that there are; called by all.
  ///
  /// - Parameter mostLayers: what comes after it is of no use.
  /// - Returns: the layer; nil where there are none.
  func restore(_ streams: [(name: String, stream: StateStream)], mostLayers: Int) throws -> Int? {
    let latest = try folder?.latestSnapshot()
    let layer = try ranks.decided { latest.map(\.layer) ?? -1 }
    guard layer >= 0, layer <= mostLayers else { return nil }
    for (name, stream) in streams.sorted(by: { $0.name < $1.name }) {
      let rowBytes = 4 * stream.hiddenSize
      let cursor = try latest.map { _, source in
        guard let index = source.tensors.firstIndex(where: { $0.name == name }),
          source.tensors[index].byteCount == stream.share.rows * rowBytes
        else {
          throw QuantizeError(
            .otherPlan, file: folder?.path, reason: "the saved states do not fit",
            remedy: "begin again with \(.beginningAgain)")
        }
        return source.cursor(index)
      }
      try stream.share.deal(rowBytes: rowBytes, cursor) { try stream.overwrite($0, with: $1) }
    }
    return layer
  }

  // MARK: Gradients

  /// Whether the gradients at the output of a layer are there.
  func hasGradients(layer: Int) -> Bool { gradientLayers.contains(layer) }

  /// Writes the gradients at the output of a layer; called by all.
  func saveGradients(_ store: GradientStore, _ share: WindowShare, draws: Int, width: Int, layer: Int) throws {
    // As a file of them holds tensors: by their names.
    let draws = (0..<draws).map { (name: "draw-\($0)", number: $0) }.sorted { $0.name < $1.name }
    if let folder {
      try folder.save(
        gradients: TensorView(
          draws.map { name, number in
            let info = TensorInfo(
              name: name, dtype: .bf16, shape: [share.rows, width], file: "", byteCount: 2 * share.rows * width)
            return TensorView.Entry(
              info,
              .computed {
                GatheredRows(share, rowBytes: 2 * width) { try store.bytes(ofGradient: number, $0) }
              })
          }), layer: layer)
    } else {
      for (_, number) in draws {
        try share.contribute(rowBytes: 2 * width) { try store.bytes(ofGradient: number, $0) }
      }
    }
    gradientLayers.insert(layer)
  }

  /// The gradients at the output of a layer, of this rank's rows; called by all.
  func gradients(layer: Int, _ share: WindowShare, draws: Int, width: Int) throws -> any GradientRows {
    let stored = try folder?.gradients(layer: layer)
    if ranks.count == 1, let stored { return stored }
    let store = try GradientStore(in: scratchFolder, layers: 0, draws: draws, rows: share.ownRows, width: width)
    for draw in 0..<draws {
      try share.deal(rowBytes: 2 * width, stored?.cursor(draw: draw, rows: share.rows, width: width)) {
        try store.put(gradient: draw, $0, bytes: $1)
      }
    }
    return store
  }

  /// Removes the gradients of a layer that is finished.
  func removeGradients(layer: Int) {
    folder?.removeGradients(layer: layer)
    gradientLayers.remove(layer)
  }
}
