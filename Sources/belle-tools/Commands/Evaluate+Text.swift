// evaluate --text: perplexities, divergences, the windows that differ most.

import ByteIO
import Model
import Quantize
import Ranks
import Reports
import Tokenizer
import Transformer

extension Evaluate {
  /// Evaluates models on a text. With a reference all see the same tokens; without one each sees its own tokenizer's.
  ///
  /// - Parameter text: its file; nil for the text that comes with the program.
  func evaluate(_ text: String?, _ candidates: [Candidate], _ other: Candidate?, _ ranks: any Ranks) throws {
    if text == nil {
      common.note(
        "the text is the one that comes with the program, some thousands of tokens: --text FILE takes another, and a longer "
          + "one tells more")
    }
    let data = try data(text, candidates, hasReference: other != nil)
    // Models that see the same tokens go through them together.
    let groups = data.indices.filter { index in
      !data[..<index].contains { $0.fingerprint == data[index].fingerprint }
    }.map { first in data.indices.filter { data[$0].fingerprint == data[first].fingerprint } }
    if groups.count > 1 {
      Console.shared.warning(
        "the models cut the text into different tokens: their perplexities are of a token each, and cannot be compared")
    }
    for group in groups { describe(data[group[0]], candidates[group[0]].model, isOne: groups.count == 1) }
    let evaluations = try groups.map { group in
      (
        try Evaluation(
          group.map { candidates[$0].model }, reference: other?.model, threads: threads.count(of: ranks), ranks: ranks),
        group
      )
    }
    if dry.dryRun {
      let models = groups.map { $0.count + (other == nil ? 0 : 1) }
      return plan(
        tokens: zip(groups, models).reduce(0) { $0 + $1.1 * data[$1.0[0]].windows.tokens.count },
        models: candidates.count + (other == nil ? 0 : 1),
        ["windows": .int(data[0].windows.count), "questions": nil])
    }
    try begin(ranks, candidates + [other].compactMap(\.self), data: data.map(\.fingerprint).joined(separator: " "))
    let clock = ContinuousClock()
    let start = clock.now
    var results: [Int: EvaluationResult] = [:]
    let work = evaluations.reduce(0) { $0 + $1.0.workload(data[$1.1[0]].windows) }
    let trace =
      report.path == nil
      ? nil : EvaluationTrace(tokens: data[0].windows.predictedCount, hasReference: other != nil)
    try common.showingProgress(total: work, isBytes: false) { progress in
      for (evaluation, group) in evaluations {
        let name = candidates[group[0]].path
        let found = try evaluation.results(
          data[group[0]].windows, progress: { progress(.advanced(file: name, bytes: $0)) }, each: trace?.add)
        for (index, result) in zip(group, found) { results[index] = result }
      }
    }
    let seconds = (clock.now - start).seconds
    let rows = candidates.indices.compactMap { index in
      results[index].map { Row(candidate: candidates[index], data: data[index], result: $0) }
    }
    if let bad = rows.first(where: { !$0.result.perplexity.isFinite }) {
      throw ModelError(
        .mismatch, file: bad.candidate.path,
        reason: "its predictions are not numbers: the perplexity is \(bad.result.perplexity)",
        remedy: "a weight may be NaN or infinite: `belle-tools inspect --stats` shows which")
    }
    guard ranks.isFirst else { return }
    for row in rows { try showWindows(row) }
    show(rows, seconds)
    guard let trace, let row = rows.first else { return }
    // Of a token file the tokens' words are wanted where there is a tokenizer, and their numbers do where there is none.
    let words = try? row.candidate.tokenizer.value()
    try report.write(pageOf(row.result, trace, row.data, words, seconds).page, replacing: force.isGiven, common)
  }

  /// A model's result.
  struct Row {
    let candidate: Candidate
    let data: Calibration
    let result: EvaluationResult
  }

