// A base and what goes into it, in turn; then a conversion like any other: written beside its place, read again and
// compared with what was computed anew, held against a list of digests where there is one, and only then given its
// names.

import ByteIO
import Checkpoint
import Checksum
import Model

/// A merge, arranged.
package struct Merge {
  /// What is written.
  private enum Work {
    case tensors(Conversion)
    case files(XorFiles)
  }

  private let work: Work
  private let target: ConversionTarget
  private let options: MergeOptions
  private let remark: MergeRemark
  private var steps: [MergeReport.Step] = []
  private var figures: [(figures: MergeFigures, step: Int)] = []
  /// What was rounded to the output's type before or without being merged.
  private var conversions: [ConvertedSource] = []
  private var isAlpaca7B = false

  /// The bytes that will be worked through.
  package var byteCount: Int {
    switch work {
    case .tensors(let conversion): conversion.byteCount
    case .files(let files): files.byteCount
    }
  }

  /// Arranges a merge. Few values are read, and nothing is written.
  ///
  /// - Parameters:
  ///   - base: a model; or a trainer's checkpoint that merges with itself, where `changes` is empty.
  ///   - changes: adapters and deltas, in their order; with ``MergeOptions/isReversed`` the tuned model alone.
  ///   - target: where the result goes, and in which container.
  ///   - remark: takes what is to be told, now and while the merge runs.
  /// - Throws: ``MergeError``, `CheckpointError`, `ModelError`, `ByteIOError` or `ConversionMisfit`.
  package init(
    _ base: String, _ changes: [String], to target: ConversionTarget, _ options: MergeOptions,
    remark: @escaping MergeRemark
  ) throws {
    try target.check()
    (self.target, self.options, self.remark) = (target, options, remark)
    if let change = changes.first, try Self.areFiles(base, changes, options) {
      guard target.wanted == nil, options.dtype == nil, changes.count == 1 else {
        throw MergeError(
          .scheme, file: change,
          reason: "the XOR of files takes one folder, and gives files as they are, in no other container or type",
          remedy: "give one payload and a folder as output, and go on with that")
      }
      let files = try XorFiles(change, onto: base, isReversed: options.isReversed)
      work = .files(files)
      if !files.ignored.isEmpty {
        remark(.note("left alone, no files of the model: \(files.ignored.map(displayName).joined(separator: ", "))"))
      }
      steps = [MergeReport.Step(path: change, scheme: .xorFiles, changed: files.items.count { $0.base != nil })]
      return
    }
    var course = try Course(base, changes, options, remark)
    let files = try course.finish(target)
    (steps, figures, conversions) = (course.steps, course.figures, course.conversions)
    isAlpaca7B = course.isAlpaca7B
    if course.isGGUFOfOtherLayout(target) {
      work = .tensors(try Conversion(course.base, holding: course.tensors, asGGUF: target, remark: remark))
    } else {
      let model = Model(course.tensors, path: files.path, remarks: course.remarks, looksForAdapter: false)
      work = .tensors(try Conversion(model, to: target, files: files.files, remark: remark))
    }
  }

  private static func areFiles(_ base: String, _ changes: [String], _ options: MergeOptions) throws -> Bool {
    switch options.scheme {
    case .xorFiles: return true
    case .auto where !options.isReversed && changes.count == 1:
      return XorFiles.isDelta(changes[0], onto: base)
    default: return false
    }
  }

  /// Merges, proves what was written, and gives it its names.
  ///
  /// - Parameters:
  ///   - replacing: whether other files that have the outputs' names are replaced.
  ///   - inputs: what it is made from, none of which is replaced.
  /// - Throws: as `Conversion.run`; ``MergeError`` with code `.result` for files that are not what they should be.
  package func run(
    replacing: Bool, inputs: InputRecord, progress: @escaping ProgressHandler
  ) throws -> MergeReport {
    var report = MergeReport()
    report.steps = steps
    let check = { (folder: String) in try verify(folder, &report) }
    switch work {
    case .tensors(let conversion):
      let proof = try conversion.run(replacing: replacing, inputs: inputs, progress: progress, checking: check)
      (report.tensors, report.bytes) = (proof.tensors, proof.bytes)
      (report.replacedFiles, report.removedFiles) = (proof.replaced, proof.removed)
      report.overflows = proof.overflows
    case .files(let files):
      let output = FilesOutput(files, to: target.path)
      (report.bytes, report.replacedFiles, report.removedFiles) = try output.run(
        replacing: replacing, inputs: inputs, remark: remark, checking: check, progress: progress)
    }
    tell(&report)
    return report
  }

  /// What a run would write: as `Conversion.planned`. What comes out is held against no list then.
  package func planned(replacing: Bool, inputs: InputRecord) throws -> OutputPlan {
    switch work {
    case .tensors(let conversion): try conversion.planned(replacing: replacing, inputs: inputs)
    case .files(let files):
      try FilesOutput(files, to: target.path).planned(replacing: replacing, inputs: inputs, remark: remark)
    }
  }

  /// Holds finished files against the list.
  private func verify(_ folder: String, _ report: inout MergeReport) throws {
    guard let manifest = options.manifest else { return }
    let names = try Folder.entries(of: folder).filter { $0.kind == .file }.map(\.name)
    for name in names {
      let wanted = manifest.digests(for: name)
      guard !wanted.isEmpty else { continue }
      let file = try InputFile(Folder.join(folder, name), isInput: false)
      let found = try FileDigest.compute(Set(wanted.keys), of: file)
      for (algorithm, digest) in wanted where found[algorithm] != digest {
        throw MergeError(
          .result, file: name,
          reason: "its \(algorithm.title) is \(found[algorithm]?.hex ?? ""), and the list says \(digest.hex)",
          remedy: "base and delta, the container, or the types are not those of the list")
      }
      report.verified.append(name)
    }
    report.absent = manifest.entries.map(\.path).filter { !names.contains($0) }
  }

  // MARK: - What was found

  private func tell(_ report: inout MergeReport) {
    report.overflows += conversions.reduce(0) { $0 + $1.overflowCount }
    for (figures, step) in figures {
      let all = figures.all
      report.overflows += all.values.reduce(0) { $0 + $1.overflows }
      let path = displayName(steps[step].path)
      let broken = all.filter(\.value.isBroken).keys.sorted()
      if let first = broken.first {
        remark(
          .warning(
            "\(path): \(broken.count == 1 ? "1 tensor has" : "\(broken.count) tensors have") values that are no finite "
              + "numbers: \(displayName(first))"))
      }
      if steps[step].scheme == .lora {
        tellProducts(all.filter { !$0.value.isWhole }, steps[step])
      } else {
        tellSums(all, steps[step], &report)
      }
    }
  }

  /// Warns of what is larger than what it was added to.
  private func tellLarge(_ all: [String: MergeFigures.Tensor], _ path: String, _ cause: String) {
    let large = all.filter { $0.key.hasSuffix(".weight") && $0.value.delta > $0.value.weight }
    guard let worst = large.max(by: { $0.value.delta / $0.value.weight < $1.value.delta / $1.value.weight }) else {
      return
    }
    let ratio = (worst.value.delta / worst.value.weight).squareRoot()
    remark(
      .warning(
        "\(path): what is added is larger than the weight in \(large.count) of \(all.count) tensors, \(Float(ratio)) "
          + "times in \(displayName(worst.key)): \(cause)"))
  }

  private func tellProducts(_ all: [String: MergeFigures.Tensor], _ step: MergeReport.Step) {
    guard !all.isEmpty, options.factor != 0 else { return }
    let path = displayName(step.path)
    let idle = all.filter { $0.value.delta == 0 }
    if idle.count == all.count {
      let isBase = step.replaced == 0 && !all.values.contains(where: \.isStretched)
      let result = isBase ? "the adapter was not trained, and the result is the base" : "its matrices were not trained"
      remark(.warning("\(path): every product is zero: \(result)"))
    } else if let first = idle.keys.min() {
      remark(.warning("\(path): \(idle.count) of \(all.count) products are zero: \(displayName(first))"))
    }
    tellLarge(all, path, "the scale, or the base, may be another than in training")
  }

  private func tellSums(
    _ all: [String: MergeFigures.Tensor], _ step: MergeReport.Step, _ report: inout MergeReport
  ) {
    if options.isReversed {
      report.inexact = all.values.reduce(0) { $0 + $1.inexact }
      return
    }
    tellLarge(all, displayName(step.path), "it may be a model and no delta, or the base another than the delta's")
    guard step.scheme == .alpaca else { return }
    let sum = all.values.reduce(0) { $0 + $1.sum }
    report.sum = sum
    guard isAlpaca7B else { return }
    remark(Self.alpacaRemark(sum))
  }

  /// What the sum of all elements says of Stanford Alpaca's 7B model. The published one may have frequencies in it,
  /// which are not stored here.
  static func alpacaRemark(_ sum: Double) -> ConversionRemark {
    let published = "Stanford Alpaca says of its 7B model (\(DeltaMerge.alpacaSum))"
    let shares = [0, DeltaMerge.alpacaFrequencies]
    guard let share = shares.first(where: { abs(sum + $0 - DeltaMerge.alpacaSum) < 0.25 }) else {
      let cause = "the base may be another, or another conversion of it"
      return .warning("the sum of all elements is \(sum), not as \(published): \(cause)")
    }
    let without = share == 0 ? "" : " and with \(Float(share)) for inv_freq, which is not stored here, is"
    return .note("the sum of all elements is \(sum),\(without) as \(published)")
  }
}
