import ByteIO
import Foundation
import TestSupport
import Testing

@testable import Checksum

@Suite("Catalogue") struct CatalogueTests {
  let catalogue = Catalogue.builtIn
  let registry = Registry.builtIn

  @Test("the language models that BELLE's READMEs have named are there, each once, in their form")
  func named() {
    let forms: [String: RepositoryForm] = [
      "BELLE-LLaMA-7B-0.6M-enc": .encrypted, "BELLE-LLaMA-7B-2M-enc": .encrypted,
      "BELLE-LLaMA-7B-2M-gptq-enc": .encrypted, "BELLE-LLaMA-13B-2M-enc": .encrypted,
      "BELLE-LLaMA-EXT-7B": .encrypted, "BELLE-LLaMA-EXT-13B": .encrypted, "BELLE-on-Open-Datasets": .encrypted,
      "BELLE-7B-0.2M": .plain, "BELLE-7B-0.6M": .plain, "BELLE-7B-1M": .plain, "BELLE-7B-2M": .plain,
      "BELLE-7B-gptq": .plain, "BELLE_BLOOM_GPTQ_4BIT": .plain, "BELLE-LLAMA-7B-0.6M": .plain,
      "BELLE-LLAMA-7B-2M": .plain, "BELLE-LLAMA-13B-2M": .plain, "LLAMA-7B-0.6M": .plain,
      "BELLE-LLaMA-7B-2M-q4": .closed, "ChatBELLE-int4": .closed, "BELLE-Llama2-13B-chat-0.4M": .plain,
      "BELLE-VL": .plain,
    ]
    let ours = catalogue.repositories.filter { $0.project == "BELLE" }
    #expect(ours.count == 21)
    #expect(forms.count == 21)
    for repository in ours { #expect(forms[repository.name] == repository.form, "\(repository.name)") }
  }

  @Test("each has a licence, limits and a page, and a name of its own in any case")
  func complete() {
    let names = catalogue.repositories.map { $0.name.lowercased() }
    #expect(Set(names).count == names.count)
    for repository in catalogue.repositories {
      #expect(!repository.licence.isEmpty && !repository.limits.isEmpty, "\(repository.name)")
      #expect(repository.page.hasPrefix("https://"), "\(repository.name)")
      #expect([nil, "belle", "belle2"].contains(repository.chat), "\(repository.name)")
      if let owner = repository.owner {
        #expect(repository.page == "https://huggingface.co/\(owner)/\(repository.name)")
      }
    }
  }

  @Test("what has digests is told of, and by the same page")
  func digests() throws {
    for release in registry.releases {
      let repository = try #require(catalogue.repository(named: release.name), "\(release.name)")
      #expect(repository.form == .encrypted && repository.page == release.page, "\(release.name)")
    }
    for model in registry.models {
      let repository = try #require(catalogue.repository(named: model.name), "\(model.name)")
      #expect([.plain, .adapter].contains(repository.form), "\(model.name)")
      #expect(model.files.contains { $0.plain[.sha256] != nil }, "\(model.name)")
    }
    let encrypted = catalogue.repositories.filter { $0.form == .encrypted }
    #expect(encrypted.count == registry.releases.count)
  }

  @Test("what an adapter is merged with, and what is to be taken instead, is known too")
  func others() {
    let adapters = catalogue.repositories.filter { $0.form == .adapter }
    #expect(adapters.count == 15)
    for repository in adapters {
      // Of LLaMA-1 30B's conversion no digest has a name.
      let base = repository.base.flatMap { catalogue.repository(named: $0) }
      #expect(base?.form == .plain, "\(repository.name)")
      #expect(base.flatMap { registry.model(named: $0.name) } != nil || base?.name == "LLaMA-1 30B HF")
      #expect(registry.model(named: repository.name) != nil, "\(repository.name)")
    }
    for repository in catalogue.repositories {
      if let after = repository.after { #expect(catalogue.repository(named: after)?.form == .adapter) }
      if let instead = repository.instead { #expect(catalogue.repository(named: instead)?.form == .encrypted) }
      // Who may not take it must know what else there is.
      if repository.isWithdrawn || repository.form == .closed { #expect(repository.instead != nil) }
    }
  }

  @Test("names are found in any case and with an owner")
  func names() {
    #expect(catalogue.repository(named: "bellegroup/belle-7b-2m")?.name == "BELLE-7B-2M")
    #expect(catalogue.repository(named: "BELLE-7B") == nil)
  }

  @Test("a limit that nobody wrote down is a mistake")
  func limits() {
    let text = #"""
      {"limits": {"one": "1"}, "repositories": [{"name": "a", "project": "p", "form": "plain", "licence": "l",
      "limits": ["two"], "page": "https://a"}]}
      """#
    #expect(throws: DecodingError.self) { try Catalogue(text: text) }
  }
}

@Suite("Models that are published as they are") struct ModelsTests {
  /// More than what is read of every folder.
  private let weights = SplitMix64.bytes(seed: 9, count: 1_200_000)

  private func registry() throws -> Registry {
    let digest = try DigestStream.digest(.sha256, of: weights).hex
    let tokenizer = try DigestStream.digest(.sha256, of: Array("tokens".utf8)).hex
    return try Registry(files: [
      "releases.json": #"{"releases": [], "originals": []}"#, "header-vectors.json": #"{"keys": {}}"#,
      "models.json": #"""
      {"models": [
        {"name": "Plain-7B", "list": "ours", "folder": "plain", "files": {"model.bin": {"bytes": 1200000}, "config.json": {}}},
        {"name": "Adapter-7B", "list": "ours", "folder": "adapter", "files": {"adapter_model.bin": {"aboutBytes": 1300000}}}
      ]}
      """#,
      "ours.sha256": """
      \(digest)  plain/model.bin
      \(String(digest.reversed()))  adapter/adapter_model.bin
      \(tokenizer)  adapter/tokenizer.model

      """,
    ])
  }

  @Test("a folder is known by the digest of its weights, and by nothing else")
  func recognition() throws {
    let registry = try registry()
    let folder = try TemporaryFolder()
    let found = { (name: String) in
      try registry.recognize(Folder.entries(of: folder.file(name)), in: folder.file(name))
    }
    try folder.write("own/model.bin", weights)
    #expect(try found("own").found.map(\.name) == ["Plain-7B"])
    var other = weights
    other[1_199_999] ^= 1
    try folder.write("other/model.bin", other)
    try folder.write("other/config.json", "{}")
    #expect(try found("other").found.isEmpty)
    #expect(try found("other").fitting.isEmpty)
    // Everybody's tokenizer, and weights that are too short to be read for their digest.
    try folder.write("small/tokenizer.model", "tokens")
    try folder.write("small/adapter_model.bin", weights)
    #expect(try found("small").found.isEmpty)
    #expect(try found("small").fitting.isEmpty)
  }

  @Test("its list is asked for by name, and a digest tells whose it is")
  func lists() throws {
    let registry = try registry()
    let contents = try registry.contents(of: "owner/plain-7b", encrypted: true)
    #expect(contents.name == "Plain-7B")
    #expect(contents.manifest.entries.map(\.path) == ["model.bin"])
    #expect(contents.names == ["model.bin", "config.json"])
    let owners = registry.owners(of: try DigestStream.digest(.sha256, of: weights))
    #expect(owners.map(\.owner) == ["Plain-7B"])
    #expect(owners.map(\.file) == ["model.bin"])
    #expect(registry.model(named: "Plain") == nil)
  }

  @Test(
    "published digests lead to their models",
    arguments: [
      ("461bc5e50200db7813ff99cc0b9316c48ccbd6aaaa31bf8cf7bee0b64bc3eda3", "LLaMA-1 7B HF"),
      ("2efc56cddb7877c830bc5b402ee72996aedb5694c9e8007bf1d52d72c0d97d26", "LLaMA-1 13B HF early"),
      ("6a2baee6416fe59a435caddb7ba1c99a627cef8557a7685607a479e53114192c", "BELLE-7B-2M"),
      ("0d9b6ed8e4a7d1ae590a16c89a452a488d66ff07e45487972f61c2b6e46e36de", "chinese-alpaca-lora-7b"),
    ])
  func published(hex: String, name: String) throws {
    let digest = try #require(Digest(hex: hex))
    #expect(Registry.builtIn.owners(of: digest).map(\.owner) == [name])
  }

  @Test("where no digest is known that is said, and not that there is no such name")
  func withoutDigests() {
    let error = #expect(throws: ChecksumError.self) {
      try Registry.builtIn.contents(of: "BELLE-2/BELLE-VL", encrypted: false)
    }
    #expect(error?.reason == "no digest of BELLE-VL's files is known")
  }
}
