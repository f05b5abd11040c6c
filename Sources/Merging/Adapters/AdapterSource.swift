// An adapter, whatever it was opened from: tensors with peft's names, and a configuration.

import ByteIO
import Checkpoint
import Model

/// An adapter, open.
struct AdapterSource: Sendable {
  /// The path that it was opened by.
  let path: String
  /// Its tensors, by peft's names.
  let source: any TensorSource
  /// What they stand for.
  let configuration: AdapterConfiguration
  /// What is to be told of how it was found.
  let remarks: [String]

  static let configurationName = "adapter_config.json"

  init(path: String, source: any TensorSource, configuration: AdapterConfiguration, remarks: [String] = []) {
    (self.path, self.source, self.configuration, self.remarks) = (path, source, configuration, remarks)
  }

  /// Reads the configuration that lies beside an adapter.
  static func configuration(beside path: String) throws -> AdapterConfiguration {
    let file = Folder.join(Folder.home(of: path), configurationName)
    guard Folder.kind(of: file) == .file else {
      throw MergeError(
        .configuration, file: path,
        reason: "there is no \(configurationName) beside it, and without its rank and alpha nothing can be merged",
        remedy: "copy it from the folder that the training wrote: beside a checkpoint-… folder, or in one of the "
          + "others")
    }
    let input = try InputFile(file)
    guard input.size <= AdapterConfiguration.sizeLimit else {
      throw MergeError(
        .configuration, file: file,
        reason: "\(input.size) bytes; of an adapter's configuration \(AdapterConfiguration.sizeLimit) are read at most",
        remedy: AdapterConfiguration.ownFile)
    }
    return try AdapterConfiguration(input.bytes(count: input.size), file: file)
  }
}
