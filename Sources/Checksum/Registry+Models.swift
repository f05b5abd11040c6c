// Models and adapters that were published as they are: the files of checksums/models.json, with the digests of the lists
// beside it.

import ByteIO
import Foundation

extension Registry {
  /// What is compiled in of models and adapters. A test parses it; a mistake in it is ours.
  static let builtInModels: [KnownModel] = {
    do {
      return try models(in: ChecksumFolder.texts)
    } catch {
      preconditionFailure("checksums/models.json does not parse: \(error)")
    }
  }()

  /// Reads models and adapters.
  ///
  /// - Parameter files: path below a checksums folder, and text.
  /// - Throws: ``ChecksumError`` for a list that does not parse, `DecodingError` for the JSON file.
  static func models(in files: [String: String]) throws -> [KnownModel] {
    guard let text = files["models.json"] else { return [] }
    let index = try JSONDecoder().decode(ModelIndex.self, from: Data(text.utf8))
    // Several models share a list.
    var lists: [String: [Manifest.Entry]] = [:]
    for name in Set(index.models.map(\.list)) {
      let file = name + ".sha256"
      if let text = files[file] { lists[name] = try Manifest(text: text, file: file).entries }
    }
    return index.models.map { model in
      var builder = FileBuilder()
      for (name, facts) in model.files { builder.add(name, facts) }
      builder.addPlain(lists[model.list] ?? [], below: model.folder, isDerived: false)
      return KnownModel(name: model.name, files: builder.finish(headerSize: 0))
    }
  }

  /// The model or adapter of a name, in any case, with or without the owner, or nil.
  public func model(named name: String) -> KnownModel? {
    let wanted = ChecksumFolder.folded(name)
    return models.first { ChecksumFolder.folded($0.name) == wanted }
  }
}

private struct ModelIndex: Decodable {
  struct Model: Decodable {
    let name: String
    let list: String
    let folder: String
    let files: [String: FileFacts]
  }
  let models: [Model]
}
