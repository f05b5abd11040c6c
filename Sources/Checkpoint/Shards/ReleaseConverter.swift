// What the PyTorch files of a release become as safetensors, worked out from their directories and pickles alone, so
// that the values can go to their places as they stream by. The files are those that converting the release later would
// give, byte for byte; but where parts of a model hold settings besides tensors each has its own here.

import ByteIO

/// Plans a release as safetensors.
public struct ReleaseConverter: FileConverting {
  /// There is nothing to choose.
  public init() {}

  /// Whether a file, by its name, is a checkpoint that can become safetensors.
  public static func isCandidate(_ name: String) -> Bool {
    Container(fileName: name) == .torch && !ModelFileName.isTrainersOwn(name)
  }

  /// Whether a file, by its name, speaks of the files that are replaced, and is replaced itself.
  private static func isReplaced(_ name: String) -> Bool { name == Container.torch.indexName }

  /// Whether a file, by its name, is converted or replaced.
  public func takesPart(_ name: String) -> Bool { Self.isCandidate(name) || Self.isReplaced(name) }

  /// The name that a file has as safetensors, when it becomes one file; nil for the index, which is replaced.
  public func convertedName(_ name: String) -> String? { Self.isReplaced(name) ? nil : Self.safetensorsName(name) }

  private static func safetensorsName(_ name: String) -> String {
    var stem = name
    for suffix in [".pth", ".bin", ".pt"] where stem.hasSuffix(suffix) {
      stem.removeLast(suffix.count)
      break
    }
    if isModelPart(name) { stem = Container.safetensors.stem + stem.dropFirst(Container.torch.stem.count) }
    return stem + Container.safetensors.suffix
  }

  /// Whether a file is one of those that together are the model: `pytorch_model.bin`, or a numbered part of it.
  private static func isModelPart(_ name: String) -> Bool {
    name == Container.torch.fileName(1, of: 1)
      || name.hasPrefix("\(Container.torch.stem)-") && name.hasSuffix(Container.torch.suffix)
  }

  /// Plans the files.
  ///
  /// - Parameter files: candidates and replaced files of one release, with their plain bytes.
  public func plan(_ files: [(name: String, bytes: any ByteSource)]) -> ReleaseConversion {
    var plans: [String: Result<ScatterPlan, any Error>] = [:]
    var parts: [(name: String, source: any TensorSource, groups: [[Int]])] = []
    // Parts can be divided and indexed only where none is missing.
    let model = files.map(\.name).filter(Self.isModelPart).sorted()
    let isWhole = model.enumerated().allSatisfy { number, name in
      name == Container.torch.fileName(number + 1, of: model.count)
    }
    for (name, bytes) in files.sorted(by: { $0.name < $1.name }) {
      if Self.isReplaced(name) {
        plans[name] = .success(.nothing)
        continue
      }
      do {
        let source = try CheckpointFile.open(bytes)
        let groups =
          Self.isModelPart(name) && isWhole
          ? ModelOutput.divide(source.tensors, container: .safetensors, shardSize: nil).map(\.indices)
          : [Array(source.tensors.indices)]
        parts.append((name, source, groups))
      } catch {
        plans[name] = .failure(error)
      }
    }
    let count = parts.reduce(0) { $0 + (Self.isModelPart($1.name) ? $1.groups.count : 0) }
    let isDivided = count > model.count
    var number = 0
    var map: [String: String] = [:]
    var total = 0
    for (name, source, groups) in parts {
      let names = groups.map { _ in
        guard isDivided, Self.isModelPart(name) else { return Self.safetensorsName(name) }
        number += 1
        return Container.safetensors.fileName(number, of: count)
      }
      plans[name] = Result { try Self.plan(source, groups, names) }
      guard Self.isModelPart(name) else { continue }
      for (group, name) in zip(groups, names) { for index in group { map[source.tensors[index].name] = name } }
      total += source.tensors.reduce(0) { $0 + $1.byteCount }
    }
    let conversion = ReleaseConversion(plans: plans, index: nil)
    guard count > 1, isWhole, !conversion.hasFailures, let index = try? ModelOutput.index(map, total: total) else {
      return conversion
    }
    return ReleaseConversion(plans: plans, index: (Container.safetensors.indexName, index))
  }

  /// Plans the files that one checkpoint becomes.
  private static func plan(_ source: any TensorSource, _ groups: [[Int]], _ names: [String]) throws -> ScatterPlan {
    var outputs: [ScatterPlan.Output] = []
    var copies: [ScatterPlan.Copy] = []
    // Tensors that have to be put together from what is stored, by output: their numbers and places.
    var gathered: [[(index: Int, offset: Int)]] = []
    for (indices, name) in zip(groups, names) {
      let layout = try SafetensorsWriter(
        indices.map { source.tensors[$0] }, metadata: KeptSettings(of: source).metadata)
      var others: [(index: Int, offset: Int)] = []
      for (number, index) in indices.enumerated() where source.tensors[index].byteCount > 0 {
        if let range = source.storedRange(index) {
          copies.append(ScatterPlan.Copy(source: range, output: outputs.count, offset: layout.offsets[number]))
        } else {
          others.append((index, layout.offsets[number]))
        }
      }
      outputs.append(ScatterPlan.Output(name: name, byteCount: layout.byteCount, head: layout.header))
      gathered.append(others)
    }
    guard let first = gathered.joined().first else { return ScatterPlan(outputs: outputs, copies: copies) }
    let places = gathered
    let others = places.joined().count - 1
    let example = displayName(source.tensors[first.index].name)
    return ScatterPlan(
      outputs: outputs, copies: copies,
      secondPassReason: "\(example)\(others > 0 ? " and \(others) more" : "") are not stored in one piece",
      secondPass: { output, write in
        for (index, offset) in places[output] {
          var at = offset
          try source.read(index) { part in
            try write(part, at)
            at += part.byteCount
          }
        }
      })
  }
}
