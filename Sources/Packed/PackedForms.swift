// The list of the forms that packed modules are read from.

/// The forms that are read: the first one that recognizes a module reads it.
package enum PackedForms {
  static let readable: [any PackedForm.Type] = [EarlyForm.self, AWQForm.self, PlanarForm.self, GPTQForm.self]

  /// What stands beside a module's `qweight` in any form, and is no tensor of the model.
  static let parts = Set(readable.flatMap { $0.parts })

  /// What the settings call the forms that are known.
  static var methods: [(name: String, formats: [String])] { readable.compactMap { $0.method } }

  /// The settings' words for the forms that are known, for a message.
  package static var known: String {
    var names: [String] = []
    for method in methods where !names.contains(method.name) { names.append(method.name) }
    return names.map { name in
      "\(name) (\(methods.filter { $0.name == name }.flatMap(\.formats).joined(separator: ", ")))"
    }.joined(separator: ", ")
  }

  /// Whether a method, as settings name it, is one that is read.
  package static func isKnown(_ method: String) -> Bool { methods.contains { $0.name == method } }

  /// What settings say and no form here has, by its key; empty where the tensors can be read.
  package static func unknown(_ settings: QuantizationSettings) -> [(key: String, value: String)] {
    settings.unknown(beside: methods)
  }
}