  /// The windows that each model sees.
  private func data(_ text: String?, _ candidates: [Candidate], hasReference: Bool) throws -> [Calibration] {
    let contexts = candidates.compactMap(\.model.configuration.contextLength)
    let length = min(2048, contexts.min() ?? 2048)
    func read(_ one: Candidate, _ tokenizer: @escaping () throws -> any Tokenizer) throws -> Calibration {
      try Calibration.inOrder(
        text, tokenizer: tokenizer, vocabularySize: one.model.configuration.vocabularySize,
        length: sequenceLength, defaultLength: length, stride: stride, maximumTokens: maxTokens,
        template: { try chatTemplate.dataTemplate(for: one.files, tokenizer(), common) })
    }
    let first = try read(candidates[0], candidates[0].tokenizer.value)
    for note in first.notes { common.note(note) }
    guard first.windows.length >= 2 else {
      throw CalibrationError(.tooShort, file: text, reason: "a window of one token predicts nothing")
    }
    return try [first]
      + candidates.dropFirst().map { one in
        let own: Calibration
        do { own = try read(one, one.tokenizer.value) } catch let error as TokenizerError where error.code == .missing {
          common.note("\(displayName(one.path)): it has no tokenizer; \(displayName(candidates[0].path))'s is taken")
          return try read(one, candidates[0].tokenizer.value)
        }
        guard hasReference, own.fingerprint != first.fingerprint else { return own }
        Console.shared.warning(
          "\(displayName(one.path)) cuts the text into other tokens than \(displayName(candidates[0].path)): it is evaluated "
            + "on those of the latter")
        return try read(one, candidates[0].tokenizer.value)
      }
  }

  private func describe(_ data: Calibration, _ model: TransformerModel, isOne: Bool) {
    if let limit = model.configuration.contextLength, data.windows.length > limit {
      Console.shared.warning(
        "windows of \(data.windows.length) tokens are longer than the \(limit) that the model was made for")
    }
    common.note(
      (isOne ? "" : "\(displayName(model.path)): ")
        + "\(data.windows.count == 1 ? "1 window" : "\(data.windows.count) windows") of \(data.windows.length) tokens"
        + (stride.map { $0 < data.windows.length ? ", each \($0) after the one before" : "" } ?? "")
        + (data.unusedTokens > 0 ? "; the last \(data.unusedTokens) tokens are not used" : ""))
  }

  // MARK: Results

  private func show(_ rows: [Row], _ seconds: Double) {
    if common.json {
      showObjects(rows, seconds)
    } else if rows.count == 1 {
      showOne(rows[0].result)
    } else {
      showTable(rows)
    }
    let tokens = rows.reduce(0) { $0 + $1.result.tokens }
    common.note("\(fixed(seconds, 1)) s, \(fixed(Double(tokens) / max(seconds, 1e-3), 0)) tokens a second")
  }

  private func showOne(_ result: EvaluationResult) {
    let total = result.total
    Console.shared.result(
      "perplexity         \(figure(total.perplexity, total.perplexityError, 4))  (\(result.tokens) tokens predicted)")
    guard let perplexity = result.referencePerplexity else { return }
    Console.shared.result(
      "reference          \(figure(perplexity, result.referencePerplexityError, 4))  (\(displayName(reference ?? "")))")
    Console.shared.result("mean KL divergence \(figure(total.divergence.mean, total.divergence.error, 7))")
    Console.shared.result("same top token     \(share(total.agreement))")
  }

  private func showTable(_ rows: [Row]) {
    let figures = reference == nil ? ["tokens"] : ["mean KL divergence", "same top token"]
    var table = [["model", "perplexity"] + figures]
    for row in rows {
      let total = row.result.total
      table.append(
        [displayName(row.candidate.path), figure(total.perplexity, total.perplexityError, 4)]
          + (reference == nil
            ? ["\(row.result.tokens)"]
            : [figure(total.divergence.mean, total.divergence.error, 7), share(total.agreement)]))
    }
    if let reference, let result = rows.first?.result, let perplexity = result.referencePerplexity {
      table.append([
        displayName(reference) + " (reference)", figure(perplexity, result.referencePerplexityError, 4), "", "",
      ])
    }
    show(table: table)
  }

