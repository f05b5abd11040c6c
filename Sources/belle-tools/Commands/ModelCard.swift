// The model card of a quantized model, README.md in its folder: what it is made of and how, what was measured, how to load
// it. A licence is told as the source's own card says it, or as the catalogue does of a release that a digest proves; what
// is not known is called so.

import ByteIO
import Checkpoint
import Checksum
import Foundation
import LinearAlgebra
import Model
import Quantize
import Reports

/// What a card is made of.
struct ModelCard {
  /// A licence, and who says so.
  struct Licence {
    let name: String
    let source: String
    /// The name as Hugging Face's metadata have it, where the source's card has that.
    let metadata: String?
    let limits: [String]
  }

  let quantizer: ModelQuantizer
  /// The source's name: of its repository, or of its folder.
  let source: String
  let release: KnownRelease?
  let licence: Licence?
  /// What the samples were drawn from, in words.
  let data: String?

  /// A card for a run; what is known of the source is read.
  init(_ quantizer: ModelQuantizer, of files: Model, data: String?) throws {
    self.quantizer = quantizer
    self.data = data
    let folder = URL(filePath: Folder.home(of: files.path)).standardizedFileURL.resolvingSymlinksInPath().path
    source = HubDownload.repository(ofSnapshot: folder) ?? Folder.name(of: folder)
    release = try Registry.builtIn.release(ofWeights: Set(files.stored.tensors.map(\.file)))
    licence = Self.licence(in: files.folder) ?? release.flatMap(Self.licence(of:))
  }

  private static func licence(of release: KnownRelease) -> Licence? {
    Catalogue.builtIn.repository(named: release.name).map {
      Licence(
        name: $0.licence,
        source: "of \(release.name), which a digest says it is (`belle-tools releases \(release.name)`)",
        metadata: nil, limits: $0.limits)
    }
  }

