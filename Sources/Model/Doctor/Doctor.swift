// Reads a checkpoint as engines will, and says what they would trip over: files, configuration, tensors, tokenizer, packed
// weights, values. Nothing that it finds stops it; what cannot be opened is a finding too.
// What engines want: the sources are named in Doctor+Engines.swift, Doctor+Packed.swift.

import ByteIO
import Checkpoint
import Foundation
import Packed
import Tokenizer

/// Examines a checkpoint.
package final class Doctor {
  /// What was found, in the order of the examination; of findings of one kind the first ones.
  package private(set) var findings: [Finding] = []
  /// How many findings of a kind there are beyond those in ``findings``.
  package private(set) var moreFindings: [Finding.Code: Int] = [:]

  /// Findings of a kind that are listed: a model without its config.json has thousands.
  private static let listed = 16

  let path: String
  let folder: String
  /// Where the tokenizer's files lie: the folder, or of Meta's download the one above.
  var tokenizerFolder: String
  let threads: Int
  /// What takes names of pickles that are not known.
  let skipped: SkippedNames?
  /// What engines ask for, as far as it could be found out.
  var facts = Facts()

  /// What the verdict on an engine depends on.
  struct Facts {
    enum Form {
      case unknown, huggingFace, meta, gguf, ggml, other
    }

    var form = Form.unknown
    /// The name of the file that the model is opened by, and the bytes of which container it holds.
    var entry: (name: String, isTorch: Bool)?
    /// What of an adapter there is among the files.
    var adapter: AdapterPresence.Kind?
    /// Whether the weights have a name by which engines do not find them.
    var hasMisnamedWeights = false
    /// Whether parts without an index lie beside another set of weights.
    var hasRivalParts = false
    var isPacked = false
    /// Whether the packed tensors come in a PyTorch file without g_idx: BELLE's and GPTQ-for-LLaMA's form.
    var isBELLE = false
    /// Whether they are AutoAWQ's.
    var isAWQ = false
    /// How the weights are quantized, where that is not read here.
    var foreign: ForeignQuantization?
    var configuration: ModelConfiguration?
    var quantization: QuantizationSettings?
    /// The bits of most modules' integers, and of all.
    var bits: Int?
    var allBits: Set<Int> = []
    var groupSize: Int?
    /// Whether modules have other groups than the settings say for all.
    var hasOtherGroups = false
    /// Whether groups are scattered over the inputs, or of different sizes.
    var isScattered = false
    /// Whether this program can write a GGUF file of the model.
    var fitsGGUF = false
    var isSymmetric = true
    var smallestOut: Int?
    /// The greatest common divisors of the packed modules' outputs and inputs.
    var outDivisor = 0
    var inDivisor = 0
  }

  /// - Parameters:
  ///   - path: a file or folder.
  ///   - threads: how many read values.
  ///   - skipped: as in `Checkpoint.open`.
  package init(_ path: String, threads: Int, skipping skipped: SkippedNames? = nil) {
    // A folder of Hugging Face's cache stands for its snapshot; where there are several the examination says so.
    self.path = (try? Checkpoint.located(path)) ?? path
    self.skipped = skipped
    self.threads = threads
    folder = Folder.home(of: self.path)
    tokenizerFolder = folder
  }

  func add(
    _ severity: Finding.Severity, _ code: Finding.Code, _ place: String, _ message: String, _ remedy: Remedy? = nil
  ) {
    guard findings.count(where: { $0.code == code }) < Self.listed else {
      moreFindings[code, default: 0] += 1
      return
    }
    findings.append(Finding(severity: severity, code: code, place: place, message: message, remedy: remedy))
  }

  /// What the system refused first: too many open files, say. It says nothing of the model.
  private var refusal: ByteIOError?

  /// Adds an error that stopped a part of the examination.
  func add(_ error: any Error, _ code: Finding.Code, _ place: String) {
    if isOfSystem(error) { return }
    guard let error = error as? any ToolError else { return add(.error, code, place, "\(error)") }
    let parts = [error.place, error.reason].compactMap { $0 }
    // What is not known here may be known to engines.
    if Self.isLimit(error) {
      return add(.notJudged, .notJudged, error.file ?? place, parts.joined(separator: ": "), error.remedy)
    }
    add(.error, code, error.file ?? place, parts.joined(separator: ": "), error.remedy)
  }

  /// Whether an error is the system's and not the model's; then the examination ends with it.
  private func isOfSystem(_ error: any Error) -> Bool {
    guard let error = error as? ByteIOError, case .system = error.code else { return false }
    refusal = refusal ?? error
    return true
  }

  /// Whether an error names what this program does not know or take, and no fault of the model.
  private static func isLimit(_ error: any ToolError) -> Bool {
    switch error {
    case let error as ModelError: error.code == .unsupported
    case let error as TokenizerError: [.unsupported, .limit].contains(error.code)
    case let error as CheckpointError: [.unsupportedType, .limit].contains(error.code)
    default: false
    }
  }

  /// A value that is used where it can be had; what is wrong with it is another part's to tell.
  func attempt<Value>(_ body: () throws -> Value) -> Value? {
    do { return try body() } catch {
      _ = isOfSystem(error)
      return nil
    }
  }

  /// Examines everything.
  ///
  /// - Parameter progress: called with the bytes of tensors read so far, and of all.
  /// - Throws: ``ByteIOError`` where there is nothing at the path, or the system refuses to read it.
  package func examine(progress: @escaping @Sendable (Int, Int) -> Void = { _, _ in }) throws {
    guard Folder.kind(of: path) != nil else {
      throw ByteIOError(.notFound, file: path, reason: "there is no such file or folder")
    }
    examineAll(progress)
    if let refusal { throw refusal }
  }

  private func examineAll(_ progress: @escaping @Sendable (Int, Int) -> Void) {
    guard let model = openModel() else { return }
    let source = model.stored
    tokenizerFolder = model.tokenizerFolder
    examineSkippedNames()
    examineAdapter(source)
    if facts.adapter == .alone || facts.adapter == .empty {
      facts.form = .other
      return examineValues(source, progress)
    }
    switch model.layout {
    case .gguf(let file):
      facts.form = .gguf
      examine(file, progress)
    case .ggml(let file):
      facts.form = .ggml
      examine(file, of: model, progress)
    case .meta(let meta):
      facts.form = .meta
      examineMeta(model, meta, progress)
    case .huggingFace: examineHuggingFace(model, progress)
    }
  }

  /// The verdicts on the engines, from what was found.
  package var engines: [EngineVerdict] { verdicts() }

  /// Looks at Meta's layout: what TransformerModel wants of it.
  private func examineMeta(_ opened: Model, _ meta: MetaFolder, _ progress: @escaping @Sendable (Int, Int) -> Void) {
    guard facts.adapter != .unmerged else { return examineValues(ComputedTensors.removed(from: meta), progress) }
    if let model = attempt({ try MetaModel(meta) }), !examineFrequencies({ try model.checkFrequencies() }) {
      return examineValues(model.source, progress)
    }
    do {
      let model = try opened.described()
      _ = try ModelTensors(model.configuration, model.weights, file: path)
      facts.configuration = model.configuration
      facts.fitsGGUF = attempt { try fitsGGUF(model.configuration, opened) } ?? false
      examineTokenizer(vocabularySize: model.configuration.vocabularySize)
      examineValues(model.weights, progress)
    } catch { add(error, .badConfiguration, path) }
  }

  /// The weights that packed tensors stand for; nil where they cannot be unpacked, which is a finding then.
  private func unpacked(_ source: any TensorSource) -> (any TensorSource)? {
    do {
      var settings = facts.quantization
      if let bits = facts.bits { settings = settings ?? QuantizationSettings(); settings?.bits = bits }
      let packed = try PackedCheckpoint.ofModel(source, settings)
      if packed.isEarly {
        for index in packed.tensors.indices { _ = try packed.packedLinear(index) }
      }
      return packed
    } catch {
      // Where the parts were complained of before, so much is known.
      if findings.allSatisfy({ $0.severity != .error }) { add(error, .badPart, path) }
      return nil
    }
  }

  private func examineHuggingFace(_ model: Model, _ progress: @escaping @Sendable (Int, Int) -> Void) {
    let named = model.tensors
    let source = ComputedTensors.removed(from: named)
    if let wrapper = model.wrapper {
      add(
        .error, .wrappedNames, path,
        "the names of the model's tensors are wrapped in \(displayName(wrapper)): engines do not find them, and some then draw "
          + "the weights at random without an error",
        "\(.converting(.huggingFace(path))) writes them under their own names")
    }
    facts.form = .huggingFace
    facts.isPacked = PackedCheckpoint.isPacked(source)
    facts.isBELLE = BELLEForm.isForm(of: source)
    examineConfiguration()
    if let foreign = attempt({ try ForeignQuantization(source, folder: folder) }) ?? nil {
      add(.notJudged, .notJudged, folder, foreign.reason, ForeignQuantization.remedy)
      facts.foreign = foreign
      if let configuration = facts.configuration { examineTokenizer(vocabularySize: configuration.vocabularySize) }
      return examineValues(source, progress)
    }
    var view: (any TensorSource)? = source
    if facts.isPacked {
      examineQuantization(source)
      view =
        facts.quantization.map { !PackedForms.unknown($0).isEmpty } == true
        ? nil
        : PackedCheckpoint.isGPTQ(source, facts.quantization)
          ? examinePacked(source) ? unpacked(source) : nil : examineByForm(source)
      examinePacking(source, facts.configuration)
    } else if let settings = attempt({ try QuantizationSettings.read(folder) }) ?? nil, let method = settings.method,
      PackedForms.isKnown(method)
    {
      add(
        .error, .missingPart, folder,
        "the configuration says that the model is quantized (quant_method \(displayName(method))), and no tensor is packed",
        "remove quantization_config from config.json, or download the quantized tensors")
    }
    // With an adapter among them the tensors have other names.
    if facts.adapter != .unmerged, let view, let configuration = facts.configuration {
      examineTensors(view, configuration)
    }
    if let configuration = facts.configuration { examineFrequencies(named, configuration) }
    if let configuration = facts.configuration {
      examineTokenizer(vocabularySize: configuration.vocabularySize)
      examineTokenIDs(configuration.vocabularySize)
      facts.fitsGGUF = attempt { try fitsGGUF(configuration, model) } ?? false
    }
    examineValues(source, progress)
  }
}