  private func showObjects(_ rows: [Row], _ seconds: Double) {
    let objects = rows.map { row in
      figures(row).merging([
        "tokens": .int(row.result.tokens), "windows": .int(row.data.windows.count),
        "sequence_length": .int(row.data.windows.length), "stride": JSONValue(stride),
        "data_sha256": .string(row.data.fingerprint),
      ]) { $1 }
    }
    let common: [String: JSONValue] = [
      "type": "summary", "reference": JSONValue(reference), "seconds": .double(seconds),
    ]
    guard objects.count > 1 else {
      return Console.shared.result(.object(objects[0].merging(common) { $1 }))
    }
    for object in objects { Console.shared.result(.object(object.merging(["type": "model"]) { $1 })) }
    Console.shared.result(.object(common.merging(["models": .array(objects.map { .object($0) })]) { $1 }))
  }

  private func figures(_ row: Row) -> [String: JSONValue] {
    let number = { (value: Double?) -> JSONValue in value.map { .double($0) } ?? .null }
    let (result, total) = (row.result, row.result.total)
    return [
      "model": .string(row.candidate.path), "perplexity": .double(result.perplexity),
      "perplexity_se": number(total.perplexityError), "kl_mean": number(result.meanDivergence),
      "kl_se": number(total.divergence.error), "top1_agreement": number(result.top1Agreement),
      "top1_se": number(total.agreement.error), "reference_perplexity": number(result.referencePerplexity),
      "reference_perplexity_se": number(result.referencePerplexityError),
    ]
  }

  // MARK: Windows

  /// Shows the windows in which a model is farthest from the reference.
  private func showWindows(_ row: Row) throws {
    guard let worstWindows else { return }
    let windows = row.data.windows
    // A token file needs no tokenizer, and a model beside it may have none.
    let tokenizer: (any Tokenizer)?
    do { tokenizer = try row.candidate.tokenizer.value() } catch let error as TokenizerError {
      common.note("\(displayName(row.candidate.path)): windows are shown without their text: \(error.reason)")
      tokenizer = nil
    }
    for index in row.result.worst(worstWindows) {
      let scores = row.result.windows[index]
      let part = windows.predicted(index)
      let first = index * windows.length
      let text = try tokenizer?.decode(Array(windows.tokens[first + part.lowerBound..<first + part.upperBound]))
      if common.json {
        Console.shared.result([
          "type": "window", "model": .string(row.candidate.path), "window": .int(index + 1),
          "tokens": .int(scores.tokens), "kl_mean": .double(scores.divergence.mean),
          "kl_se": scores.divergence.error.map { .double($0) } ?? .null, "perplexity": .double(scores.perplexity),
          "reference_perplexity": .double(scores.referencePerplexity), "top1_agreement": .double(scores.agreement.mean),
          "text": JSONValue(text),
        ])
        continue
      }
      let name = models.count > 1 ? displayName(row.candidate.path) + ", " : ""
      Console.shared.result(
        "\(name)window \(index + 1): KL divergence \(figure(scores.divergence.mean, scores.divergence.error, 7)), "
          + "perplexity \(fixed(scores.perplexity, 4)), of the reference \(fixed(scores.referencePerplexity, 4))")
      if let text { Console.shared.result("  " + Self.excerpt(text)) }
    }
  }

  /// A text on a line, the middle left out where it is long.
  private static func excerpt(_ text: String) -> String {
    let limit = 150
    guard text.count > 2 * limit + 20 else { return displayName(text) }
    return displayName(String(text.prefix(limit))) + " […] " + displayName(String(text.suffix(limit)))
  }
}
