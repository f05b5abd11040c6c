// swift-tools-version: 6.2
// The rooms of belle-tools and who may import whom: Documentation/architecture.md.
import PackageDescription

let strict: [SwiftSetting] =
  [
    .strictMemorySafety(),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
  ]
  // CI refuses warnings; a newer compiler's new warnings must not break a user's build.
  + (Context.environment["BELLE_WARNINGS_AS_ERRORS"] == "1" ? [.treatAllWarnings(as: .error)] : [])

// Tests call the C library and the kernels directly.
let test = Array(strict.dropFirst())

// `make fuzz` builds this with libFuzzer; an ordinary build does not.
let fuzzTargets: [Target] =
  Context.environment["BELLE_FUZZ"] == "1"
  ? [
    .systemLibrary(name: "CLibFuzzer", path: "FuzzTesting/CLibFuzzer"),
    .executableTarget(
      name: "belle-fuzz", dependencies: ["CLibFuzzer", "FuzzedParsers", "ByteIO"], path: "FuzzTesting/Program",
      swiftSettings: strict),
  ] : []

let package = Package(
  name: "belle-tools",
  platforms: [.macOS(.v15)],
  products: [
    .executable(name: "belle-tools", targets: ["belle-tools"]),
    .executable(name: "belle-bench", targets: ["belle-bench"]),
    // The only Swift reader of PyTorch files that never runs them: Documentation/library.md.
    .library(name: "Checkpoint", targets: ["Checkpoint", "ByteIO"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0")
  ],
  targets: [
    // Bottom: C kernels of our own, and the system's libraries.
    .target(name: "CBelleKernels"),
    .target(name: "CSystemCalls"),
    .target(
      name: "CEmbeddedFiles",
      // What `--version` says; the Makefile asks git.
      cSettings: Context.environment["BELLE_COMMIT"].map { [.define("BELLE_COMMIT", to: "\"\($0)\"")] }),
    .target(name: "CTranslations"),
    .systemLibrary(
      name: "COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"]), .brew(["openssl@3"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"]), .brew(["zlib"])]),
    // Looked for when the program runs.
    .target(name: "COpenBLAS"),
    .target(name: "COneDNN", dependencies: ["CBelleKernels"]),
    .target(name: "CSentencePiece"),
    .target(name: "CMPI"),

    // Bytes, digests, the XOR diff.
    .target(name: "ByteIO", dependencies: ["CEmbeddedFiles", "CSystemCalls"], swiftSettings: strict),
    .target(name: "Checksum", dependencies: ["ByteIO", "COpenSSL"], swiftSettings: strict),
    .target(name: "XorDecrypt", dependencies: ["ByteIO", "Checksum", "CBelleKernels"], swiftSettings: strict),
    .target(
      name: "Checkpoint", dependencies: ["ByteIO", "Checksum", "CZlib", "CBelleKernels"], swiftSettings: strict),

    // Integers on grids: quantized linear modules in files' forms.
    .target(name: "Packed", dependencies: ["ByteIO", "Checkpoint", "CBelleKernels"], swiftSettings: strict),

    // Matrices, and the only door to the BLAS.
    .target(
      name: "LinearAlgebra", dependencies: ["ByteIO", "COpenBLAS", "COneDNN", "CBelleKernels"], swiftSettings: strict),

    // Processes that work on one thing together.
    .target(name: "Ranks", dependencies: ["ByteIO", "CMPI"], swiftSettings: strict),

    // Chats to texts: the language of chat templates.
    .target(name: "Jinja", dependencies: ["ByteIO"], swiftSettings: strict),

    // Models: text to ids, ids to logits.
    .target(name: "Tokenizer", dependencies: ["ByteIO", "CSentencePiece"], swiftSettings: strict),
    // What a model is, without arithmetic.
    .target(
      name: "Model", dependencies: ["ByteIO", "Checkpoint", "Jinja", "Packed", "Tokenizer"], swiftSettings: strict),
    .target(
      name: "Transformer",
      dependencies: [
        "ByteIO", "Checkpoint", "Jinja", "LinearAlgebra", "Model", "Packed", "Ranks", "Tokenizer", "CBelleKernels",
      ],
      swiftSettings: strict),
    .target(
      name: "Quantize",
      dependencies: [
        "ByteIO", "Checksum", "Checkpoint", "Jinja", "LinearAlgebra", "Model", "Packed", "Ranks", "Tokenizer",
        "Transformer", "CBelleKernels",
      ],
      swiftSettings: strict),

    // Adapters and deltas, merged into their bases.
    .target(
      name: "Merging", dependencies: ["ByteIO", "Checkpoint", "Checksum", "Model", "Packed", "CBelleKernels"],
      swiftSettings: strict),

    // Figures to pages that people look at; nothing is known here of models.
    .target(name: "Reports", dependencies: ["ByteIO"], swiftSettings: strict),

    // Programs.
    .executableTarget(
      name: "belle-tools",
      dependencies: [
        "ByteIO", "CTranslations", "Checksum", "Checkpoint", "Jinja", "LinearAlgebra", "Merging", "Model", "Packed",
        "Quantize", "Ranks", "Reports", "Tokenizer", "Transformer", "XorDecrypt",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "belle-bench",
      dependencies: [
        "ByteIO", "CBelleKernels", "Checksum", "Checkpoint", "Jinja", "XorDecrypt", "LinearAlgebra", "Model", "Packed",
        "Quantize", "Ranks", "Tokenizer", "Transformer",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: strict),

    // The parsers as fuzz targets; the tests replay what was found.
    .target(
      name: "FuzzedParsers",
      dependencies: [
        "ByteIO", "Checkpoint", "Checksum", "Jinja", "Merging", "Model", "Tokenizer", "Transformer", "XorDecrypt",
      ],
      path: "FuzzTesting/Parsers", swiftSettings: strict),

    // Tests.
    .target(
      name: "TestSupport", dependencies: ["ByteIO", "Checkpoint", "Ranks"], path: "Tests/TestSupport",
      swiftSettings: test),
    .testTarget(
      name: "CBelleKernelsTests", dependencies: ["CBelleKernels", "CZlib", "COpenBLAS", "TestSupport"],
      swiftSettings: test),
    .testTarget(name: "ByteIOTests", dependencies: ["ByteIO", "TestSupport"], swiftSettings: test),
    .testTarget(name: "ChecksumTests", dependencies: ["Checksum", "TestSupport"], swiftSettings: test),
    .testTarget(
      name: "XorDecryptTests", dependencies: ["XorDecrypt", "Checksum", "ByteIO", "TestSupport"], swiftSettings: test),
    .testTarget(
      name: "CheckpointTests", dependencies: ["Checkpoint", "FuzzedParsers", "Checksum", "ByteIO", "TestSupport"],
      swiftSettings: test),
    .testTarget(
      name: "PackedTests", dependencies: ["Packed", "Checkpoint", "ByteIO", "TestSupport"], swiftSettings: test),
    .testTarget(
      name: "TokenizerTests", dependencies: ["Tokenizer", "ByteIO", "TestSupport"], swiftSettings: test),
    .testTarget(name: "JinjaTests", dependencies: ["Jinja", "ByteIO", "TestSupport"], swiftSettings: test),
    .testTarget(
      name: "ModelTests",
      dependencies: ["Jinja", "Model", "Packed", "Tokenizer", "Checkpoint", "ByteIO", "TestSupport"],
      swiftSettings: test),
    .testTarget(
      name: "MergingTests", dependencies: ["Merging", "Model", "Checkpoint", "Checksum", "ByteIO", "TestSupport"],
      swiftSettings: test),
    .testTarget(
      name: "TransformerTests",
      dependencies: [
        "Transformer", "Model", "Packed", "Tokenizer", "Checkpoint", "LinearAlgebra", "Ranks", "CBelleKernels",
        "ByteIO",
        "TestSupport",
      ],
      swiftSettings: test),
    .testTarget(
      name: "CalibrationTests",
      dependencies: [
        "Quantize", "Model", "Tokenizer", "Transformer", "Checkpoint", "Checksum", "ByteIO", "CZlib", "TestSupport",
      ],
      swiftSettings: test),
    .testTarget(
      name: "LinearAlgebraTests", dependencies: ["LinearAlgebra", "CBelleKernels", "ByteIO", "TestSupport"],
      swiftSettings: test),
    .testTarget(
      name: "QuantizeTests",
      dependencies: [
        "Quantize", "LinearAlgebra", "Model", "Packed", "Ranks", "Transformer", "Checkpoint", "ByteIO", "TestSupport",
      ],
      swiftSettings: test),
    .testTarget(
      name: "CommandLineTests",
      dependencies: ["belle-tools", "Checkpoint", "LinearAlgebra", "XorDecrypt", "Checksum", "ByteIO", "TestSupport"],
      swiftSettings: test),
    .testTarget(name: "RanksTests", dependencies: ["Ranks", "ByteIO", "TestSupport"], swiftSettings: test),
    .testTarget(name: "ReportsTests", dependencies: ["Reports", "ByteIO", "TestSupport"], swiftSettings: test),
    .testTarget(
      name: "FuzzedParsersTests", dependencies: ["FuzzedParsers", "ByteIO", "TestSupport"], swiftSettings: test),
  ] + fuzzTargets,
  swiftLanguageModes: [.v6],
  cLanguageStandard: .c17,
  cxxLanguageStandard: .cxx17
)
