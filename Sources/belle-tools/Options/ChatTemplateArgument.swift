// --chat-template of the verbs that write GGUF.

import ArgumentParser
import Model

/// Chat templates.
enum ChatTemplateArgument: String, ExpressibleByArgument, CaseIterable {
  case auto, belle, none

  var choice: GGUFExport.ChatTemplate {
    switch self {
    case .auto: .automatic
    case .belle: .belle
    case .none: .none
    }
  }
}
