// --skip-unknown, the same in every verb that reads checkpoints.

import ArgumentParser
import ByteIO
import Checkpoint
import Model

/// Whether names in pickles that are not known are passed over.
struct SkipUnknownOption: ParsableArguments {
  @Flag(
    name: .customLong("skip-unknown"),
    help: ArgumentHelp(
      "Read the tensors of a PyTorch file that names what is not known (a Namespace, a whole module, TorchScript), without "
        + "what such names make. Nothing is run."))
  var isGiven = false

  /// What takes the names of the checkpoints that are opened with it; nil without the option.
  var names: SkippedNames? { isGiven ? SkippedNames() : nil }

  /// Opens a model, and says what was passed over.
  func open(_ path: String) throws -> Model {
    let skipped = names
    let model = try Model.open(path, skipping: skipped)
    Console.shared.tell(skipped, of: path)
    return model
  }
}

extension Console {
  /// Says what was passed over in pickles, and what was left out for its sake.
  func tell(_ skipped: SkippedNames?, of path: String) {
    guard let skipped else { return }
    let names = skipped.names
    let name = displayName(path)
    if !names.isEmpty {
      let shown = names.prefix(8).map { displayName("\($0.module).\($0.name)") }.joined(separator: ", ")
      note(
        "\(name): \(skipped.isCut ? "more than " : "")\(names.count) name\(names.count == 1 ? " was" : "s were") not looked "
          + "at, and nothing was run: \(shown)\(names.count > 8 ? ", …" : "")")
    }
    for global in names {
      guard let deed = global.deed else { continue }
      warning(
        "\(name): byte \(global.offset): \(displayName("\(global.module).\(global.name)")) \(deed), which no weight file "
          + "needs: do not load the file with PyTorch")
    }
    if skipped.leftOutCount > 0 {
      let one = skipped.leftOutCount == 1
      warning(
        "\(name): \(skipped.leftOutCount) tensor\(one ? " is" : "s are") left out: objects of such names are made of "
          + "\(one ? "it" : "them"), and what they make of \(one ? "it" : "them") is not known")
    }
    let unread = skipped.unread
    guard !unread.isEmpty else { return }
    let shown = unread.prefix(5).map { "\(displayName($0.name)) (\($0.unread?.kind.name ?? ""))" }
    warning(
      "\(name): \(unread.count) tensor\(unread.count == 1 ? " is" : "s are") left out, whose values are not read: "
        + shown.joined(separator: ", ") + (unread.count > 5 ? ", …" : ""))
  }
}
