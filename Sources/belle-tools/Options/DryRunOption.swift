// --dry-run, the same in every verb that writes or takes long: what would be done and written is told, whatever the run
// would refuse at its beginning is refused, and nothing is written.

import ArgumentParser
import ByteIO

/// Whether nothing is to be written.
struct DryRunOption: ParsableArguments {
  @Flag(
    name: .both(.dryRun),
    help: "Check everything that can be checked without writing, and say what would be done.")
  var dryRun = false
}

extension Console {
  /// Says what would be written, and ends with a summary.
  ///
  /// - Parameters:
  ///   - output: where it would be written; nil where results are printed.
  ///   - what: a sentence on the work, where there is more to be said than of the files.
  ///   - more: fields of the summary besides.
  func show(
    _ plan: OutputPlan, output: String?, _ common: CommonOptions, what: String? = nil, more: [String: JSONValue] = [:]
  ) {
    let replaced = Set(plan.replaced)
    for file in plan.files {
      if common.json {
        result([
          "type": "file", "output": .string(file.path), "bytes": JSONValue(file.bytes), "status": "planned",
          "replaces": .bool(replaced.contains(file.path)),
        ])
      } else {
        let size = file.bytes.map { "  \(byteCount($0))" } ?? ""
        let end = replaced.contains(file.path) ? "  in place of what is there" : ""
        result("planned   \(displayName(file.path))\(size)\(end)")
      }
    }
    guard !common.json else {
      let summary: [String: JSONValue] = [
        "type": "summary", "dry_run": true, "output": JSONValue(output), "files": .int(plan.files.count),
        "bytes": .int(plan.bytes), "free": plan.files.isEmpty ? nil : JSONValue(plan.free),
        "replaced": JSONValue(plan.replaced), "removed": JSONValue(plan.removed),
      ]
      return result(.object(summary.merging(more) { $1 }))
    }
    for path in plan.removed { result("removed   \(displayName(path))  it would be taken for a part of the model") }
    if let what { common.note(what) }
    guard !plan.files.isEmpty else { return common.note("nothing was done: the results would be printed") }
    let free = plan.free.map { ", and \(byteCount($0)) are free there" } ?? ""
    common.note("nothing was written: it would be \(byteCount(plan.bytes))\(free)")
  }
}
