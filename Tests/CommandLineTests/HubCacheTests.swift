// Hugging Face's cache as verify meets it: unfinished blobs, and folders above the model (kind 11).

import Checksum
import Foundation
import TestSupport
import Testing

private func sha(_ text: String) throws -> String { try DigestStream.digest(.sha256, of: Array(text.utf8)).hex }

@Suite("Hugging Face's cache (kind 11)") struct HubCacheTests {
  /// A cache with one model and one snapshot.
  private func cache(models: [String] = ["models--o--n"], snapshots: [String] = ["abc"]) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    try folder.write("hub/CACHEDIR.TAG", "Signature")
    for model in models {
      try folder.write("hub/\(model)/blobs/\(sha("w"))", "w")
      try folder.write("hub/\(model)/refs/main", snapshots[0])
      for snapshot in snapshots {
        let place = "hub/\(model)/snapshots/\(snapshot)"
        try folder.write(place + "/.keep", "")
        try FileManager.default.removeItem(atPath: folder.file(place + "/.keep"))
        try FileManager.default.createSymbolicLink(
          atPath: folder.file(place + "/model.safetensors"), withDestinationPath: "../../blobs/\(sha("w"))")
      }
    }
    return folder
  }

  /// It was OK: the blobs lie beside the snapshot.
  @Test(
    "a blob that is not finished is an error, wherever in the cache verify is pointed",
    arguments: ["snapshots/abc", "", "blobs", "snapshots"], ["", ".0a1b2c3d"])
  func unfinished(place: String, tag: String) throws {
    let folder = try cache()
    let root = "hub/models--o--n"
    let name = try sha("gone") + tag + ".incomplete"
    try folder.write("\(root)/blobs/\(name)", "go")
    let run = try belleTools("verify", folder.file("\(root)/\(place)"))
    #expect(run.status == 2, "\(run.errors)")
    #expect(run.output.contains("\(name): UNFINISHED"), "\(run.output)")
    #expect(run.errors.contains("not finished"))
    // One that another attempt finished is left over.
    try folder.write("\(root)/blobs/\(sha("gone"))", "gone")
    #expect(try belleTools("verify", folder.file("\(root)/\(place)")).status == 0)
  }

  @Test("of a download of which nothing came whole as much is said")
  func nothingWhole() throws {
    let folder = try TemporaryFolder()
    try folder.write("m/config.json", "{}")
    try folder.write("m/.cache/huggingface/download/Ab-c_d=.\(sha("x")).incomplete", "x")
    let run = try belleTools("verify", folder.file("m"))
    #expect(run.status == 2, "\(run.errors)")
    #expect(run.output.contains(".incomplete: UNFINISHED"))
    // The note of a file that came whole has the same tag.
    let note = "\(String(repeating: "a", count: 40))\n\(try sha("x"))\n1.0\n"
    try folder.write("m/a.bin", "x")
    try folder.write("m/.cache/huggingface/download/a.bin.metadata", note)
    #expect(try belleTools("verify", folder.file("m")).status == 0)
  }

  @Test("what was begun of a revision before the one that came whole is left over; what was begun after it is not")
  func otherRevision() throws {
    let folder = try TemporaryFolder()
    // huggingface_hub 1.x: base64 of SHA-1("config.json.metadata").
    let hash = "8_PA_wEVGiVa2goH2H4KQOQpvVY="
    let part = "m/.cache/huggingface/download/\(hash).\(try sha("an earlier one")).incomplete"
    try folder.write("m/config.json", "{}")
    try folder.write(part, "an ear")
    let note = "\(String(repeating: "a", count: 40))\n\(try sha("{}"))\n1.0\n"
    try folder.write("m/.cache/huggingface/download/config.json.metadata", note)
    for (age, status) in [(-3600.0, 0), (3600, 2)] as [(Double, Int32)] {
      try FileManager.default.setAttributes(
        [.modificationDate: Date(timeIntervalSinceNow: age)], ofItemAtPath: folder.file(part))
      #expect(try belleTools("verify", folder.file("m")).status == status, "\(age)")
    }
  }

  @Test(
    "what the cache keeps for itself is not extra",
    arguments: ["hub/models--o--n", "hub", "", "hub/models--o--n/snapshots"])
  func strict(place: String) throws {
    let folder = try cache()
    let run = try belleTools("verify", folder.file(place), "--strict")
    #expect(run.status == 0, "\(run.output)\(run.errors)")
    #expect(run.output.contains("model.safetensors: OK"))
    #expect(!run.output.contains("EXTRA"))
  }

  @Test("of several models or snapshots the choices are named")
  func several() throws {
    let models = try cache(models: ["models--o--n", "models--p--q"])
    let run = try belleTools("verify", models.file("hub"))
    #expect(run.status == 1)
    #expect(run.errors.contains("models--o--n") && run.errors.contains("models--p--q"))
    let snapshots = try cache(snapshots: ["abc", "def"])
    let other = try belleTools("verify", snapshots.file("hub/models--o--n/snapshots"))
    #expect(other.status == 1)
    #expect(other.errors.contains("snapshots/abc") && other.errors.contains("snapshots/def"))
  }

  /// Two damaged blobs were "perhaps of another model".
  @Test("damaged blobs are damaged, and not another model's")
  func damaged() throws {
    let folder = try cache()
    let root = "hub/models--o--n"
    try folder.write("\(root)/blobs/\(sha("w"))", "v")
    for place in [root, root + "/snapshots/abc"] {
      let run = try belleTools("verify", folder.file(place))
      #expect(run.status == 2)
      #expect(!run.errors.contains("another model"), "\(run.errors)")
    }
    let release = try Registry.builtIn.release(named: "BELLE-LLaMA-7B-2M-enc")
    for file in release.files { try folder.write("enc/" + (file.encryptedName ?? ""), "damaged") }
    let run = try belleTools("verify", folder.file("enc"))
    #expect(run.status == 2)
    #expect(!run.errors.contains("another model"), "\(run.errors)")
  }

  @Test(
    "unfinished files are told where nothing else is known of a folder", arguments: [".part", ".crdownload", ".aria2"])
  func unknownFolder(ending: String) throws {
    let folder = try TemporaryFolder()
    try folder.write("m/weights.bin", "w")
    try folder.write("m/" + (ending == ".aria2" ? "weights.bin" : "other.bin") + ending, "x")
    let run = try belleTools("verify", folder.file("m"))
    #expect(run.status == 2, "\(run.errors)")
    #expect(run.output.contains("\(ending): UNFINISHED"), "\(run.output)")
    let name = ending == ".aria2" ? "weights.bin" : "other.bin" + ending
    let alone = try belleTools("verify", folder.file("m/" + name))
    #expect(alone.status == 2)
    #expect(alone.errors.contains("not finished"), "\(alone.errors)")
  }

  @Test("a model whose index names a file that is not there is not whole")
  func unheld() throws {
    let folder = try cache()
    let root = "hub/models--o--n/snapshots/abc"
    try folder.write(
      root + "/model.safetensors.index.json",
      #"{"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}"#)
    try FileManager.default.removeItem(atPath: folder.file(root + "/model.safetensors"))
    try FileManager.default.createSymbolicLink(
      atPath: folder.file(root + "/model-00001-of-00002.safetensors"), withDestinationPath: "../../blobs/\(sha("w"))")
    for place in [root, "hub"] {
      let run = try belleTools("verify", folder.file(place))
      #expect(run.status == 2)
      #expect(run.output.contains("model-00002-of-00002.safetensors: MISSING"), "\(run.output)")
    }
  }
}
