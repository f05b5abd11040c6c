// Formats whose modules may be stored in forms of different sizes: what a choice among them asks of a format.

import ByteIO
import Checkpoint
import Model
import Transformer

/// A format in which every module may have a form of its own.
package protocol MixedFormat: QuantizedFormat {
  /// The forms that a module's shape allows.
  func forms(of module: LinearModule) -> [StoredForm]

  /// Whether modules with the same inputs must have the same form, for engines put them together.
  var sharesForms: Bool { get }

  /// The types that a matrix can have that is rounded, and not quantized: of an embedding, or a head; none where such stay
  /// as they are.
  func types(ofRounded info: TensorInfo) -> [DType]

  /// The format with the forms that were chosen.
  ///
  /// - Parameters:
  ///   - forms: by the modules' names.
  ///   - types: of rounded matrices, by their names in the model.
  func choosing(_ forms: [String: StoredForm], _ types: [String: DType]) -> any MixedFormat

  /// What a module's final tensors are, without their values.
  func infos(of module: LinearModule) -> [TensorInfo]

  /// The bytes of the weights' files, headers and all: by the writer that writes them.
  ///
  /// - Parameter model: with the final tensors, whose values are not read.
  func fileBytes(_ model: QuantizedModel) throws -> Int
}

extension MixedFormat {
  /// The matrices of a model that are rounded to types that can be chosen: the embedding, and a head that is not quantized.
  ///
  /// - Parameter head: the head that is quantized; nil where none is.
  func roundedMatrices(
    of model: TransformerModel, head: LinearModule?
  ) -> [(info: TensorInfo, types: [DType], isEmbedding: Bool)] {
    model.source.tensors.compactMap { info in
      let isEmbedding = model.configuration.ggufName(of: info.name)?.isEmbedding ?? false
      let isHead = head == nil && model.headModule.map { $0.name + ".weight" == info.name } ?? false
      guard isEmbedding || isHead else { return nil }
      let types = types(ofRounded: info)
      return types.isEmpty ? nil : (info, types, isEmbedding)
    }
  }

  /// The bytes that a module takes in a form.
  func byteCount(_ module: LinearModule, in form: StoredForm) -> Int {
    choosing([module.name: form], [:]).byteCount(module)
  }
}

extension QuantizedModel {
  /// A model as it will be, for its sizes: its tensors have no values.
  init(planned modules: [LinearModule], _ format: any MixedFormat, _ frame: QuantizedModel) throws {
    let entries = modules.flatMap(format.infos).map { info in
      TensorView.Entry(
        info,
        .computed { throw CheckpointError(.badTensor, reason: "\(info.name) is not made yet") })
    }
    self.init(
      original: frame.original, finished: try TensorView(entries), modules: modules, untouched: frame.untouched,
      options: frame.options, hasGroupIndex: frame.hasGroupIndex, calibration: frame.calibration)
  }
}