  /// What the source's own card says: the lines of its metadata, between `---`.
  private static func licence(in folder: String) -> Licence? {
    let path = Folder.join(folder, ModelCardText.fileName)
    guard Folder.kind(of: path) == .file, let file = try? InputFile(path),
      let bytes = try? file.bytes(count: min(file.size, 1 << 16))
    else { return nil }
    let lines = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline)
    guard lines.first?.trimmingCharacters(in: .whitespaces) == "---" else { return nil }
    var fields: [String: String] = [:]
    for line in lines.dropFirst().prefix(while: { $0.trimmingCharacters(in: .whitespaces) != "---" }).prefix(400) {
      guard let colon = line.firstIndex(of: ":"), ["license", "license_name", "license_link"].contains(line[..<colon])
      else { continue }
      let value = line[line.index(after: colon)...].trimmingCharacters(in: CharacterSet(charactersIn: " \t\"'"))
      // One word of letters that mean nothing in Markdown or YAML: whatever else stands there is not repeated.
      let isPlain = value.utf8.allSatisfy {
        (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0)
          || "-._/:".utf8.contains($0)
      }
      if isPlain, (1...200).contains(value.utf8.count) { fields[String(line[..<colon])] = value }
    }
    guard let name = fields["license"] else { return nil }
    let more = [fields["license_name"], fields["license_link"]].compactMap(\.self).joined(separator: ", ")
    return Licence(
      name: name + (more.isEmpty ? "" : " (\(more))"), source: "as the source's own card says", metadata: name,
      limits: [])
  }

  /// The card of the finished files.
  ///
  /// - Parameter folder: where they lie.
  func text(_ folder: String, _ reports: [ModuleReport]) throws -> ModelCardText {
    try text(folder, reports, names: nil)
  }

  /// The card of some files of a folder; nil for all of its weights.
  func text(_ folder: String, _ reports: [ModuleReport], names: [String]?) throws -> ModelCardText {
    let isGPTQ = quantizer.options.method == .gptq
    let parts = [
      metadata, "# \(Self.inline(source)), \(grid ?? "quantized")\n",
      "\(Self.inline(source)), quantized \(isGPTQ ? "by GPTQ" : "by rounding to nearest") with \(Program.version).\n",
      origin, making, measured(reports), try loading(folder, names), try files(folder, names),
    ]
    return try ModelCardText(parts.joined(separator: "\n"))
  }

  private var grid: String? {
    quantizer.choice.map { "\(fixed($0.bits, 2)) bits a weight" }
      ?? (quantizer.format as? GGUFFormat)?.mixture?.name.uppercased()
      ?? quantizer.modules.first.map { quantizer.format.storedAs($0) }
  }

  private var metadata: String {
    var lines = ["---"]
    if let name = licence?.metadata { lines.append("license: \(name)") }
    if quantizer.format.writesFolder, !(quantizer.format is BELLEFormat) { lines.append("library_name: transformers") }
    lines += ["tags:"] + (quantizer.options.method == .gptq ? ["- gptq"] : [])
    // Where modules differ there is no such number.
    if quantizer.choice == nil, let module = quantizer.modules.first {
      lines.append("- \(quantizer.format.grid(for: module).storedBits)-bit")
    }
    return (lines + ["---", ""]).joined(separator: "\n")
  }

  private var origin: String {
    let limits = licence?.limits ?? []
    return """
      ## Source

      | | |
      |---|---|
      | model | \(Self.inline(source)) |
      | release | \(release.map { "\($0.name), by a digest of its weights" } ?? "none that is known here") |
      | digest | SHA-256 over configuration and values: `\(quantizer.modelDigest)` |
      | licence | \(licence.map { "\($0.name), \($0.source)" } ?? "not known") |
      | limits of use | \(limits.isEmpty ? "not known" : limits.map(Self.inline).joined(separator: "; ")) |

      What the source's licence demands and forbids, it does of this model as well.

      """
  }

  private var making: String {
    let options = quantizer.options
    let isGPTQ = options.method == .gptq
    let others =
      quantizer.format.writesFolder
      ? "everything else is as it was" : "everything else is in the types that the form names, or as it was"
    var rows = [
      ("weights", grid ?? ""), ("form", quantizer.format.description), ("method", options.method.rawValue),
    ]
    if let choice = quantizer.choice, let target = options.target {
      let forms = choice.counts.map { "\($0.form) (\($0.count))" }.joined(separator: ", ")
      rows.append(("forms", "\(forms): for \(target.description), so that the model is predicted to change least"))
    }
    if isGPTQ { rows.append(("recipe", "\(options.recipeName): \(options.recipe.description)")) }
    if options.arithmetic == .bfloat16 {
      rows.append(("passes and sums", "bfloat16, \(options.arithmetic.engineName)"))
    }
    if isGPTQ, !options.isTrueSequential { rows.append(("order", "all modules of a layer at once")) }
    if let data { rows.append(("calibration", Self.inline(data))) }
    if let calibration = quantizer.calibration {
      rows.append(("digest of the samples", "SHA-256 `\(calibration.fingerprint)`"))
    }
    rows.append(("modules", "\(quantizer.modules.count) of decoder layers and head; \(others)"))
    return "## Making\n\n| | |\n|---|---|\n" + rows.map { "| \($0.0) | \($0.1) |\n" }.joined()
  }

  private func measured(_ reports: [ModuleReport]) -> String {
    let errors = reports.compactMap { report in report.relative_output_error.map { (report.name, $0) } }
    var text = "## Measured\n\n"
    if errors.isEmpty {
      text += "No error was measured: rounding needs no data.\n"
    } else {
      let mean = errors.reduce(0) { $0 + $1.1 } / Double(errors.count)
      text += """
        Error of a module's output on the calibration data, ‖(W − Ŵ)X‖² / ‖WX‖²: \(Numbers.percent(mean)) in the mean of \
        \(errors.count) modules. The largest:

        | module | error |
        |---|---:|

        """
      let worst = errors.enumerated().sorted {
        $0.element.1 != $1.element.1 ? $0.element.1 > $1.element.1 : $0.offset < $1.offset
      }
      text += worst.prefix(5).map { "| \(Self.inline($0.element.0)) | \(Numbers.percent($0.element.1)) |\n" }.joined()
    }
    let divergences = reports.compactMap(\.predicted_divergence)
    if !divergences.isEmpty {
      let sum = divergences.reduce(0, +)
      text += """

        Divergence from the source that gradients of its own predictions foretell, all modules together: \
        \(Numbers.short(sum)) nats a token; `quantize-log.jsonl` has each module's part.

        """
    }
    if let choice = quantizer.choice {
      text += "\nWhen the forms were chosen, before the work, \(Numbers.short(choice.divergence)) was predicted.\n"
    }
    let rounded = reports.filter { $0.fallback != nil }.count
    if rounded > 0 {
      text += "\n\(rounded) modules could only be rounded to nearest: `quantize-log.jsonl` says which.\n"
    }
    return text + """

      Divergence from the source was not measured. This measures it, on any text:

          belle-tools evaluate . --text FILE --reference SOURCE

      """
  }

  /// How engines load it, as far as its form says; `doctor` looks at the files themselves.
  private func loading(_ folder: String, _ names: [String]?) throws -> String {
    if let name = names?.first, Container(outputName: name) == .gguf {
      return """
        ## Loading

            llama-cli -m \(CommandLineText.quoted(name))
            belle-tools generate \(CommandLineText.quoted(name)) --prompt "…"

        """
    }
    guard !Self.isTorch(folder) else {
      return """
        ## Loading

        The `.pt` is what BELLE's and GPTQ-for-LLaMA's scripts load. For other engines:

            belle-tools convert . ../model-gptq           # a GPTQ folder
            belle-tools convert . ../model.gguf           # for llama.cpp

        """
    }
    let vLLM =
      quantizer.modules.lazy.map { quantizer.format.grid(for: $0) }
        .allSatisfy { $0.form == .symmetric && [4, 8].contains($0.bits) }
      ? "    vllm serve .\n" : "vLLM takes symmetric grids of 4 and 8 bits only: not this one.\n"
    // transformers 5 knows one form for all modules.
    let transformers =
      quantizer.choice == nil
      ? """
      In this folder. transformers, with GPTQModel installed:

          from transformers import AutoModelForCausalLM, AutoTokenizer
          model = AutoModelForCausalLM.from_pretrained(".", device_map="auto")
          tokenizer = AutoTokenizer.from_pretrained(".")
      """
      : """
      In this folder. GPTQModel, whose `dynamic` says what differs by module:

          from gptqmodel import GPTQModel
          model = GPTQModel.load(".")
      """
    return """
      ## Loading

      \(transformers)

      vLLM:

      \(vLLM)
      llama.cpp:

          belle-tools convert . ../model.gguf
          llama-cli -m ../model.gguf

      Without any of them:

          belle-tools generate . --prompt "…"

      `belle-tools doctor .` says what each engine makes of these very files.

      """
  }

  private static func isTorch(_ folder: String) -> Bool {
    (try? Checkpoint.modelFiles(in: folder))?.contains { Container(fileName: $0) == .torch } ?? false
  }

  private func files(_ folder: String, _ chosen: [String]?) throws -> String {
    let names = try chosen ?? Checkpoint.modelFiles(in: folder).filter { !$0.hasSuffix(".json") }.sorted()
    let rows = try names.map { name in
      let file = try InputFile(Folder.join(folder, name))
      let digest = try FileDigest.compute([.sha256], of: file)[.sha256]?.hex ?? ""
      return "| \(Self.inline(name)) | \(file.size) | `\(digest)` |\n"
    }
    return "## Files\n\n| file | bytes | SHA-256 |\n|---|---:|---|\n" + rows.joined() + "\n"
  }

  /// A text within a line of Markdown: what would begin something there is escaped.
  private static func inline(_ text: String) -> String {
    displayName(text).reduce(into: "") { result, letter in
      if #"\`*_{}[]<>()#+!|&~"#.contains(letter) { result.append("\\") }
      result.append(letter)
    }
  }
}
